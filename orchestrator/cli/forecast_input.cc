#include "orchestrator/cli/forecast_input.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/nearest.h"
#include "common/status.h"
#include "orchestrator/cli/durations_command.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/manifest/values.h"

namespace sluice::cli {
namespace {

constexpr size_t kMaxMeasuredBytes = size_t{16} << 20;

absl::Status Unknown(absl::string_view kind, const std::string& name,
                     const std::vector<std::string>& names) {
  const std::string near = Nearest(name, names);
  return absl::InvalidArgumentError(absl::StrCat(
      "this plan has no ", kind, " '", name, "'",
      near.empty() ? "; `sluice plan` lists them"
                   : absl::StrCat("; did you mean '", near, "'?")));
}

absl::StatusOr<absl::Duration> ReadDuration(const std::string& text) {
  absl::Duration duration;
  std::string why;
  if (!manifest::ParseDuration(text, absl::ZeroDuration(), absl::Hours(24 * 30),
                               &duration, &why)) {
    return absl::InvalidArgumentError(why);
  }
  return duration;
}

absl::Status ReadWithout(const Plan& plan, const ForecastOptions& options,
                         WhatIf& what_if) {
  for (const std::string& name : options.without) {
    if (plan.FindHost(HostId(name)) == nullptr) {
      std::vector<std::string> names;
      for (const PlannedHost& host : plan.hosts) names.push_back(host.id.str());
      return Unknown("host", name, names);
    }
    what_if.without.push_back(HostId(name));
  }
  return absl::OkStatus();
}

absl::Status ReadSlow(const Plan& plan, const ForecastOptions& options,
                      WhatIf& what_if) {
  for (const std::string& word : options.slow) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--slow ", word, " says no duration; write --slow ", word, "=20m"));
    }
    const std::string name = word.substr(0, equals);
    const PlannedStep* step = plan.FindStep(StepId(name));
    if (step == nullptr || !step->external.empty()) {
      std::vector<std::string> names;
      for (const PlannedStep& one : plan.steps) {
        if (one.external.empty()) names.push_back(one.id.str());
      }
      return Unknown("system", name, names);
    }
    const auto duration = ReadDuration(word.substr(equals + 1));
    if (!duration.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--slow ", word, ": ", duration.status().message()));
    }
    what_if.slow[step->system] = *duration;
  }
  return absl::OkStatus();
}

// Of what was measured, what this plan has: past runs may have had others.
void AddDurations(const Plan& plan, const v1::Durations& durations,
                  ForecastQuestion* question) {
  for (const v1::StepDurations& step : durations.steps()) {
    if (plan.FindStep(StepId(step.step())) == nullptr) continue;
    for (const int64_t ms : step.took_ms()) {
      question->measured[StepId(step.step())].push_back(absl::Milliseconds(ms));
    }
  }
  for (const v1::GateDurations& gate : durations.gates()) {
    if (plan.FindStage(StageId(gate.gate())) == nullptr) continue;
    for (const int64_t ms : gate.waited_ms()) {
      question->asked[StageId(gate.gate())].push_back(absl::Milliseconds(ms));
    }
  }
}

absl::Status ReadMeasured(const Plan& plan, const std::string& path,
                          ForecastQuestion* question) {
  const auto text = ReadWholeFile(path, kMaxMeasuredBytes);
  if (!text.ok()) return text.status();
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", what, "; write {\"billing-db\": [\"4s\", \"1m10s\"]}"));
  };
  const auto durations = ParseDurations(*text);
  if (!durations.ok()) return wrong(durations.status().message());
  AddDurations(plan, *durations, question);
  if (question->measured.empty())
    return wrong("it names no system of this plan");
  return absl::OkStatus();
}

absl::Status AskMeasured(const Plan& plan, const Common& common,
                         ForecastQuestion* question) {
  SLUICE_ASSIGN_OR_RETURN(const auto client, Connect(common));
  SLUICE_ASSIGN_OR_RETURN(const v1::Durations durations,
                          client->GetDurations());
  AddDurations(plan, durations, question);
  if (!question->measured.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the orchestrator has measured nothing of this plan yet; forecast "
      "without --from-orchestrator, from what the manifest expects");
}

// Every trial keeps the end of every step: a third of a gigabyte at most.
absl::Status CheckTrials(const Plan& plan, int trials) {
  constexpr size_t kMost = 20'000'000;
  const size_t most = kMost / std::max<size_t>(plan.steps.size(), 1);
  if (static_cast<size_t>(trials) <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--trials ", trials, " is more than memory has room for; ",
                   "this plan has ", plan.steps.size(),
                   " steps, so write at most --trials ", most));
}

}  // namespace

absl::StatusOr<ForecastQuestion> ReadQuestion(const Plan& plan,
                                              const ForecastOptions& options,
                                              const Common& common) {
  ForecastQuestion question;
  question.seed = options.seed;
  question.trials = options.trials;
  SLUICE_RETURN_IF_ERROR(CheckTrials(plan, options.trials));
  SLUICE_RETURN_IF_ERROR(ReadWithout(plan, options, question.what_if));
  SLUICE_RETURN_IF_ERROR(ReadSlow(plan, options, question.what_if));
  if (options.from_orchestrator) {
    SLUICE_RETURN_IF_ERROR(AskMeasured(plan, common, &question));
  } else if (!options.measured.empty()) {
    SLUICE_RETURN_IF_ERROR(ReadMeasured(plan, options.measured, &question));
  }
  return question;
}

}  // namespace sluice::cli
