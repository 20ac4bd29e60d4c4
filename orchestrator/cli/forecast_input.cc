#include "orchestrator/cli/forecast_input.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/nearest.h"
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

// A list of durations; `wrong` makes an error of what is wrong with it.
template <class Wrong>
absl::Status ReadSamples(const std::string& name, const nlohmann::json& samples,
                         const Wrong& wrong, std::vector<absl::Duration>& out) {
  if (!samples.is_array()) return wrong(absl::StrCat(name, " has no list"));
  for (const auto& sample : samples) {
    if (!sample.is_string()) {
      return wrong(absl::StrCat(name, " has what is no duration"));
    }
    const auto duration = ReadDuration(sample.get<std::string>());
    if (!duration.ok()) {
      return wrong(absl::StrCat(name, ": ", duration.status().message()));
    }
    out.push_back(*duration);
  }
  return absl::OkStatus();
}

absl::Status ReadMeasured(const Plan& plan, const std::string& path,
                          ForecastQuestion& question) {
  const auto text = ReadWholeFile(path, kMaxMeasuredBytes);
  if (!text.ok()) return text.status();
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", what, "; write {\"billing-db\": [\"4s\", \"1m10s\"]}"));
  };
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) return wrong("this is no JSON object");
  // As `sluice durations --json` writes it, or the steps alone.
  const bool whole = json.contains("steps") && json["steps"].is_object();
  const nlohmann::json& steps = whole ? json["steps"] : json;
  for (const auto& [name, samples] : steps.items()) {
    // A past run may have had systems that this plan has no more.
    if (plan.FindStep(StepId(name)) == nullptr) continue;
    SLUICE_RETURN_IF_ERROR(
        ReadSamples(name, samples, wrong, question.measured[StepId(name)]));
  }
  if (whole && json.contains("gates") && json["gates"].is_object()) {
    for (const auto& [name, samples] : json["gates"].items()) {
      if (plan.FindStage(StageId(name)) == nullptr) continue;
      SLUICE_RETURN_IF_ERROR(
          ReadSamples(name, samples, wrong, question.asked[StageId(name)]));
    }
  }
  if (question.measured.empty()) {
    return wrong("it names no system of this plan");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ForecastQuestion> ReadQuestion(const Plan& plan,
                                              const ForecastOptions& options) {
  ForecastQuestion question;
  question.seed = options.seed;
  question.trials = options.trials;
  SLUICE_RETURN_IF_ERROR(ReadWithout(plan, options, question.what_if));
  SLUICE_RETURN_IF_ERROR(ReadSlow(plan, options, question.what_if));
  if (!options.measured.empty()) {
    SLUICE_RETURN_IF_ERROR(ReadMeasured(plan, options.measured, question));
  }
  return question;
}

}  // namespace sluice::cli
