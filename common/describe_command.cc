#include "common/describe_command.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

// As people read it: one line.
std::string OneLineOf(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

Json Describe(const CLI::App& app) {
  Json options = Json::array();
  Json words = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    const Json common = {{"about", OneLineOf(option->get_description())},
                         {"required", option->get_required()},
                         {"many", option->get_items_expected_max() > 1 ||
                                      option->get_multi_option_policy() ==
                                          CLI::MultiOptionPolicy::TakeAll}};
    if (option->get_positional()) {  // it may have another name as well
      words.push_back({{"name", option->get_name(/*positional=*/true)}});
      words.back().update(common);
    }
    if (!option->nonpositional()) continue;
    Json names = Json::array();
    for (const std::string& name : option->get_snames()) {
      names.push_back("-" + name);
    }
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
    options.push_back({{"names", std::move(names)}});
    if (option->get_items_expected_max() > 0) {
      options.back()["value"] = option->get_type_name();
    }
    options.back().update(common);
  }
  Json commands = Json::array();
  for (const CLI::App* sub :
       app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_group().empty()) commands.push_back(Describe(*sub));
  }
  return {{"name", app.get_name()},
          {"about", OneLineOf(app.get_description())},
          {"options", std::move(options)},
          {"words", std::move(words)},
          {"commands", std::move(commands)}};
}

}  // namespace

std::string DescribeCommand(const CLI::App& app) {
  return Describe(app).dump(2) + "\n";
}

void AddDescribeFlag(CLI::App& app) {
  app.add_flag_callback(
      "--help-json",
      [&app] {
        std::cout << DescribeCommand(app);
        throw CLI::Success();  // before anything else is asked for
      },
      "Print every command and option as JSON and exit");
}

}  // namespace sluice
