// `sluice task`: what people are asked to do by hand at points that nobody's
// program drives, and their signed word on it.

#pragma once

#include <functional>
#include <string>

#include "orchestrator/cli/session.h"
#include "orchestrator/cli/terminal.h"

namespace CLI {
class App;
}

namespace sluice::cli {

struct PointOptions {
  std::string task;  // "plc-1/open-4"
  bool done = false;
  std::string saw;  // or why it could not be done
  std::string key;  // the SSH key to sign with; empty: client.yaml's
};

ExitCode ListPointTasks(const Terminal& terminal, const Common& common);
ExitCode ReportPoint(const Terminal& terminal, const Common& common,
                     const PointOptions& options);

// Every task with its flows and instructions; a sentence when there is none.
// `task` as it came: its instructions keep their lines.
std::string PointTaskText(const v1::PointTask& task, int width,
                          const Paint& paint);

// `add` makes a subcommand with --json; the words outlive the parser.
void AddPointCommands(
    CLI::App& app,
    const std::function<CLI::App*(CLI::App& to, const std::string& name,
                                  const std::string& text,
                                  std::function<ExitCode()> run)>& add,
    const Terminal& terminal, const Common& common, PointOptions& words);

}  // namespace sluice::cli
