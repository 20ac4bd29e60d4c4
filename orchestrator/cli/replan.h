// `sluice replan`: another manifest's plan, shown beside the run and put in
// force once somebody has said so.

#pragma once

#include <string>

#include "orchestrator/cli/session.h"
#include "orchestrator/cli/terminal.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

struct ReplanOptions {
  std::string manifest;
  bool yes = false;      // do not ask
  bool dry_run = false;  // show, change nothing
};
// Without a terminal to ask at, only `yes` changes anything.
ExitCode Replan(const Terminal& terminal, const Common& common,
                const ReplanOptions& options);

// What it would do to the run, for people. `preview`: printable.
std::string PreviewText(const v1::PlanPreview& preview, int width,
                        const Paint& paint);

}  // namespace sluice::cli
