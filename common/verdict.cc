#include "common/verdict.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice {
namespace {

// So that a value with a space or a newline cannot pose as another argument.
std::string Encode(absl::string_view value) {
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || c == '%' || c == '=' || byte == 0x7f) {
      absl::StrAppendFormat(&out, "%%%02x", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kInconclusive:
      return "inconclusive";
  }
  return "inconclusive";
}

std::string CheckSpec::Line() const {
  std::string line = Encode(kind);
  for (const auto& [name, value] : args) {
    absl::StrAppend(&line, " ", Encode(name), "=", Encode(value));
  }
  absl::StrAppend(&line, " timeout=", absl::FormatDuration(timeout),
                  " attempts=", attempts,
                  " between=", absl::FormatDuration(between));
  return line;
}

}  // namespace sluice
