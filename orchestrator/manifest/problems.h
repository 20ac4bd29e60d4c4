// Where every mistake of a manifest goes while it is read: none is thrown, none
// stops the reading, and a file of nothing but mistakes stays bounded.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "orchestrator/model/diagnostic.h"

namespace sluice::manifest {

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

// `text` with '?' for what could steer a terminal or hide what it says: control
// characters, characters cut in two, and the invisible ones of IsDeceptive.
std::string Printable(absl::string_view text);

// The blank without width, and those that turn the direction of writing against
// the text's own. (Joiners and marks stay: Persian and Hebrew need them.)
bool IsDeceptive(uint32_t c);

// "; did you mean 'x'?" or "; it is one of 'a', 'b' and 'c'" where there are
// few, or "".
std::string DidYouMean(absl::string_view word,
                       const std::vector<std::string>& candidates);

}  // namespace sluice::manifest
