// A command line as data, for what is made from it: completions, man pages.

#pragma once

#include <string>

namespace CLI {
class App;
}

namespace sluice {

// JSON, indented: {name, about, options: [{names, value, about, required,
// many}], words: [{name, about, required, many}], commands: [the same again]}.
// An option without `value` is a flag; `words` are what stands without a name.
// Hidden ones are left out.
std::string DescribeCommand(const CLI::App& app);

// Gives a program the option --help-json, which prints that and ends with 0.
void AddDescribeFlag(CLI::App& app);

}  // namespace sluice
