// A page of a fixed number of lines: sections get what they need at least,
// then share what is left, in the order they were added.

#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice {

class Page {
 public:
  class Section {
   public:
    // An entry of its own, wrapped; `count` is what it adds to the number
    // behind "and … more" when there is no room for it.
    void Item(absl::string_view text, int count = 1);
    // A line as it is. REQUIRES: it fits.
    void Line(absl::string_view line);
    // Short entries, several a line.
    void Flow(const std::vector<std::string>& items,
              absl::string_view separator);
    bool empty() const { return blocks_.empty(); }

   private:
    friend class Page;
    struct Block {
      std::vector<std::string> lines;
      int count = 1;
    };
    int Lines() const;

    std::string header_;
    std::string command_;
    int width_ = 80;
    int least_ = 1;
    std::vector<Block> blocks_;
  };

  // `more` is the sentence for what did not fit: "%1" its number, "%2" the
  // command that lists it.
  Page(int width, std::string more) : width_(width), more_(std::move(more)) {}

  // A section of at least `least` lines below its header (an empty header
  // takes none), where it has as many.
  Section& Add(absl::string_view header, int least,
               absl::string_view command = "");

  // At most `lines` lines. REQUIRES: the least of all sections fit.
  std::string Text(int lines) const;

 private:
  std::string SectionText(const Section& section, int limit) const;

  int width_;
  std::string more_;
  std::deque<Section> sections_;
};

}  // namespace sluice
