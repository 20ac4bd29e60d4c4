// `--help` that fits a terminal of 80 columns.

#pragma once

namespace CLI {
class App;
}

namespace sluice {

// Breaks what describes `app`, its options and its commands between words.
// Commands take it over when they are added, so call it before.
void FitHelp(CLI::App& app);

}  // namespace sluice
