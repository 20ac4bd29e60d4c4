#include "orchestrator/importers/csv_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "orchestrator/manifest/values.h"

namespace sluice::importers {
namespace {

using manifest::DidYouMean;
using manifest::Printable;

constexpr size_t kShown = 80;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", Printable(text.substr(0, kShown)), "'");
}

// The pieces of a cell that may hold several, each with its place. Places
// inside a quoted cell are the cell's.
std::vector<std::string> Pieces(absl::string_view cell) {
  return absl::StrSplit(cell, absl::ByAnyChar(" ,;|\n\r\t"), absl::SkipEmpty());
}

struct Columns {
  int host = -1, address = -1, system = -1, category = -1, port = -1,
      needs = -1, owner = -1, priority = -1;
};

class Rows {
 public:
  Rows(absl::string_view text, const Lines& lines, const CsvOptions& options,
       manifest::Problems& problems)
      : text_(text),
        lines_(lines),
        options_(options),
        problems_(problems),
        hosts_("hosts"),
        systems_("systems"),
        owners_("owners") {}

  CsvTable Read();

 private:
  bool ReadHeader(const CsvRecord& record);
  void NoteColumns(CsvTable* table) const;
  void LeaveOut(const CsvRecord& record, const CsvRow& row,
                CsvTable* table) const;
  bool FindColumn(const CsvRecord& header, const std::string& wanted,
                  absl::string_view flag, int* out);
  // Each false after an error.
  bool ReadRow(const CsvRecord& record, CsvRow* row);
  bool CountFields(const CsvRecord& record);
  bool ReadAddresses(const CsvField& cell, CsvRow* row);
  bool ReadPorts(const CsvField& cell, CsvRow* row);
  bool ReadNeeds(const CsvField& cell, CsvRow* row);
  bool ReadPriority(const CsvField& cell, CsvRow* row);
  bool ReadName(const CsvField& cell, Namer& namer, std::string* out);

  // "column 'Address': …" at the cell; false.
  bool Wrong(const CsvField& cell, int column, absl::string_view what) {
    problems_.Error(cell.place,
                    absl::StrCat("column '", header_[column], "': ", what));
    return false;
  }

  absl::string_view text_;
  const Lines& lines_;
  const CsvOptions& options_;
  manifest::Problems& problems_;
  std::vector<std::string> header_;
  Columns columns_;
  Namer hosts_, systems_, owners_;
};

bool Rows::FindColumn(const CsvRecord& header, const std::string& wanted,
                      absl::string_view flag, int* out) {
  if (wanted.empty()) return true;
  for (const bool exactly : {true, false}) {
    for (size_t i = 0; i < header_.size(); ++i) {
      const bool same = exactly ? header_[i] == wanted
                                : absl::EqualsIgnoreCase(header_[i], wanted);
      if (!same) continue;
      if (*out >= 0) {
        problems_.Error(header.fields[i].place,
                        absl::StrCat("two columns are called ", Quoted(wanted),
                                     "; rename the one that is not meant"));
        return false;
      }
      *out = static_cast<int>(i);
    }
    if (*out >= 0) return true;
  }
  std::string hint = DidYouMean(wanted, header_);
  if (header_.size() == 1) {
    for (const char other : {';', ',', '\t', '|'}) {
      if (other == options_.separator ||
          !absl::StrContains(header.fields[0].text, std::string(1, other))) {
        continue;
      }
      hint = absl::StrCat(
          "; columns seem to be separated otherwise: add "
          "--separator ",
          other == '\t' ? std::string("tab")
                        : absl::StrCat("'", std::string(1, other), "'"));
      break;
    }
  } else if (hint.empty()) {
    hint = absl::StrCat(
        "; there are '",
        Printable(absl::StrJoin(header_, "', '")).substr(0, 200), "'");
  }
  problems_.Error(header.place,
                  absl::StrCat("there is no column ", Quoted(wanted),
                               " (given with --", flag, ")", hint));
  return false;
}

bool Rows::ReadHeader(const CsvRecord& record) {
  for (const CsvField& field : record.fields) {
    header_.push_back(
        Printable(absl::StripAsciiWhitespace(field.text).substr(0, kShown)));
  }
  bool good = !record.broken;
  for (const auto& [wanted, flag, out] :
       {std::tuple{&options_.host, "host", &columns_.host},
        std::tuple{&options_.address, "address", &columns_.address},
        std::tuple{&options_.system, "system", &columns_.system},
        std::tuple{&options_.category, "category", &columns_.category},
        std::tuple{&options_.port, "port", &columns_.port},
        std::tuple{&options_.needs, "needs", &columns_.needs},
        std::tuple{&options_.owner, "owner", &columns_.owner},
        std::tuple{&options_.priority, "priority", &columns_.priority}}) {
    good = FindColumn(record, *wanted, flag, out) && good;
  }
  return good;
}

bool Rows::CountFields(const CsvRecord& record) {
  const size_t have = record.fields.size();
  const size_t want = header_.size();
  if (have < want) {
    problems_.Error(
        record.fields.back().place,
        absl::StrCat("the row has ", have, have == 1 ? " field" : " fields",
                     ", the header ", want, ": nothing for column '",
                     header_[have],
                     "'; add what is missing, an empty field at least"));
    return false;
  }
  if (have > want) {
    problems_.Error(
        record.fields[want].place,
        absl::StrCat("the row has ", have, " fields, the header ", want,
                     "; put a field that holds a separator in quotes, or "
                     "remove what is too much"));
    return false;
  }
  return true;
}

bool Rows::ReadName(const CsvField& cell, Namer& namer, std::string* out) {
  std::string why;
  if (namer.Make(cell.text, out, &why)) return true;
  const int column = &namer == &hosts_     ? columns_.host
                     : &namer == &systems_ ? columns_.system
                                           : columns_.owner;
  return Wrong(cell, column, why);
}

bool Rows::ReadAddresses(const CsvField& cell, CsvRow* row) {
  bool good = true;
  const std::vector<std::string> pieces = Pieces(cell.text);
  for (const std::string& piece : pieces) {
    const absl::StatusOr<Prefix> address = Prefix::Parse(piece);
    if (!address.ok() || !address->is_host()) {
      good = Wrong(cell, columns_.address,
                   absl::StrCat(Quoted(piece),
                                " is no address; write one as 10.77.0.11 or "
                                "fd77::11, several with blanks between"));
      continue;
    }
    row->addresses.push_back(*address);
    row->address_places.push_back(cell.place);
  }
  if (pieces.empty()) {
    return Wrong(cell, columns_.address,
                 "no address; write one, or remove the row");
  }
  std::sort(row->addresses.begin(), row->addresses.end());
  const auto twice =
      std::adjacent_find(row->addresses.begin(), row->addresses.end());
  if (twice != row->addresses.end()) {
    row->addresses.erase(
        std::unique(row->addresses.begin(), row->addresses.end()),
        row->addresses.end());
  }
  return good;
}

bool Rows::ReadPorts(const CsvField& cell, CsvRow* row) {
  bool good = true;
  for (const std::string& piece : Pieces(cell.text)) {
    absl::string_view rest = piece;
    CsvPort port;
    std::string why;
    if (const size_t colon = rest.find(':'); colon != absl::string_view::npos) {
      if (!manifest::ParseName(absl::AsciiStrToLower(rest.substr(0, colon)),
                               &port.name, &why)) {
        good = Wrong(cell, columns_.port, absl::StrCat("port ", why));
        continue;
      }
      rest.remove_prefix(colon + 1);
    }
    // A port without a protocol is TCP: inventories mean that, and opening UDP
    // as well would open more than anybody said.
    std::string text = absl::AsciiStrToLower(rest);
    if (!absl::StrContains(text, "/")) text += "/tcp";
    std::vector<Port::Range> ranges;
    if (!manifest::ParsePortRanges(text, &ranges, &why)) {
      good = Wrong(cell, columns_.port, absl::StrCat(Quoted(piece), ": ", why));
      continue;
    }
    for (const Port::Range& range : ranges) {
      port.protocol = range.protocol;
      port.ports = range.ports;
      row->ports.push_back(port);
    }
  }
  return good;
}

bool Rows::ReadNeeds(const CsvField& cell, CsvRow* row) {
  bool good = true;
  for (const std::string& piece : Pieces(cell.text)) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(piece, absl::MaxSplits(':', 1));
    CsvNeed need;
    need.raw = std::string(parts.first);
    need.target = manifest::Slug(parts.first);
    need.port = absl::AsciiStrToLower(parts.second);
    need.place = cell.place;
    if (need.target.empty()) {
      good = Wrong(cell, columns_.needs,
                   absl::StrCat(Quoted(piece),
                                " names no system; write "
                                "system:port, as in "
                                "billing-db:postgres"));
      continue;
    }
    row->needs.push_back(std::move(need));
  }
  return good;
}

bool Rows::ReadPriority(const CsvField& cell, CsvRow* row) {
  static const auto& known =
      *new std::vector<std::string>{"high", "normal", "low"};
  const std::string text =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(cell.text));
  if (text.empty()) return true;
  if (std::find(known.begin(), known.end(), text) == known.end()) {
    return Wrong(cell, columns_.priority,
                 absl::StrCat(Quoted(cell.text), " is no priority",
                              DidYouMean(text, known)));
  }
  row->priority = text;
  row->priority_place = cell.place;
  return true;
}

bool Rows::ReadRow(const CsvRecord& record, CsvRow* row) {
  if (record.broken || !CountFields(record)) return false;
  const auto cell = [&](int column) -> const CsvField* {
    return column < 0 ? nullptr : &record.fields[column];
  };
  const auto filled = [&](int column) -> const CsvField* {
    const CsvField* field = cell(column);
    if (field == nullptr || absl::StripAsciiWhitespace(field->text).empty()) {
      return nullptr;
    }
    return field;
  };
  row->place = record.place;
  row->number = record.place.line;
  bool good = true;
  const CsvField& host = *cell(columns_.host);
  row->host_place = host.place;
  row->raw_host = Printable(absl::StripAsciiWhitespace(host.text));
  if (filled(columns_.host) == nullptr) {
    good = Wrong(host, columns_.host,
                 "no host; write its name, or remove the row");
  } else {
    good = ReadName(host, hosts_, &row->host);
  }
  good = ReadAddresses(*cell(columns_.address), row) && good;
  if (const CsvField* system = filled(columns_.system)) {
    row->raw_system = Printable(absl::StripAsciiWhitespace(system->text));
    good = ReadName(*system, systems_, &row->system) && good;
  } else if (columns_.system < 0) {
    row->system = row->host;
    row->raw_system = row->raw_host;
  }
  if (const CsvField* category = filled(columns_.category)) {
    row->category_place = category->place;
    row->category = manifest::Slug(category->text);
    if (row->category.empty() ||
        absl::StripAsciiWhitespace(category->text).size() >
            manifest::kMaxName) {
      good = Wrong(*category, columns_.category,
                   absl::StrCat(Quoted(category->text),
                                " is no category; write one as in foundation, "
                                "commercial, billing, information"));
    }
  }
  if (const CsvField* owner = filled(columns_.owner)) {
    row->owner_place = owner->place;
    good = ReadName(*owner, owners_, &row->owner) && good;
  }
  if (const CsvField* port = filled(columns_.port)) {
    good = ReadPorts(*port, row) && good;
  }
  if (const CsvField* needs = filled(columns_.needs)) {
    good = ReadNeeds(*needs, row) && good;
  }
  if (const CsvField* priority = filled(columns_.priority)) {
    good = ReadPriority(*priority, row) && good;
  }
  return good;
}

void Rows::NoteColumns(CsvTable* table) const {
  table->has_systems = columns_.system >= 0 || columns_.category >= 0 ||
                       columns_.port >= 0 || columns_.needs >= 0 ||
                       columns_.owner >= 0 || columns_.priority >= 0;
  const std::set<int> used = {
      columns_.host, columns_.address, columns_.system, columns_.category,
      columns_.port, columns_.needs,   columns_.owner,  columns_.priority};
  for (size_t i = 0; i < header_.size(); ++i) {
    if (used.count(static_cast<int>(i)) == 0 && !header_[i].empty()) {
      table->unused_columns.push_back(header_[i]);
    }
  }
}

void Rows::LeaveOut(const CsvRecord& record, const CsvRow& row,
                    CsvTable* table) const {
  table->broken[record.place.line] = row.host;
  const auto column = static_cast<size_t>(columns_.system >= 0 ? columns_.system
                                                               : columns_.host);
  if (column < record.fields.size()) {
    table->broken_systems.insert(manifest::Slug(record.fields[column].text));
  }
}

CsvTable Rows::Read() {
  CsvTable table;
  const std::vector<int> bad_lines = CheckUtf8(lines_, problems_);
  const std::vector<CsvRecord> records =
      ReadCsv(text_, lines_, options_.separator, problems_);
  if (records.empty()) {
    problems_.Error({0, 1, 1},
                    "the file is empty; its first row has to name the columns");
    return table;
  }
  if (!ReadHeader(records[0])) return table;
  NoteColumns(&table);
  std::map<std::vector<std::string>, int> seen;
  for (size_t i = 1; i < records.size(); ++i) {
    const CsvRecord& record = records[i];
    CsvRow row;
    const bool garbled = std::binary_search(bad_lines.begin(), bad_lines.end(),
                                            record.place.line);
    bool good = ReadRow(record, &row) && !garbled;
    if (!record.broken) {
      std::vector<std::string> cells;
      for (const CsvField& field : record.fields) cells.push_back(field.text);
      const auto [first, fresh] =
          seen.emplace(std::move(cells), record.place.line);
      if (!fresh && good) {
        problems_.Error(record.place,
                        absl::StrCat("the same row as in line ", first->second,
                                     "; remove one of them"));
        continue;  // nothing is lost with it
      }
    }
    if (good) {
      table.rows.push_back(std::move(row));
    } else {
      LeaveOut(record, row, &table);
    }
  }
  if (records.size() == 1) {
    problems_.Error(records[0].place,
                    "there are no rows below the header; export again");
  }
  return table;
}

}  // namespace

CsvTable ReadRows(absl::string_view text, const Lines& lines,
                  const CsvOptions& options, manifest::Problems& problems) {
  return Rows(text, lines, options, problems).Read();
}

}  // namespace sluice::importers
