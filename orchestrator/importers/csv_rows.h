// The rows of an inventory, each cell read: what a row says on its own.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/flow.h"
#include "common/prefix.h"
#include "orchestrator/importers/csv_reader.h"
#include "orchestrator/importers/importer.h"
#include "orchestrator/importers/names.h"

namespace sluice::importers {

struct CsvPort {
  std::string name;  // may be empty
  Protocol protocol = Protocol::kTcp;
  PortRange ports;
};

struct CsvNeed {
  std::string raw;     // the target as written
  std::string target;  // a system's name
  std::string port;    // as written: a name, "5432", "5432/udp", or empty
  Place place;
};

struct CsvRow {
  Place place;
  int number = 0;  // the row's line
  std::string host;
  std::string raw_host;
  Place host_place;
  std::vector<Prefix> addresses;
  std::vector<Place> address_places;
  std::string system;  // empty: none
  std::string raw_system;
  std::string category;
  Place category_place;
  std::string owner;
  Place owner_place;
  std::string priority;
  Place priority_place;
  std::vector<CsvPort> ports;
  std::vector<CsvNeed> needs;
};

struct CsvTable {
  std::vector<CsvRow> rows;  // those without a mistake of their own
  // The others, each with its host as far as that was read. No other cell is
  // kept: inventories have columns for passwords.
  std::map<int, std::string> broken;     // by line
  std::set<std::string> broken_systems;  // systems that these name
  std::vector<std::string> unused_columns;
  bool has_systems = false;
};

// Every mistake that a row has by itself goes to `problems`.
CsvTable ReadRows(absl::string_view text, const Lines& lines,
                  const CsvOptions& options, manifest::Problems& problems);

}  // namespace sluice::importers
