#include "orchestrator/cli/look.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "orchestrator/cli/gate_text.h"
#include "orchestrator/cli/host_text.h"
#include "orchestrator/cli/status_text.h"
#include "orchestrator/cli/step_text.h"
#include "orchestrator/report/brief.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

constexpr int kPage = 1000;

// The whole history from `from` on, page by page.
absl::StatusOr<v1::History> WholeHistory(Client& client, uint64_t from,
                                         int limit) {
  v1::History all;
  // One event may have several lines, all of its sequence: the next page
  // begins at the last sequence seen, less the lines of it that are here.
  int known = 0;
  while (true) {
    v1::GetHistoryRequest request;
    request.set_from_sequence(from);
    const int left = limit == 0 ? kPage : limit - all.entries_size();
    request.set_limit(std::min(left, kPage) + known);
    auto page = client.GetHistory(request);
    if (!page.ok()) return page.status();
    for (int i = known; i < page->entries_size(); ++i) {
      *all.add_entries() = std::move(*page->mutable_entries(i));
    }
    const bool short_page = page->entries_size() < request.limit();
    if (short_page || (limit != 0 && all.entries_size() >= limit)) return all;
    from = all.entries(all.entries_size() - 1).sequence();
    known = static_cast<int>(std::count_if(
        all.entries().begin(), all.entries().end(),
        [&](const v1::Entry& entry) { return entry.sequence() == from; }));
  }
}

std::string HistoryText(const v1::History& history, int width,
                        const Paint& paint) {
  if (history.entries().empty()) return "Nothing has happened yet.\n";
  std::string out;
  std::string day;
  for (const v1::Entry& entry : history.entries()) {
    const std::string at = DateTimeText(entry.at_ms());
    if (at.substr(0, 10) != day) {
      day = at.substr(0, 10);
      absl::StrAppend(&out, paint.Bold(day), "\n");
    }
    std::string text = entry.text();
    if (!entry.who().empty() && !absl::StrContains(text, entry.who())) {
      text = absl::StrCat(entry.who(), ": ", text);
    }
    const bool bad = entry.kind() == "failure" || entry.kind() == "alarm" ||
                     entry.kind() == "isolation";
    const std::string kind = PadTo(Clip(entry.kind(), 11), 11);
    absl::StrAppend(
        &out, Hang(absl::StrCat(ClockText(entry.at_ms()), "  ",
                                bad ? paint.Red(kind) : paint.Cyan(kind), "  "),
                   text, width));
  }
  return out;
}

}  // namespace

ExitCode ShowStatus(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  auto status = (*client)->GetStatus();
  if (!status.ok()) return terminal.Complain(status.status());
  if (common.json) {
    *terminal.out << MessageJson(*status);
    return kDone;
  }
  MakePrintable(&*status);
  *terminal.out << StatusText(
      *status, {.width = terminal.width, .colour = terminal.colour});
  return kDone;
}

ExitCode ShowGates(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  auto status = (*client)->GetStatus();
  if (!status.ok()) return terminal.Complain(status.status());
  if (common.json) {
    std::vector<std::string> gates;
    for (const v1::Gate& gate : status->gates()) {
      gates.push_back(MessageJson(gate));
    }
    *terminal.out << "{\"gates\": [" << absl::StrJoin(gates, ",") << "]}\n";
    return kDone;
  }
  MakePrintable(&*status);
  *terminal.out << GatesText(*status, terminal.width, terminal.paint());
  return kDone;
}

ExitCode Show(const Terminal& terminal, const Common& common,
              const std::string& name) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  auto status = (*client)->GetStatus();
  if (!status.ok()) return terminal.Complain(status.status());

  std::vector<std::string> names;
  for (const v1::Gate& gate : status->gates()) {
    names.push_back(gate.id());
    if (gate.id() != name) continue;
    auto detail = (*client)->GetGate(name);
    if (!detail.ok()) return terminal.Complain(detail.status());
    if (common.json) {
      *terminal.out << MessageJson(*detail);
      return kDone;
    }
    MakePrintable(&*detail);
    *terminal.out << GateText(*detail, true, terminal.width, terminal.paint());
    return kDone;
  }
  const v1::Status raw = *status;
  MakePrintable(&*status);
  for (int i = 0; i < status->steps_size(); ++i) {
    names.push_back(raw.steps(i).id());
    if (raw.steps(i).id() != name) continue;
    *terminal.out << (common.json ? MessageJson(raw.steps(i))
                                  : StepText(*status, status->steps(i),
                                             terminal.width, terminal.paint()));
    return kDone;
  }
  for (int i = 0; i < status->hosts_size(); ++i) {
    names.push_back(raw.hosts(i).id());
    if (raw.hosts(i).id() != name) continue;
    *terminal.out << (common.json ? MessageJson(raw.hosts(i))
                                  : HostText(*status, status->hosts(i),
                                             terminal.width, terminal.paint()));
    return kDone;
  }
  const std::string near = Nearest(name, names);
  return terminal.Complain(
      absl::StrCat(
          "there is no gate, step or host '", name, "'",
          near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?"),
          near.empty() ? "; `sluice status` and `sluice gates` list "
                         "their names."
                       : ""),
      kMistakes);
}

ExitCode ShowHistory(const Terminal& terminal, const Common& common,
                     const HistoryOptions& options) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  auto history = WholeHistory(**client, options.from, options.limit);
  if (!history.ok()) return terminal.Complain(history.status());
  if (common.json) {
    *terminal.out << MessageJson(*history);
    return kDone;
  }
  MakePrintable(&*history);
  *terminal.out << HistoryText(*history, terminal.width, terminal.paint());
  return kDone;
}

ExitCode ShowBrief(const Terminal& terminal, const Common& common,
                   const std::string& language) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  auto status = (*client)->GetStatus();
  if (!status.ok()) return terminal.Complain(status.status());
  auto history = WholeHistory(**client, 0, 0);
  if (!history.ok()) return terminal.Complain(history.status());
  if (common.json) {
    *terminal.out << BriefJson(*status, *history);
    return kDone;
  }
  MakePrintable(&*status);
  MakePrintable(&*history);
  const auto brief = BriefText(*status, *history, language);
  if (!brief.ok()) return terminal.Complain(brief.status());
  *terminal.out << *brief;
  return kDone;
}

}  // namespace sluice::cli
