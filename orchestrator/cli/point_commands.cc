#include "orchestrator/cli/point_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "common/nearest.h"
#include "orchestrator/cli/sign.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

constexpr int kMostFlows = 40;

const v1::PointTask* Find(const v1::Status& status, const std::string& id) {
  const auto at =
      std::find_if(status.point_tasks().begin(), status.point_tasks().end(),
                   [&](const v1::PointTask& task) { return task.id() == id; });
  return at == status.point_tasks().end() ? nullptr : &*at;
}

absl::Status NotAsked(const v1::Status& status, const std::string& id) {
  std::vector<std::string> ids;
  for (const v1::PointTask& task : status.point_tasks()) {
    ids.push_back(task.id());
  }
  const std::string near = Nearest(id, ids);
  return absl::NotFoundError(absl::StrCat(
      "no task '", id,
      "' is waited for: it was answered, is void, or there "
      "never was one",
      near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?"),
      ids.empty() ? ". Nothing is to be done by hand now."
                  : "; `sluice task list` has those there are."));
}

// What is signed is what stood on the screen: the orchestrator makes the same
// text of what it asked for, or the signature does not fit.
absl::StatusOr<PointText> TextOf(const v1::Status& status,
                                 const v1::PointTask& task,
                                 const PointOptions& options) {
  PointText text{.estate = EstateId(status.estate()),
                 .run = RunId(status.run().id()),
                 .point = HostId(task.host()),
                 .task = TaskId(task.id()),
                 .order = task.order(),
                 .verb = task.verb(),
                 .release_digest = task.release(),
                 .done = options.done,
                 .saw = options.saw};
  for (const v1::PointFlow& shown : task.flows()) {
    auto flow = Flow::Parse(shown.flow());
    if (!flow.ok()) return flow.status();
    text.flows.push_back(*flow);
  }
  return text;
}

}  // namespace

std::string PointTaskText(const v1::PointTask& task, int width,
                          const Paint& paint) {
  std::string out = absl::StrCat(
      paint.Bold(Printable(task.id())), "  for ",
      task.owner().empty() ? "any approver" : Printable(task.owner()),
      ", since ", ClockText(task.since_ms()), "\n");
  absl::StrAppend(&out, Hang("  what    ", Printable(task.what()), width));
  if (!task.reason().empty()) {
    absl::StrAppend(&out, Hang("  why     ", Printable(task.reason()), width));
  }
  if (!task.release().empty()) {
    absl::StrAppend(&out, "  under   release order ",
                    ShortDigest(task.release()), "\n");
  }
  const int shown = std::min(task.flows_size(), kMostFlows);
  for (int i = 0; i < shown; ++i) {
    const v1::PointFlow& flow = task.flows(i);
    absl::StrAppend(&out, Hang(i == 0 ? "  flows   " : "          ",
                               absl::StrCat(Printable(flow.from()), " to ",
                                            Printable(flow.to()), ": ",
                                            Printable(flow.flow())),
                               width));
  }
  if (shown < task.flows_size()) {
    absl::StrAppend(&out, "          … and ", task.flows_size() - shown,
                    " more; --json has them all\n");
  }
  const std::string how =
      Printable(task.instructions(), /*keep_newlines=*/true);
  if (how.empty()) {
    absl::StrAppend(
        &out,
        paint.Yellow(Hang(
            "  how     ",
            "the manifest says not how; see the point's own papers", width)));
  }
  bool first = true;
  for (const absl::string_view line : absl::StrSplit(how, '\n')) {
    if (how.empty()) break;
    absl::StrAppend(&out,
                    Hang(first ? "  how     " : "          ", line, width));
    first = false;
  }
  absl::StrAppend(&out, paint.Cyan(Hang("  then    ",
                                        absl::StrCat("sluice task done ",
                                                     Printable(task.id()),
                                                     " --saw \"what you saw\""),
                                        width)));
  return out;
}

ExitCode ListPointTasks(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  const auto status = (*client)->GetStatus();
  if (!status.ok()) return terminal.Complain(status.status());
  if (common.json) {
    std::vector<std::string> tasks;
    for (const v1::PointTask& task : status->point_tasks()) {
      tasks.push_back(MessageJson(task));
    }
    *terminal.out << "{\"point_tasks\": [" << absl::StrJoin(tasks, ",")
                  << "]}\n";
    return kDone;
  }
  if (status->point_tasks().empty()) {
    *terminal.out << "Nothing is to be done by hand now.\n";
  }
  bool first = true;
  for (const v1::PointTask& task : status->point_tasks()) {
    if (!first) *terminal.out << "\n";
    first = false;
    *terminal.out << PointTaskText(task, terminal.width, terminal.paint());
  }
  return kDone;
}

ExitCode ReportPoint(const Terminal& terminal, const Common& common,
                     const PointOptions& options) {
  const auto now = ConnectKnowing(common);
  if (!now.ok()) return terminal.Complain(now.status());
  const v1::PointTask* task = Find(now->status, options.task);
  if (task == nullptr) {
    return terminal.Complain(NotAsked(now->status, options.task));
  }
  const auto text = TextOf(now->status, *task, options);
  if (!text.ok()) return terminal.Complain(text.status());
  const auto key = FindSigningKey(options.key, now->config);
  if (!key.ok()) return terminal.Complain(key.status());
  if (!common.json) {
    *terminal.out << "you sign that you " << (options.done ? "did" : "left")
                  << " this:\n"
                  << PointTaskText(*task, terminal.width, terminal.paint());
  }
  const auto signature = SignText(*key, signed_as::kPoint, text->Body());
  if (!signature.ok()) return terminal.Complain(signature.status());
  v1::ReportPointRequest request;
  request.set_task(options.task);
  request.set_done(options.done);
  request.set_saw(options.saw);
  request.set_signature(*signature);
  return Report(terminal, common.json, now->client->ReportPoint(request));
}

void AddPointCommands(
    CLI::App& app,
    const std::function<CLI::App*(CLI::App& to, const std::string& name,
                                  const std::string& text,
                                  std::function<ExitCode()> run)>& add,
    const Terminal& terminal, const Common& common, PointOptions& words) {
  CLI::App* task = app.add_subcommand(
      "task", "what is to be done by hand, at points without a program");
  task->set_help_flag("-h,--help", "this help");
  task->require_subcommand(1);
  add(*task, "list", "each with its flows and how to do it",
      [&] { return ListPointTasks(terminal, common); });
  const auto key = [&](CLI::App* sub) {
    sub->add_option("--key", words.key, "the SSH key to sign with")
        ->type_name("FILE");
  };
  CLI::App* sub = add(*task, "done", "sign that you did it", [&] {
    words.done = true;
    return ReportPoint(terminal, common, words);
  });
  sub->add_option("TASK", words.task)->required();
  sub->add_option("--saw", words.saw, "what you saw there; nobody measures it")
      ->required();
  key(sub);
  sub = add(*task, "failed", "sign that it could not be done", [&] {
    words.done = false;
    return ReportPoint(terminal, common, words);
  });
  sub->add_option("TASK", words.task)->required();
  sub->add_option("--reason", words.saw, "why; the point is as it was")
      ->required();
  key(sub);
}

}  // namespace sluice::cli
