#include "orchestrator/report/page.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "orchestrator/report/brief_words.h"
#include "orchestrator/report/layout.h"

namespace sluice {
namespace {
constexpr int kIndent = 2;
constexpr size_t kLongestItem = 4;  // lines
}  // namespace

void Page::Section::Item(absl::string_view text, int count) {
  const int indent = header_.empty() ? 0 : kIndent;
  Block block{{}, count};
  for (const std::string& line : Wrap(text, width_ - 2 * indent)) {
    // What follows the first line of an item stands a little further in.
    const int more = block.lines.empty() ? 0 : kIndent;
    block.lines.push_back(
        Clip(absl::StrCat(std::string(indent + more, ' '), line), width_));
  }
  if (block.lines.size() > kLongestItem) {
    block.lines.resize(kLongestItem);
    block.lines.back() =
        absl::StrCat(Clip(block.lines.back(), width_ - 2), " …");
  }
  blocks_.push_back(std::move(block));
}

void Page::Section::Line(absl::string_view line) {
  blocks_.push_back({{std::string(line)}, 0});
}

void Page::Section::Flow(const std::vector<std::string>& items,
                         absl::string_view separator) {
  Block block{{std::string(kIndent, ' ')}, 0};
  for (const std::string& item : items) {
    std::string& line = block.lines.front();
    const int wanted = DisplayWidth(item) + DisplayWidth(separator);
    if (block.count > 0 && DisplayWidth(line) + wanted > width_) {
      blocks_.push_back(std::move(block));
      block = Block{{std::string(kIndent, ' ')}, 0};
    }
    absl::StrAppend(&block.lines.front(), block.count > 0 ? separator : "",
                    Clip(item, width_ - kIndent));
    ++block.count;
  }
  if (block.count > 0) blocks_.push_back(std::move(block));
}

int Page::Section::Lines() const {
  size_t lines = 0;
  for (const Block& block : blocks_) lines += block.lines.size();
  return static_cast<int>(lines);
}

Page::Section& Page::Add(absl::string_view header, int least,
                         absl::string_view command) {
  Section& section = sections_.emplace_back();
  section.header_ = std::string(header);
  section.command_ = std::string(command);
  section.width_ = width_;
  section.least_ = least;
  return section;
}

std::string Page::SectionText(const Section& section, int limit) const {
  std::string out;
  int left_over = 0;
  int used = 0;
  int blocks_left = static_cast<int>(section.blocks_.size());
  bool full = false;
  for (const Section::Block& block : section.blocks_) {
    --blocks_left;
    const int wanted = static_cast<int>(block.lines.size());
    const int reserve = blocks_left > 0 ? 1 : 0;  // for "and … more"
    // Where the rest fits as a whole, nothing has to be kept for that line.
    full = full || (used + wanted + reserve > limit && section.Lines() > limit);
    if (full) {
      left_over += block.count;
      continue;
    }
    for (const std::string& line : block.lines)
      absl::StrAppend(&out, line, "\n");
    used += wanted;
  }
  if (left_over > 0) {
    const std::string more =
        section.command_.empty()
            ? absl::StrCat("… +", left_over)
            : Fill(more_, {absl::StrCat(left_over), section.command_});
    absl::StrAppend(&out, std::string(kIndent, ' '), more, "\n");
  }
  return out;
}

std::string Page::Text(int lines) const {
  std::vector<int> limits;
  int left = lines;
  for (const Section& section : sections_) {
    limits.push_back(std::min(section.Lines(), section.least_));
    // The header and the blank line above it.
    left -= limits.back() + (section.header_.empty() ? 0 : 2);
  }
  for (size_t i = 0; i < sections_.size(); ++i) {
    const int more =
        std::clamp(sections_[i].Lines() - limits[i], 0, std::max(left, 0));
    limits[i] += more;
    left -= more;
  }
  std::string out;
  for (size_t i = 0; i < sections_.size(); ++i) {
    if (!sections_[i].header_.empty()) {
      absl::StrAppend(&out, "\n", sections_[i].header_, "\n");
    }
    absl::StrAppend(&out, SectionText(sections_[i], limits[i]));
  }
  return out;
}

}  // namespace sluice
