#include "common/help_format.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice {
namespace {

constexpr size_t kWidth = 80;

// Lines of at most `width`, if no word is longer, with '\n' between them.
std::string Fit(const std::string& text, size_t width) {
  std::string fitting;
  size_t used = 0;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    if (used > 0 && used + 1 + word.size() > width) {
      fitting += '\n';
      used = 0;
    } else if (used > 0) {
      fitting += ' ';
      ++used;
    }
    absl::StrAppend(&fitting, word);
    used += word.size();
  }
  return fitting;
}

class Fitting : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    return Fit(option->get_description(), kWidth - get_column_width());
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::stringstream out;
    CLI::detail::format_help(
        out, command->get_display_name(true),
        Fit(command->get_description(), kWidth - get_column_width()),
        get_column_width());
    return out.str();
  }
  std::string make_description(const CLI::App* app) const override {
    return absl::StrCat(Fit(CLI::Formatter::make_description(app), kWidth),
                        "\n");
  }
};

}  // namespace

void FitHelp(CLI::App& app) { app.formatter(std::make_shared<Fitting>()); }

}  // namespace sluice
