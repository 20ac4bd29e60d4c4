#include "orchestrator/cli/durations_command.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status.h"
#include "nlohmann/json.hpp"
#include "orchestrator/manifest/values.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::json;
using Milliseconds = google::protobuf::RepeatedField<int64_t>;

constexpr int kNameWidth = 34;

// ── as JSON ─────────────────────────────────────────────────────────────────

Json Texts(const Milliseconds& all) {
  // More milliseconds than a duration's number may have digits.
  constexpr int64_t kMany = 100'000'000;
  Json texts = Json::array();
  for (const int64_t ms : all) {
    texts.push_back(ms < kMany ? absl::StrCat(ms, "ms")
                               : absl::StrCat(ms / 1000, "s"));
  }
  return texts;
}

absl::Status ReadList(const std::string& name, const Json& list,
                      Milliseconds* out) {
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(Clip(Printable(name), 60), " ", what));
  };
  if (!list.is_array()) return wrong("has no list of durations");
  for (const Json& one : list) {
    if (!one.is_string()) return wrong("has something that is no duration");
    absl::Duration duration;
    std::string why;
    if (!manifest::ParseDuration(one.get<std::string>(), absl::ZeroDuration(),
                                 absl::Hours(24 * 365), &duration, &why)) {
      return wrong(absl::StrCat("has a wrong duration: ", why));
    }
    out->Add(absl::ToInt64Milliseconds(duration));
  }
  return absl::OkStatus();
}

absl::Status ReadSteps(const Json& json, v1::Durations* out) {
  for (const auto& [name, list] : json.items()) {
    v1::StepDurations* step = out->add_steps();
    step->set_step(name);
    SLUICE_RETURN_IF_ERROR(ReadList(name, list, step->mutable_took_ms()));
  }
  return absl::OkStatus();
}

absl::Status ReadGates(const Json& json, v1::Durations* out) {
  for (const auto& [name, list] : json.items()) {
    v1::GateDurations* gate = out->add_gates();
    gate->set_gate(name);
    SLUICE_RETURN_IF_ERROR(ReadList(name, list, gate->mutable_waited_ms()));
  }
  return absl::OkStatus();
}

// ── as text ─────────────────────────────────────────────────────────────────

std::string Short(int64_t ms) {
  const absl::Duration span = absl::Milliseconds(ms);
  const absl::Duration unit =
      span < absl::Minutes(1) ? absl::Milliseconds(100) : absl::Seconds(1);
  return absl::FormatDuration(absl::Floor(span + unit / 2, unit));
}

std::string Right(absl::string_view text, size_t width) {
  return absl::StrCat(std::string(width - std::min(width, text.size()), ' '),
                      text);
}

std::string Row(absl::string_view name, absl::string_view times,
                absl::string_view median, absl::string_view longest) {
  return absl::StrCat("  ", PadTo(Clip(name, kNameWidth), kNameWidth),
                      Right(times, 7), Right(median, 11), Right(longest, 11),
                      "\n");
}

std::string Row(const std::string& name, const Milliseconds& all) {
  std::vector<int64_t> sorted(all.begin(), all.end());
  if (sorted.empty()) return "";
  std::sort(sorted.begin(), sorted.end());
  return Row(name, absl::StrCat(sorted.size()),
             Short(sorted[(sorted.size() - 1) / 2]), Short(sorted.back()));
}

}  // namespace

std::string DurationsText(const v1::Durations& durations, const Paint& paint) {
  if (durations.steps().empty() && durations.gates().empty()) {
    return "Nothing was measured yet: no run has brought anything back.\n";
  }
  std::string out = "What past runs took; of the newest 50 each.\n";
  const auto head = [&](absl::string_view what) {
    absl::StrAppend(&out, "\n", paint.Bold(what), "\n",
                    Row("", "times", "median", "longest"));
  };
  if (!durations.steps().empty()) head("Machines: connecting and probing");
  for (const auto& step : durations.steps()) {
    absl::StrAppend(&out, Row(step.step(), step.took_ms()));
  }
  if (!durations.gates().empty()) head("People: from asking to released");
  for (const auto& gate : durations.gates()) {
    absl::StrAppend(&out, Row(gate.gate(), gate.waited_ms()));
  }
  return out;
}

std::string DurationsJson(const v1::Durations& durations) {
  Json steps = Json::object();
  Json gates = Json::object();
  for (const auto& step : durations.steps()) {
    steps[step.step()] = Texts(step.took_ms());
  }
  for (const auto& gate : durations.gates()) {
    gates[gate.gate()] = Texts(gate.waited_ms());
  }
  const Json json = {{"steps", std::move(steps)}, {"gates", std::move(gates)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<v1::Durations> ParseDurations(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("this is no JSON object");
  }
  v1::Durations durations;
  // A system may be called "steps": then it has a list.
  const auto steps = json.find("steps");
  if (steps == json.end() || !steps->is_object()) {
    SLUICE_RETURN_IF_ERROR(ReadSteps(json, &durations));
    return durations;
  }
  SLUICE_RETURN_IF_ERROR(ReadSteps(*steps, &durations));
  const auto gates = json.find("gates");
  if (gates == json.end()) return durations;
  if (!gates->is_object()) {
    return absl::InvalidArgumentError("\"gates\" is no object");
  }
  SLUICE_RETURN_IF_ERROR(ReadGates(*gates, &durations));
  return durations;
}

ExitCode ShowDurations(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  auto durations = (*client)->GetDurations();
  if (!durations.ok()) return terminal.Complain(durations.status());
  if (common.json) {
    *terminal.out << DurationsJson(*durations);
    return kDone;
  }
  MakePrintable(&*durations);
  *terminal.out << DurationsText(*durations, terminal.paint());
  return kDone;
}

}  // namespace sluice::cli
