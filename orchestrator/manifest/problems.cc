#include "orchestrator/manifest/problems.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"

namespace sluice::manifest {
namespace {

// "it is one of …" stays readable up to this many.
constexpr size_t kMaxListed = 6;

}  // namespace

bool IsDeceptive(uint32_t c) {
  return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0x200b || c == 0xfeff;
}

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = byte >= 0xf0   ? 4
                          : byte >= 0xe0 ? 3
                          : byte >= 0xc2 ? 2
                                         : 1;
    bool good = byte >= 0x20 && byte != 0x7f && (byte < 0x80 || length > 1);
    uint32_t c = length == 1 ? byte : byte & (0x7fu >> length);
    size_t taken = 1;
    for (; taken < length && good; ++taken) {
      const unsigned next = i + taken < text.size()
                                ? static_cast<unsigned char>(text[i + taken])
                                : 0;
      if ((next & 0xc0) != 0x80) break;
      c = c << 6 | (next & 0x3f);
    }
    good = good && taken == length && !IsDeceptive(c);
    if (good) {
      absl::StrAppend(&out, text.substr(i, length));
    } else {
      out += '?';
    }
    i += taken - 1;
  }
  return out;
}

void Problems::Error(Place place, std::string message) {
  ++errors_;
  Add(Diagnostic::Severity::kError, place, std::move(message));
}

void Problems::Warning(Place place, std::string message) {
  Add(Diagnostic::Severity::kWarning, place, std::move(message));
}

void Problems::Add(Diagnostic::Severity severity, Place place,
                   std::string message) {
  if (static_cast<int>(kept_.size()) >= kMaxKept) {
    ++left_out_;
    last_left_out_ = std::max(last_left_out_, place);
    return;
  }
  kept_.push_back({severity, place, Printable(message)});
}

std::vector<Diagnostic> Problems::Take() {
  const auto key = [](const Diagnostic& d) {
    return std::tie(d.place, d.severity, d.message);
  };
  std::sort(kept_.begin(), kept_.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  kept_.erase(std::unique(kept_.begin(), kept_.end(),
                          [&](const auto& a, const auto& b) {
                            return key(a) == key(b);
                          }),
              kept_.end());
  if (left_out_ > 0) {
    const auto severity = errors_ > 0 ? Diagnostic::Severity::kError
                                      : Diagnostic::Severity::kWarning;
    kept_.push_back(
        {severity,
         {std::max(last_left_out_.file, kept_.back().place.file), 0, 0},
         absl::StrCat("there are ", left_out_,
                      " more like these; correct the ones above "
                      "first and validate again")});
  }
  return std::move(kept_);
}

std::string DidYouMean(absl::string_view word,
                       const std::vector<std::string>& candidates) {
  const std::string near = Nearest(word, candidates);
  if (!near.empty()) return absl::StrCat("; did you mean '", near, "'?");
  if (candidates.empty() || candidates.size() > kMaxListed) return "";
  if (candidates.size() == 1) {
    return absl::StrCat("; there is only '", candidates[0], "'");
  }
  return absl::StrCat(
      "; it is one of '",
      absl::StrJoin(candidates.begin(), candidates.end() - 1, "', '"),
      "' and '", candidates.back(), "'");
}

}  // namespace sluice::manifest
