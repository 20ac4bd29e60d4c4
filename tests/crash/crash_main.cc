// Crash everywhere: whole runs of example manifests, each with one thing that
// goes wrong, compared with the run in which nothing does.
//
//   sluice-crash [--most N | --all | --only KIND:N] [--story] MANIFEST...
//
// For each manifest, without and with a system isolated in mid-run: the
// orchestrator dies at every record of the journal (before it is on disk, in
// the middle of it, after it, and while its orders leave), restarts from what
// is there and finishes; every order fails once, every check and try fails
// once, every report is lost once; and everything is delivered twice. By
// default at most --most (40) places of each kind, spread over the run; --all
// takes every one, --only the one named: before, torn, after or leaving, with
// the number of a record; fail, checks or silent, with the number of an order;
// an "x" before the number: what was on its way arrives. --story prints all
// that happened in the first run whose end differs. Exits 1 when an end differs
// or a promise is broken.
//
// "partial" counts failures after which a part stayed closed, and was said to:
// on a system that others stand on, nobody closes them to make it whole.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/crash/estate.h"

namespace sluice::crash {
namespace {

using Kind = Trouble::Kind;

struct Options {
  uint64_t most = 40;
  bool story = false;
  std::optional<Trouble> only;
  std::vector<std::string> manifests;
};

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "nothing goes wrong";
    case Kind::kDieBefore:
      return "dies before record";
    case Kind::kDieTorn:
      return "dies in record";
    case Kind::kDieAfter:
      return "dies after record";
    case Kind::kDieLeaving:
      return "dies as orders leave of record";
    case Kind::kFail:
      return "an agent fails order";
    case Kind::kFailChecks:
      return "checks fail in order";
    case Kind::kSilent:
      return "the report is lost of order";
    case Kind::kTwice:
      return "all comes twice, at";
    case Kind::kTwiceLate:
      return "all comes again late, at";
  }
  return "";
}

std::string Text(const Trouble& trouble) {
  return absl::StrCat(Name(trouble.kind), " ", trouble.at,
                      trouble.arrives ? ", what was on its way arrives" : "");
}

std::optional<Trouble> ParseTrouble(absl::string_view text) {
  constexpr std::pair<absl::string_view, Kind> kKinds[] = {
      {"before:", Kind::kDieBefore}, {"torn:", Kind::kDieTorn},
      {"after:", Kind::kDieAfter},   {"leaving:", Kind::kDieLeaving},
      {"fail:", Kind::kFail},        {"checks:", Kind::kFailChecks},
      {"silent:", Kind::kSilent},
  };
  for (const auto& [name, kind] : kKinds) {
    absl::string_view rest = text;
    if (!absl::ConsumePrefix(&rest, name)) continue;
    Trouble trouble;
    trouble.kind = kind;
    trouble.arrives = absl::ConsumePrefix(&rest, "x");
    if (absl::SimpleAtoi(rest, &trouble.at)) return trouble;
  }
  return std::nullopt;
}

std::string FirstDifference(const std::string& expected,
                            const std::string& found) {
  const std::vector<std::string> before = absl::StrSplit(expected, '\n');
  const std::vector<std::string> after = absl::StrSplit(found, '\n');
  for (size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
    const std::string& was = i < before.size() ? before[i] : "nothing";
    const std::string& is = i < after.size() ? after[i] : "nothing";
    if (was != is) return absl::StrCat("'", is, "' instead of '", was, "'");
  }
  return "";
}

// S9: what does not come back is said, with the host or the grant it is about,
// or by one of the grant's two ends.
bool IsSaid(const Ending& ending, const HostId& host,
            const std::string& grant) {
  const absl::string_view client =
      absl::string_view(grant).substr(0, grant.find('>'));
  absl::string_view server = absl::string_view(grant).substr(client.size());
  server = server.substr(0, server.find(':'));
  absl::ConsumePrefix(&server, ">");
  for (const absl::string_view line : absl::StrSplit(ending.notes, '\n')) {
    const bool about = absl::StrContains(line, host.str()) ||
                       absl::StrContains(line, grant) ||
                       absl::StartsWith(line, absl::StrCat(client, " ")) ||
                       absl::StartsWith(line, absl::StrCat(server, " "));
    if (about && (absl::StrContains(line, "not part of it") ||
                  absl::StrContains(line, "partial") ||
                  absl::StrContains(line, "closed"))) {
      return true;
    }
  }
  return false;
}

bool Fails(const Trouble& trouble) {
  return trouble.kind == Kind::kFail || trouble.kind == Kind::kFailChecks ||
         trouble.kind == Kind::kSilent;
}

// A failure may leave a part behind, since what stands on the rest goes on:
// never more, and never without a word.
std::string Difference(const Trouble& trouble, const Ending& usual,
                       const Ending& ending, bool* partial) {
  if (!ending.violations.empty()) return ending.violations.front();
  if (!ending.struck) return "nothing went wrong, though it should have";
  if (ending.fenced != usual.fenced) return "other hosts have a fence";
  for (const auto& [host, grant] : ending.open) {
    if (!usual.open.contains({host, grant})) {
      // "a>b:http (1 of 2 flows)": less of it, where that is said.
      const std::string whole = grant.substr(0, grant.find(" ("));
      if (absl::StrContains(grant, " of ") && Fails(trouble) &&
          usual.open.contains({host, whole}) && IsSaid(ending, host, whole)) {
        *partial = true;
        continue;
      }
      return absl::StrCat("on ", host.str(), " ", grant, " is open besides");
    }
  }
  for (const auto& [host, grant] : usual.open) {
    if (ending.open.contains({host, grant})) continue;
    *partial = Fails(trouble) && IsSaid(ending, host, grant);
    if (*partial) continue;
    return absl::StrCat("on ", host.str(), " ", grant, " is closed",
                        Fails(trouble) ? ", and nothing says so" : "");
  }
  if (*partial) return "";
  if (ending.run != usual.run) {
    return absl::StrCat("the run ends otherwise: ",
                        FirstDifference(usual.run, ending.run));
  }
  // What fails is told in its own words; that a program died is nothing that
  // went wrong with the estate.
  if (Fails(trouble)) return "";
  const std::string notes = FirstDifference(usual.notes, ending.notes);
  if (!notes.empty()) return absl::StrCat("the notes are others: ", notes);
  for (const std::string& line : usual.told) {
    if (!ending.told.contains(line)) {
      return absl::StrCat("people were not told '", line, "'");
    }
  }
  for (const std::string& line : ending.told) {
    if (!usual.told.contains(line)) {
      return absl::StrCat("people were told '", line, "' besides");
    }
  }
  return "";
}

class Table {
 public:
  explicit Table(const Options& options) : options_(options) {}

  void Head() const {
    std::printf("%-24s %7s %6s %7s %8s %7s %13s\n", "manifest", "records",
                "orders", "crashes", "failures", "repeats", "ends");
  }

  void Row(const Case& manifest, bool drill) {
    const Ending usual = Estate(manifest, drill, {}).Run();
    for (const std::string& violation : usual.violations) {
      Complain(manifest, drill, {}, violation);
    }
    if (!usual.violations.empty()) Tell(usual);
    if (!usual.violations.empty()) return;
    crashes_ = failures_ = repeats_ = partial_ = bad_ = 0;
    if (options_.only.has_value()) {
      Try(manifest, drill, usual, *options_.only);
    } else {
      TryAll(manifest, drill, usual);
    }
    std::string ends = bad_ > 0       ? absl::StrCat(bad_, " differ")
                       : partial_ > 0 ? absl::StrCat(partial_, " partial")
                                      : "equal";
    std::printf("%-24s %7d %6d %7d %8d %7d %13s\n",
                absl::StrCat(manifest.name, drill ? " +drill" : "").c_str(),
                static_cast<int>(usual.records), static_cast<int>(usual.orders),
                crashes_, failures_, repeats_, ends.c_str());
    std::fflush(stdout);
  }

  bool good() const { return good_; }

 private:
  void TryAll(const Case& manifest, bool drill, const Ending& usual) {
    for (const Kind kind : {Kind::kDieBefore, Kind::kDieTorn, Kind::kDieAfter,
                            Kind::kDieLeaving}) {
      for (const uint64_t at : Places(usual.records)) {
        // Each place both ways is the long form; by turns otherwise.
        const bool both = options_.most >= usual.records;
        if (both || at % 2 == 0) Try(manifest, drill, usual, {kind, at, true});
        if (both || at % 2 == 1) Try(manifest, drill, usual, {kind, at, false});
      }
    }
    for (const Kind kind : {Kind::kFail, Kind::kFailChecks, Kind::kSilent}) {
      for (const uint64_t at : Places(usual.orders)) {
        if (kind == Kind::kFailChecks && !usual.with_checks.contains(at)) {
          continue;
        }
        Try(manifest, drill, usual, {kind, at, false});
      }
    }
    for (const Kind kind : {Kind::kTwice, Kind::kTwiceLate}) {
      Try(manifest, drill, usual, {kind, 0, false});
    }
  }

  // At most `most` of 1 to `count`, spread evenly, the last among them.
  std::vector<uint64_t> Places(uint64_t count) const {
    std::vector<uint64_t> places;
    const uint64_t some = std::min(options_.most, count);
    for (uint64_t i = 1; i <= some; ++i) places.push_back(i * count / some);
    return places;
  }

  void Try(const Case& manifest, bool drill, const Ending& usual,
           const Trouble& trouble) {
    int& counted =
        trouble.dies() ? crashes_
        : trouble.kind == Kind::kTwice || trouble.kind == Kind::kTwiceLate
            ? repeats_
            : failures_;
    ++counted;
    const Ending ending = Estate(manifest, drill, trouble).Run();
    bool partial = false;
    const std::string difference = Difference(trouble, usual, ending, &partial);
    if (partial) ++partial_;
    if (difference.empty()) return;
    ++bad_;
    Complain(manifest, drill, trouble, difference);
    Tell(ending);
  }

  void Complain(const Case& manifest, bool drill, const Trouble& trouble,
                const std::string& what) {
    good_ = false;
    constexpr int kMost = 20;
    if (++said_ > kMost) return;
    std::printf("%s%s: %s: %s\n", manifest.name.c_str(), drill ? " +drill" : "",
                Text(trouble).c_str(), what.c_str());
  }

  void Tell(const Ending& ending) {
    if (!options_.story || told_) return;
    told_ = true;
    for (const std::string& line : ending.story) {
      std::printf("  %s\n", line.c_str());
    }
  }

  const Options options_;
  bool told_ = false;
  int crashes_ = 0;
  int failures_ = 0;
  int repeats_ = 0;
  int partial_ = 0;
  int bad_ = 0;
  int said_ = 0;
  bool good_ = true;
};

int Main(const std::vector<std::string>& words) {
  Options options;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--all") {
      options.most = UINT64_MAX;
    } else if (words[i] == "--story") {
      options.story = true;
    } else if (words[i] == "--only" && i + 1 < words.size()) {
      options.only = ParseTrouble(words[++i]);
      if (!options.only.has_value()) {
        std::fprintf(stderr, "sluice-crash: --only takes KIND:N\n");
        return 2;
      }
    } else if (words[i] == "--most" && i + 1 < words.size()) {
      if (!absl::SimpleAtoi(words[++i], &options.most) || options.most == 0) {
        std::fprintf(stderr, "sluice-crash: --most takes a number\n");
        return 2;
      }
    } else if (words[i].starts_with("-")) {
      options.manifests.clear();
      break;
    } else {
      options.manifests.push_back(words[i]);
    }
  }
  if (options.manifests.empty()) {
    std::fprintf(stderr,
                 "usage: sluice-crash [--most N | --all | --only KIND:N] "
                 "[--story] MANIFEST...\n");
    return 2;
  }
  Table table(options);
  table.Head();
  for (const std::string& path : options.manifests) {
    const auto manifest = ReadCase(path);
    if (!manifest.ok()) {
      std::fprintf(stderr, "sluice-crash: %s: %s\n", path.c_str(),
                   std::string(manifest.status().message()).c_str());
      return 2;
    }
    table.Row(*manifest, false);
    if (!manifest->plan->steps.empty()) table.Row(*manifest, true);
  }
  return table.good() ? 0 : 1;
}

}  // namespace
}  // namespace sluice::crash

int main(int argc, char** argv) {
  return sluice::crash::Main({argv + 1, argv + argc});
}
