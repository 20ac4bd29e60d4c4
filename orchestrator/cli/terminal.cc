#include "orchestrator/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"

namespace sluice::cli {

std::string Terminal::Ask(absl::string_view question) const {
  *out << question << std::flush;
  std::string answer;
  std::getline(*in, answer);
  return answer;
}

ExitCode Terminal::Complain(absl::string_view message, ExitCode code) const {
  *out << std::flush;
  *err << Hang("sluice: ", Printable(message, /*keep_newlines=*/true), width)
       << std::flush;
  return code;
}

Terminal SystemTerminal() {
  Terminal terminal;
  terminal.in = &std::cin;
  terminal.out = &std::cout;
  terminal.err = &std::cerr;
  const bool out_is_terminal = isatty(STDOUT_FILENO) == 1;
  terminal.can_ask = out_is_terminal && isatty(STDIN_FILENO) == 1;
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || absl::string_view(kind) == "dumb";
  terminal.live = out_is_terminal && !dumb;
  terminal.colour =
      terminal.live && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  if (out_is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    if (size.ws_col > 0) terminal.width = std::clamp<int>(size.ws_col, 40, 80);
    if (size.ws_row > 0) terminal.height = std::max<int>(size.ws_row, 10);
  } else if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
    // Whoever shows our text inside their own says how wide it may be.
    int width = 0;
    if (absl::SimpleAtoi(columns, &width)) {
      terminal.width = std::clamp(width, 40, 80);
    }
  }
  return terminal;
}

}  // namespace sluice::cli
