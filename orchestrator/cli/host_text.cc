#include "orchestrator/cli/host_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/step_text.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {

std::string SensorAnewText(const v1::SensorAnew& sensor) {
  if (sensor.by().empty()) {
    return "begun anew, and this record does not say by whom";
  }
  return absl::StrCat(
      sensor.done() ? "begun anew" : "to begin anew, not yet said to be done;",
      sensor.done() ? "" : " ordered", " by ", sensor.by(), " at ",
      ClockText(sensor.at_ms()), ": ", sensor.reason());
}

std::string HostText(const v1::Status& status, const v1::Host& host, int width,
                     const Paint& paint) {
  const bool heard = host.link() == "connected";
  std::string out =
      absl::StrCat(paint.Bold(host.id()), "  ",
                   heard                     ? paint.Green(host.link())
                   : host.link() == "manual" ? paint.Yellow(host.link())
                                             : paint.Red(host.link()),
                   host.since_ms() == 0
                       ? ""
                       : absl::StrCat(" since ", ClockText(host.since_ms())),
                   "\n");
  if (!host.text().empty()) absl::StrAppend(&out, Hang("", host.text(), width));
  if (host.link() == "manual") {
    // S9: a word is all there is; there is no kernel to read.
    absl::StrAppend(&out, "closings ", host.quarantine_number(), " said, ",
                    host.standing_flows(), " flows said to be open\n");
    for (const v1::PointTask& task : status.point_tasks()) {
      if (task.host() != host.id()) continue;
      absl::StrAppend(&out, Hang("task     ",
                                 absl::StrCat(task.what(),
                                              ": sluice task done ", task.id()),
                                 width));
    }
  }
  // S9: the last word of a host that is not heard is not its state.
  const char* last = heard ? "" : "  (when it was last heard)";
  if (host.link() != "manual")
    absl::StrAppend(&out, "fence    ", host.fence(), ", quarantine number ",
                    host.quarantine_number(), last, "\nflows    ",
                    host.leased_flows(), " leased, ", host.standing_flows(),
                    " standing; ", host.dropped_packets(), " packets refused",
                    last, "\n");
  if (!host.agent_version().empty()) {
    absl::StrAppend(&out, "agent    ", host.agent_version(), "\n");
  }
  if (!host.trust().empty()) {
    absl::StrAppend(&out, Hang("trust    ", host.trust(), width));
  }
  if (!host.broken_glass().empty()) {
    absl::StrAppend(
        &out, Hang("glass    ", absl::StrCat("broken: ", host.broken_glass()),
                   width));
  }
  if (host.has_sensor_anew()) {
    absl::StrAppend(
        &out, paint.Yellow(Hang("sensor   ", SensorAnewText(host.sensor_anew()),
                                width)));
  }
  if (host.has_not_kept()) {
    absl::StrAppend(
        &out, paint.Yellow(Hang("not kept ", host.not_kept().text(), width)));
  }
  bool header = false;
  for (const v1::Step& step : status.steps()) {
    if (std::find(step.hosts().begin(), step.hosts().end(), host.id()) ==
        step.hosts().end()) {
      continue;
    }
    if (!header) absl::StrAppend(&out, "\n", paint.Bold("Steps here"), "\n");
    header = true;
    absl::StrAppend(&out,
                    StepLines(step, 30, status.now_ms(), {}, width, paint));
  }
  return out;
}

}  // namespace sluice::cli
