// Where every mistake of a manifest goes while it is read: none is thrown, none
// stops the reading, and a file of nothing but mistakes stays bounded.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/model/diagnostic.h"

namespace sluice {

class Problems {
 public:
  // What comes after this many is counted, not kept.
  static constexpr int kMaxKept = 500;

  void Error(Place place, std::string message);
  void Warning(Place place, std::string message);

  int errors() const { return errors_; }
  // Nothing more is kept: not worth the search for a suggestion.
  bool full() const { return static_cast<int>(kept_.size()) >= kMaxKept; }

  // Sorted by place, without repeats; the last says how many were left out.
  std::vector<Diagnostic> Take();

 private:
  void Add(Diagnostic::Severity severity, Place place, std::string message);

  std::vector<Diagnostic> kept_;
  int errors_ = 0;
  int left_out_ = 0;
  Place last_left_out_;
};

// The candidate nearest to `word` as a person mistypes it, or "" when none is
// near. Ties go to the first in order.
std::string Nearest(absl::string_view word,
                    const std::vector<std::string>& candidates);

// "; did you mean 'x'?" or "; it is one of 'a', 'b' and 'c'" where there are
// few, or "".
std::string DidYouMean(absl::string_view word,
                       const std::vector<std::string>& candidates);

}  // namespace sluice
