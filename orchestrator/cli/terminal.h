// Where a command reads and writes, so that commands never ask which terminal
// they are on, and tests give them strings.

#pragma once

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "orchestrator/cli/exit_code.h"
#include "orchestrator/report/layout.h"

namespace sluice::cli {

struct Terminal {
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool can_ask = false;  // somebody is there to answer a question
  bool live = false;     // `out` can be redrawn
  bool colour = false;
  int width = 80;   // never above 80: people print and paste
  int height = 24;

  Paint paint() const { return Paint(colour); }

  // Asks and reads one line, without the newline; empty at end of input.
  // REQUIRES: can_ask.
  std::string Ask(absl::string_view question) const;

  // "sluice: …" in wrapped lines on `err`; gives `code` back.
  ExitCode Complain(absl::string_view message, ExitCode code) const;
  ExitCode Complain(const absl::Status& status) const {
    return Complain(status.message(), ExitCodeFor(status));
  }
};

// Standard input, output and error. Colour only on a terminal, and not where
// NO_COLOR is set or TERM is "dumb".
Terminal SystemTerminal();

}  // namespace sluice::cli
