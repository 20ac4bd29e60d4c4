// Rows against each other: hosts and systems from the rows of an inventory.

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/importers/csv_rows.h"
#include "orchestrator/importers/draft.h"
#include "orchestrator/importers/estate.h"
#include "orchestrator/importers/importer.h"
#include "orchestrator/importers/order.h"
#include "orchestrator/importers/text.h"
#include "orchestrator/manifest/values.h"

namespace sluice::importers {
namespace {

constexpr int kMaxCircles = 20;

std::string AddressText(const std::vector<Prefix>& addresses) {
  std::vector<std::string> texts;
  for (const Prefix& address : addresses) texts.push_back(address.Address());
  return absl::StrJoin(texts, " ");
}

class CsvImport {
 public:
  CsvImport(CsvTable& table, const CsvOptions& options,
            manifest::Problems& problems)
      : table_(table), options_(options), problems_(problems) {}

  void Build(ManifestDraft* draft);

 private:
  struct Said {
    std::string text;
    int line = 0;
  };

  // False when the row contradicts an earlier one.
  bool AddHost(const CsvRow& row);
  void AddSystem(const CsvRow& row);
  // One value for a system, the same in all of its rows.
  void Agree(const CsvRow& row, const std::string& column, Place place,
             const std::string& value, std::string* out);
  void ResolveNeed(const CsvRow& row, const CsvNeed& need);
  const PortDraft* FindPort(const SystemDraft& target,
                            const std::string& port) const;
  void AddChecks();
  void BreakCircles(const std::vector<std::string>& names);

  CsvTable& table_;  // rows that contradict others are moved to its broken
  const CsvOptions& options_;
  manifest::Problems& problems_;
  ManifestDraft* draft_ = nullptr;
  std::map<std::string, const CsvRow*> first_row_;  // of a host
  std::map<Prefix, const CsvRow*> address_row_;
  std::map<std::string, Said> said_;  // by "system column"
  std::vector<OrderEdge> edges_;
};

bool CsvImport::AddHost(const CsvRow& row) {
  const auto [first, fresh] = first_row_.emplace(row.host, &row);
  const auto wrong = [&](absl::string_view what) {
    problems_.Error(row.address_places[0],
                    absl::StrCat("column '", options_.address, "': host '",
                                 row.host, "' has ", what));
    return false;
  };
  if (!fresh) {
    if (first->second->addresses == row.addresses) return true;
    return wrong(absl::StrCat(AddressText(row.addresses), " here and ",
                              AddressText(first->second->addresses),
                              " in line ", first->second->number,
                              "; correct one, or write both in both"));
  }
  HostDraft host;
  host.name = row.host;
  if (Renamed(row.raw_host, row.host)) {
    host.remarks.push_back(absl::StrCat("was '", row.raw_host, "'"));
  }
  bool good = true;
  for (const Prefix& address : row.addresses) {
    host.addresses.push_back(address.Address());
    const auto other = address_row_.find(address);
    if (other == address_row_.end()) continue;
    good = wrong(absl::StrCat(address.Address(), ", and so has '",
                              other->second->host, "' in line ",
                              other->second->number, "; correct one of them"));
  }
  if (!good) {
    first_row_.erase(row.host);
    return false;
  }
  for (const Prefix& address : row.addresses) address_row_[address] = &row;
  draft_->hosts.emplace(row.host, std::move(host));
  return true;
}

void CsvImport::Agree(const CsvRow& row, const std::string& column, Place place,
                      const std::string& value, std::string* out) {
  if (value.empty()) return;
  const auto [first, fresh] = said_.emplace(
      absl::StrCat(row.system, " ", column), Said{value, row.number});
  if (fresh) *out = value;
  if (first->second.text == value) return;
  problems_.Error(
      place,
      absl::StrCat("column '", column, "': system '", row.system, "' has '",
                   value, "' here and '", first->second.text, "' in line ",
                   first->second.line, "; write the same in all of its rows"));
}

void CsvImport::AddSystem(const CsvRow& row) {
  if (row.system.empty()) {
    HostDraft& host = draft_->hosts[row.host];
    if (!row.ports.empty() || !row.needs.empty()) {
      host.not_translated.push_back(absl::StrCat(
          "ports or needs of line ", row.number, ", which names no system"));
    }
    return;
  }
  SystemDraft& system = draft_->systems[row.system];
  if (system.name.empty()) {
    system.name = row.system;
    if (Renamed(row.raw_system, row.system)) {
      system.remarks.push_back(absl::StrCat("was '", row.raw_system, "'"));
    }
  }
  if (std::find(system.hosts.begin(), system.hosts.end(), row.host) ==
      system.hosts.end()) {
    system.hosts.push_back(row.host);
    std::sort(system.hosts.begin(), system.hosts.end());
  }
  Agree(row, options_.category, row.category_place, row.category,
        &system.category);
  Agree(row, options_.owner, row.owner_place, row.owner, &system.owner);
  Agree(row, options_.priority, row.priority_place, row.priority,
        &system.priority);
  if (system.priority == "normal") system.priority.clear();  // the default
  for (const CsvPort& port : row.ports) {
    system.AddPort(port.protocol, port.ports, port.name);
  }
}

// By its name, its number, or its number with a protocol.
const PortDraft* CsvImport::FindPort(const SystemDraft& target,
                                     const std::string& port) const {
  for (const PortDraft& one : target.ports) {
    if (one.name == port) return &one;
  }
  for (const PortDraft& one : target.ports) {
    const std::string number = one.ports.ToString();
    if (number == port ||
        absl::StrCat(number, "/", ProtocolName(one.protocol)) == port) {
      return &one;
    }
  }
  return nullptr;
}

void CsvImport::ResolveNeed(const CsvRow& row, const CsvNeed& need) {
  SystemDraft& system = draft_->systems[row.system];
  const std::string head = absl::StrCat("column '", options_.needs, "': ");
  const auto wrong = [&](absl::string_view what) {
    problems_.Error(need.place, absl::StrCat(head, what));
    system.not_translated.push_back(
        absl::StrCat("the need '", manifest::Printable(need.raw.substr(0, 80)),
                     "' of line ", row.number));
  };
  if (need.target == row.system) {
    return wrong(
        absl::StrCat("system '", row.system, "' needs itself; remove that"));
  }
  const auto target = draft_->systems.find(need.target);
  // What a row with a mistake may have said is not missing.
  const bool doubtful = table_.broken_systems.count(need.target) > 0;
  if (target == draft_->systems.end()) {
    if (doubtful) return;
    std::vector<std::string> names;
    for (const auto& [name, other] : draft_->systems) names.push_back(name);
    return wrong(absl::StrCat("system '", row.system, "' needs '",
                              manifest::Printable(need.raw.substr(0, 80)),
                              "', but there is no such system",
                              manifest::DidYouMean(need.target, names)));
  }
  const std::vector<PortDraft>& ports = target->second.ports;
  const PortDraft* port = nullptr;
  if (!need.port.empty()) {
    port = FindPort(target->second, need.port);
    if (port == nullptr && doubtful) return;
    if (port == nullptr) {
      std::vector<std::string> names;
      for (const PortDraft& one : ports) names.push_back(one.name);
      return wrong(absl::StrCat(
          "system '", row.system, "' needs '", need.target, ":",
          manifest::Printable(need.port.substr(0, 80)),
          "', which has no such port",
          names.empty() ? absl::StrCat("; add it in column '", options_.port,
                                       "' of '", need.target, "'")
                        : manifest::DidYouMean(need.port, names)));
    }
  } else if (ports.size() == 1) {
    port = &ports[0];
  }
  edges_.push_back({row.system, need.target, port != nullptr, need.place});
  if (port != nullptr) {
    system.AddNeed({need.target, port->name, false});
    return;
  }
  std::vector<std::string> choices;
  for (const PortDraft& one : ports) {
    choices.push_back(absl::StrCat(need.target, ":", one.name));
  }
  const std::string note =
      choices.empty()
          ? absl::StrCat("it needs '", need.target,
                         "', of which no port is known; add its port, then "
                         "needs: [",
                         need.target, ":PORT]")
          : absl::StrCat("it needs '", need.target,
                         "', which has several ports; add the right one to "
                         "needs: ",
                         absl::StrJoin(choices, ", "));
  if (std::find(system.not_translated.begin(), system.not_translated.end(),
                note) == system.not_translated.end()) {
    system.not_translated.push_back(note);
  }
}

// A system counts as healthy when its TCP ports accept connections: the least
// that a port in an inventory says.
void CsvImport::AddChecks() {
  for (auto& [name, system] : draft_->systems) {
    for (const PortDraft& port : system.ports) {
      if (port.protocol != Protocol::kTcp) continue;
      if (port.ports.first != port.ports.last) continue;
      system.health.push_back({absl::StrCat("tcp: ", Scalar(port.name))});
    }
  }
}

// One message a circle; the need that closes it is left out, so that the next
// circle is found in the same pass.
void CsvImport::BreakCircles(const std::vector<std::string>& names) {
  int found = 0;
  for (auto circle = FindCircle(names, edges_); !circle.empty();
       circle = FindCircle(names, edges_)) {
    if (++found > kMaxCircles) {
      // Nothing can be made of these needs, whatever --keep-going says.
      problems_.Error(circle.front().place,
                      absl::StrCat("more than ", kMaxCircles,
                                   " circles of needs; is the right column "
                                   "given with --needs?"));
      edges_.clear();
      draft_->systems.clear();
      draft_->hosts.clear();
      return;
    }
    problems_.Error(circle.front().place,
                    CircleText(circle, {{{options_.file, ""}}}));
    const std::string from = circle.front().from;
    const std::string to = circle.front().to;
    edges_.erase(std::remove_if(edges_.begin(), edges_.end(),
                                [&](const OrderEdge& edge) {
                                  return edge.from == from && edge.to == to;
                                }),
                 edges_.end());
    SystemDraft& system = draft_->systems[from];
    system.needs.erase(std::remove_if(system.needs.begin(), system.needs.end(),
                                      [&](const NeedDraft& need) {
                                        return need.system == to;
                                      }),
                       system.needs.end());
    system.not_translated.push_back(
        absl::StrCat("the need of '", to, "', which closes a circle"));
  }
}

void CsvImport::Build(ManifestDraft* draft) {
  draft_ = draft;
  std::vector<const CsvRow*> rows;
  for (const CsvRow& row : table_.rows) {
    if (AddHost(row)) {
      rows.push_back(&row);
    } else {
      table_.broken[row.number] = row.host;
      table_.broken_systems.insert(row.system);
    }
  }
  if (!table_.has_systems) return;
  std::set<std::string> owners;
  for (const CsvRow* row : rows) {
    AddSystem(*row);
    if (!row->system.empty() && !row->owner.empty()) owners.insert(row->owner);
  }
  owners.erase("duty-commander");
  draft->owners.assign(owners.begin(), owners.end());
  for (const CsvRow* row : rows) {
    if (row->system.empty()) continue;
    for (const CsvNeed& need : row->needs) ResolveNeed(*row, need);
  }
  AddChecks();
  std::vector<std::string> names;
  for (const auto& [name, system] : draft->systems) names.push_back(name);
  BreakCircles(names);
  const bool ordered =
      std::any_of(edges_.begin(), edges_.end(),
                  [](const OrderEdge& edge) { return !edge.has_flow; });
  // Without such needs the planner's own four stages are the better draft.
  if (ordered) draft->stages = MakeStages(names, edges_, "systems");
}

}  // namespace

ImportResult ImportCsv(const CsvOptions& options, const FileReader& read) {
  ImportResult result;
  manifest::Problems problems;
  result.said.sources.files.push_back({options.file, ""});
  ManifestDraft draft;
  const absl::StatusOr<std::string> text = read(options.file);
  CsvTable table;
  if (!text.ok()) {
    problems.Error({0, 0, 0}, std::string(text.status().message()));
  } else if (LooksLikeText(*text, 0, "a table with separators (CSV)",
                           problems)) {
    result.said.sources.files[0].text = *text;
    const Lines lines(*text, 0);
    table = ReadRows(*text, lines, options, problems);
    CsvImport(table, options, problems).Build(&draft);
  }
  draft.preface = {
      absl::StrCat("Made by `sluice import csv` from ", BaseName(options.file),
                   ". Read it through before it is used: it is a draft."),
  };
  if (table.has_systems) {
    draft.preface.push_back(
        "Replace the approvers by the people who decide. A port without a "
        "protocol was read as tcp; every need is hard (a soft one is written "
        "{system:port: soft}). No inspections are made up: add inspect: where "
        "there is something to look for.");
  }
  if (!table.unused_columns.empty()) {
    draft.not_translated.push_back(
        absl::StrCat("columns ", absl::StrJoin(table.unused_columns, ", ")));
  }
  for (const auto& [line, host] : table.broken) {
    draft.not_translated.push_back(
        absl::StrCat("line ", line,
                     host.empty() ? "" : absl::StrCat(", host '", host, "'")));
  }
  FinishEstate(options.estate, BaseName(options.file), &draft, problems);
  const bool write =
      problems.errors() == 0 || (options.keep_going && !draft.hosts.empty());
  result.said.diagnostics = problems.Take();
  if (write) {
    result.manifest = draft.Text();
    result.hosts = static_cast<int>(draft.hosts.size());
    result.systems = static_cast<int>(draft.systems.size());
    result.not_translated = draft.not_translated_count();
  }
  return result;
}

}  // namespace sluice::importers
