#include "orchestrator/cli/run_commands.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/decision_text.h"
#include "common/signature.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/sign.h"

namespace sluice::cli {
namespace {

// Connects, calls, reports.
template <typename Call>
ExitCode Ask(const Terminal& terminal, const Common& common, Call call) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  return Report(terminal, common.json, call(**client));
}

// The tasks that somebody could sign now, for who mistyped one.
std::string WantedTasks(const v1::Status& status) {
  std::string out;
  for (const v1::Task& task : status.tasks()) {
    if (task.wanted_now() && !task.done()) {
      absl::StrAppend(&out, "\n", task.id(), " (", task.owner(), ")");
    }
  }
  return out.empty() ? "\nNo task is wanted now."
                     : absl::StrCat("\nWanted now:", out);
}

// What the signature says: the task's own words, not only its name.
TaskText TextOf(const v1::Status& status, const v1::SignTaskRequest& request) {
  TaskText text{.estate = EstateId(status.estate()),
                .run = RunId(status.run().id()),
                .task = TaskId(request.task()),
                .relayed_for = OperatorId(request.relayed_for()),
                .note = request.note(),
                .attachment_digest = request.attachment_digest()};
  for (const v1::Task& task : status.tasks()) {
    if (task.id() == request.task()) text.what = task.what();
  }
  return text;
}

}  // namespace

ExitCode Start(const Terminal& terminal, const Common& common) {
  return Ask(terminal, common,
             [](Client& client) { return client.Start(v1::StartRequest()); });
}

ExitCode Retry(const Terminal& terminal, const Common& common,
               const std::vector<std::string>& steps) {
  v1::RetryRequest request;
  request.mutable_steps()->Assign(steps.begin(), steps.end());
  return Ask(terminal, common,
             [&](Client& client) { return client.Retry(request); });
}

ExitCode Skip(const Terminal& terminal, const Common& common,
              const SkipOptions& options) {
  v1::SkipRequest request;
  request.set_reason(options.reason);
  // A check's id begins with its system's name, which may be left out.
  const size_t colon = options.what.find(':');
  const size_t slash = options.what.find('/');
  const std::string step = options.what.substr(0, std::min(colon, slash));
  std::string check;
  if (colon != std::string::npos && colon < slash) {
    check = options.what.substr(colon + 1);
    if (slash == std::string::npos) check = absl::StrCat(step, "/", check);
  } else if (slash != std::string::npos) {
    check = options.what;
  }
  request.set_step(step);
  request.set_check(check);
  absl::Duration span;
  absl::Time until;
  if (absl::ParseDuration(options.until, &span)) {
    until = absl::Now() + span;
  } else if (std::string error; !absl::ParseTime(
                 absl::RFC3339_full, options.until, &until, &error)) {
    return terminal.Complain(
        absl::StrCat("--until '", options.until,
                     "' is neither a time from now, as 90m or 2h, nor a time, "
                     "as 2026-11-21T18:00:00Z"),
        kUsage);
  }
  request.set_until_ms(absl::ToUnixMillis(until));
  const auto now = ConnectKnowing(common);
  if (!now.ok()) return terminal.Complain(now.status());
  const auto key = FindSigningKey(options.key, now->config);
  if (!key.ok()) return terminal.Complain(key.status());
  const WaiverText text{.estate = EstateId(now->status.estate()),
                        .run = RunId(now->status.run().id()),
                        .step = StepId(step),
                        .check = CheckId(check),
                        .until = absl::FromUnixMillis(request.until_ms()),
                        .reason = options.reason};
  const auto signature = SignText(*key, signed_as::kWaiver, text.Body());
  if (!signature.ok()) return terminal.Complain(signature.status());
  request.set_signature(*signature);
  return Report(terminal, common.json, now->client->Skip(request));
}

ExitCode Pause(const Terminal& terminal, const Common& common) {
  return Ask(terminal, common, [](Client& client) { return client.Pause(); });
}

ExitCode Resume(const Terminal& terminal, const Common& common) {
  return Ask(terminal, common, [](Client& client) { return client.Resume(); });
}

ExitCode End(const Terminal& terminal, const Common& common,
             const std::string& reason) {
  v1::EndRequest request;
  request.set_reason(reason);
  return Ask(terminal, common,
             [&](Client& client) { return client.End(request); });
}

ExitCode SignTask(const Terminal& terminal, const Common& common,
                  const SignTaskOptions& options) {
  v1::SignTaskRequest request;
  request.set_task(options.task);
  request.set_note(options.note);
  request.set_relayed_for(options.relayed_for);
  if (!options.attachment.empty()) {
    const auto digest = FileDigest(options.attachment);
    if (!digest.ok()) {
      return terminal.Complain(
          absl::StrCat(digest.status().message(),
                       ". The task was not signed; name a file that is there."),
          kMistakes);
    }
    request.set_attachment_digest(*digest);
    if (!common.json) *terminal.out << "attachment\n  " << *digest << "\n";
  }
  const auto now = ConnectKnowing(common);
  if (!now.ok()) return terminal.Complain(now.status());
  const TaskText text = TextOf(now->status, request);
  if (!text.what.empty()) {
    const auto key = FindSigningKey(options.key, now->config);
    if (!key.ok()) return terminal.Complain(key.status());
    const auto signature = SignText(*key, signed_as::kTask, text.Body());
    if (!signature.ok()) return terminal.Complain(signature.status());
    request.set_signature(*signature);
  }
  auto result = now->client->SignTask(request);
  if (absl::IsNotFound(result.status())) {
    result = absl::NotFoundError(
        absl::StrCat(result.status().message(), WantedTasks(now->status)));
  }
  return Report(terminal, common.json, result);
}

}  // namespace sluice::cli
