#include "orchestrator/cli/run_commands.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/files.h"

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
std::string WantedTasks(Client& client) {
  const auto status = client.GetStatus();
  if (!status.ok()) return "";
  std::string out;
  for (const v1::Task& task : status->tasks()) {
    if (task.wanted_now() && !task.done()) {
      absl::StrAppend(&out, "\n", task.id(), " (", task.owner(), ")");
    }
  }
  return out.empty() ? "\nNo task is wanted now."
                     : absl::StrCat("\nWanted now:", out);
}

}  // namespace

ExitCode Start(const Terminal& terminal, const Common& common) {
  return Ask(terminal, common, [](Client& client) {
    return client.Start(v1::StartRequest());
  });
}

ExitCode Retry(const Terminal& terminal, const Common& common,
               const std::vector<std::string>& steps) {
  v1::RetryRequest request;
  request.mutable_steps()->Assign(steps.begin(), steps.end());
  return Ask(terminal, common,
             [&](Client& client) { return client.Retry(request); });
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
  return Ask(terminal, common, [&](Client& client) {
    auto result = client.SignTask(request);
    if (absl::IsNotFound(result.status())) {
      return absl::StatusOr<v1::Accepted>(absl::NotFoundError(
          absl::StrCat(result.status().message(), WantedTasks(client))));
    }
    return result;
  });
}

}  // namespace sluice::cli
