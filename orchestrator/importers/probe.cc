#include "orchestrator/importers/probe.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/importers/text.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::importers {
namespace {

using Words = std::vector<std::string>;
using Names = std::set<std::string>;

constexpr size_t kMaxCommand = 64 << 10;
constexpr int kMaxShells = 3;

struct Word {
  std::string text;
  bool is_operator = false;  // | || && ; > and the like
};

// A shell's words, as far as checks use its language: quotes and operators.
std::vector<Word> ShellWords(absl::string_view line) {
  std::vector<Word> words;
  std::string word;
  bool begun = false;
  char quote = '\0';
  const auto end = [&] {
    if (begun) words.push_back({word, false});
    word.clear();
    begun = false;
  };
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else if (c == '\\' && quote == '"' && i + 1 < line.size()) {
        word += line[++i];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      begun = true;
    } else if (c == '\\' && i + 1 < line.size()) {
      word += line[++i];
      begun = true;
    } else if (absl::StrContains("|&;<>\n", absl::string_view(&c, 1))) {
      end();
      const bool twice = i + 1 < line.size() && line[i + 1] == c;
      words.push_back({std::string(twice ? 2 : 1, c), true});
      if (twice) ++i;
    } else if (absl::ascii_isspace(c)) {
      end();
    } else {
      word += c;
      begun = true;
    }
  }
  end();
  return words;
}

bool ParsePort(absl::string_view text, int* port) {
  return absl::SimpleAtoi(text, port) && *port > 0 && *port <= 65535;
}

bool IsSelf(absl::string_view host, const Names& own) {
  return host.empty() || host == "localhost" || host == "[::1]" ||
         host == "::1" || host == "0.0.0.0" || absl::StartsWith(host, "127.") ||
         host == "ip6-localhost" || host == "$HOSTNAME" ||
         host == "${HOSTNAME}" || own.count(std::string(host)) > 0;
}

// "/dev/tcp/localhost/8080", which a shell opens itself.
bool DevTcp(absl::string_view line, const Names& own, Probe* probe) {
  constexpr absl::string_view kHead = "/dev/tcp/";
  const size_t at = line.find(kHead);
  if (at == absl::string_view::npos) return false;
  line.remove_prefix(at + kHead.size());
  const size_t slash = line.find('/');
  if (slash == absl::string_view::npos) return false;
  size_t end = slash + 1;
  while (end < line.size() && absl::ascii_isdigit(line[end])) ++end;
  if (!IsSelf(line.substr(0, slash), own)) return false;
  if (!ParsePort(line.substr(slash + 1, end - slash - 1), &probe->port)) {
    return false;
  }
  probe->kind = "tcp";
  return true;
}

// "http://localhost:8080/health" or "localhost:8080/health".
bool Url(absl::string_view url, const Names& own, Probe* probe) {
  std::string scheme = "http";
  const size_t colon = url.find("://");
  if (colon != absl::string_view::npos) {
    scheme = absl::AsciiStrToLower(url.substr(0, colon));
    url.remove_prefix(colon + 3);
  }
  if (scheme != "http" && scheme != "https") return false;
  const size_t slash = std::min(url.find_first_of("/?#"), url.size());
  absl::string_view host = url.substr(0, slash);
  absl::string_view path = url.substr(slash);
  if (const size_t at = host.rfind('@'); at != absl::string_view::npos) {
    probe->lost.push_back("its user and password");
    host.remove_prefix(at + 1);
  }
  int port = scheme == "https" ? 443 : 80;
  const size_t bracket = host.rfind(']');
  const size_t number = host.rfind(':');
  if (number != absl::string_view::npos &&
      (bracket == absl::string_view::npos || number > bracket)) {
    if (!ParsePort(host.substr(number + 1), &port)) return false;
    host = host.substr(0, number);
  }
  if (!IsSelf(host, own)) return false;
  if (const size_t query = path.find_first_of("?#");
      query != absl::string_view::npos) {
    if (path[query] == '?') probe->lost.push_back("the query of its URL");
    path = path.substr(0, query);
  }
  const bool plain = std::all_of(path.begin(), path.end(), [](char c) {
    return absl::ascii_isgraph(c) && c != '$' && c != '`';
  });
  if (!plain || absl::StrContains(absl::StrCat(path, "/"), "/../")) {
    return false;
  }
  probe->kind = scheme;
  probe->port = port;
  probe->path =
      absl::StartsWith(path, "/") ? std::string(path) : absl::StrCat("/", path);
  return true;
}

// The value of "-p 5433", "-p5433", "--port 5433" or "--port=5433".
bool Option(const Words& words, absl::string_view shorter,
            absl::string_view longer, std::string* out) {
  for (size_t i = 1; i < words.size(); ++i) {
    const absl::string_view word = words[i];
    if (word == shorter || word == longer) {
      if (i + 1 >= words.size()) return false;
      *out = words[i + 1];
      return true;
    }
    if (absl::StartsWith(word, absl::StrCat(longer, "="))) {
      *out = std::string(word.substr(longer.size() + 1));
      return true;
    }
    if (shorter.size() == 2 && word.size() > 2 &&
        absl::StartsWith(word, shorter) && absl::ascii_isdigit(word[2])) {
      *out = std::string(word.substr(2));
      return true;
    }
  }
  return false;
}

// A program that asks a database on its customary port unless told otherwise.
Probe Client(const Words& words, absl::string_view shorter, int customary,
             const Names& own) {
  Probe probe;
  std::string text, host;
  probe.port = customary;
  if (Option(words, shorter, "--port", &text) &&
      !ParsePort(text, &probe.port)) {
    return {};
  }
  if (Option(words, "-h", "--host", &host) && !IsSelf(host, own)) return {};
  probe.kind = "tcp";
  probe.lost.push_back(
      absl::StrCat("what ", BaseName(words[0]),
                   " asks beyond that the port answers; a plugin can ask it"));
  return probe;
}

Probe Fetch(const Words& words, const Names& own) {
  static constexpr absl::string_view kTakesValue[] = {"-o",
                                                      "-m",
                                                      "-w",
                                                      "-A",
                                                      "-e",
                                                      "-T",
                                                      "-t",
                                                      "-O",
                                                      "-U",
                                                      "--max-time",
                                                      "--connect-timeout",
                                                      "--retry",
                                                      "--retry-delay",
                                                      "--output",
                                                      "--write-out",
                                                      "--user-agent",
                                                      "--cacert",
                                                      "--tries",
                                                      "--timeout"};
  static constexpr absl::string_view kChanges[] = {
      "-X", "--request", "-d",     "--data", "-H",          "--header",
      "-u", "--user",    "--cert", "--key",  "--post-data", "--unix-socket",
      "-F", "--data-raw"};
  Probe probe;
  std::string url;
  bool unverified = false;
  const std::string program = BaseName(words[0]);
  for (size_t i = 1; i < words.size(); ++i) {
    const absl::string_view word = words[i];
    const absl::string_view name = word.substr(0, word.find('='));
    const auto is = [&](absl::string_view known) { return known == name; };
    if (std::any_of(std::begin(kChanges), std::end(kChanges), is)) {
      probe.lost.push_back(absl::StrCat("its option ", name));
      if (name == word) ++i;
    } else if (word == "-k" || word == "--insecure" ||
               word == "--no-check-certificate") {
      unverified = true;
    } else if (std::any_of(std::begin(kTakesValue), std::end(kTakesValue),
                           is)) {
      // wget's -O- and curl's -o/dev/null are one word and not found here.
      if (name == word) ++i;
    } else if (!absl::StartsWith(word, "-")) {
      if (url.empty()) url = std::string(word);
    } else if (program == "curl" && word.size() > 2 && word[1] != '-') {
      // -fsSk: several in one; a last -o takes the next word.
      if (absl::StrContains(word, "k")) unverified = true;
      if (absl::StrContains("omwAXdHu", word.substr(word.size() - 1))) ++i;
    }
  }
  if (url.empty() || !Url(url, own, &probe)) return {};
  if (unverified && probe.kind == "https") {
    // Our check verifies the certificate; the command did not.
    probe.kind = "tcp";
    probe.lost.push_back(absl::StrCat(
        "the request itself: it is made without looking at the certificate; "
        "write {https: …} once the certificate is good"));
  }
  return probe;
}

Probe Netcat(const Words& words, const Names& own) {
  Words plain;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "-w" || words[i] == "-i") {
      ++i;
    } else if (!absl::StartsWith(words[i], "-")) {
      plain.push_back(words[i]);
    } else if (absl::StrContains(words[i], "u")) {
      return {};
    }
  }
  Probe probe;
  if (plain.size() != 2 || !IsSelf(plain[0], own) ||
      !ParsePort(plain[1], &probe.port)) {
    return {};
  }
  probe.kind = "tcp";
  return probe;
}

Probe Grpc(const Words& words, const Names& own) {
  Probe probe;
  std::string address;
  for (const absl::string_view option : {"-addr", "--addr"}) {
    if (Option(words, option, option, &address)) break;
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || !IsSelf(address.substr(0, colon), own) ||
      !ParsePort(address.substr(colon + 1), &probe.port)) {
    return {};
  }
  for (const absl::string_view option : {"-service", "--service"}) {
    if (Option(words, option, option, &probe.service)) break;
  }
  for (const std::string& word : words) {
    if (absl::StrContains(word, "-tls")) return {};
  }
  probe.kind = "grpc";
  return probe;
}

Probe Kafka(const Words& words, const Names& own) {
  Probe probe;
  std::string address;
  if (!Option(words, "-b", "--bootstrap-server", &address)) return {};
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || !IsSelf(address.substr(0, colon), own) ||
      !ParsePort(address.substr(colon + 1), &probe.port)) {
    return {};
  }
  probe.kind = "tcp";
  probe.lost.push_back("what it asks beyond that the port answers");
  return probe;
}

Probe Command(const Words& words, const Names& own, int shells);

// The first command of a line is what is asked, if what follows only turns its
// failure into one.
Probe Line(absl::string_view line, const Names& own, int shells) {
  Probe probe;
  if (line.size() > kMaxCommand) return probe;
  if (DevTcp(line, own, &probe)) return probe;
  const std::vector<Word> words = ShellWords(line);
  Words first;
  size_t at = 0;
  while (at < words.size() && !words[at].is_operator) {
    first.push_back(words[at++].text);
  }
  if (first.empty()) return probe;
  probe = Command(first, own, shells);
  if (probe.kind.empty() || at >= words.size()) return probe;
  const std::string& then = words[at].text;
  const bool redirected = then == ">" || then == ">>" || then == "<";
  const bool harmless =
      then == "||" && at + 1 < words.size() &&
      (words[at + 1].text == "exit" || words[at + 1].text == "false" ||
       words[at + 1].text == "kill");
  if (!redirected && !harmless) {
    probe.lost.push_back(absl::StrCat(
        "what follows '", then, "' in its command",
        at + 1 < words.size() && !words[at + 1].is_operator
            ? absl::StrCat(" (", BaseName(words[at + 1].text).substr(0, 20),
                           ")")
            : ""));
  }
  return probe;
}

Probe Command(const Words& words, const Names& own, int shells) {
  if (words.empty()) return {};
  const std::string program = BaseName(words[0]);
  if (program == "sh" || program == "bash" || program == "ash") {
    for (size_t i = 1; i + 1 < words.size() && shells < kMaxShells; ++i) {
      if (absl::StartsWith(words[i], "-") && absl::EndsWith(words[i], "c")) {
        return Line(words[i + 1], own, shells + 1);
      }
    }
    return {};
  }
  if (program == "timeout" && words.size() > 2) {
    return Command(Words(words.begin() + 2, words.end()), own, shells);
  }
  if (program == "curl" || program == "wget") return Fetch(words, own);
  if (program == "nc" || program == "ncat") return Netcat(words, own);
  if (program == "grpc_health_probe") return Grpc(words, own);
  if (program == "pg_isready") return Client(words, "-p", 5432, own);
  if (program == "redis-cli" || program == "valkey-cli") {
    return Client(words, "-p", 6379, own);
  }
  if (program == "mysqladmin" || program == "mariadb-admin") {
    return Client(words, "-P", 3306, own);
  }
  if (program == "mongo" || program == "mongosh") {
    // Its argument may name another server; then nothing is known.
    for (const std::string& word : words) {
      if (absl::StrContains(word, "://")) return {};
    }
    return Client(words, "--port", 27017, own);
  }
  if (absl::StartsWith(program, "kafka-")) return Kafka(words, own);
  if (program == "pgrep" && words.size() >= 2 &&
      !absl::StartsWith(words.back(), "-")) {
    const std::string& name = words.back();
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '-' || c == '_';
    });
    if (!plain) return {};
    Probe probe;
    probe.kind = "process";
    probe.process = name;
    return probe;
  }
  return {};
}

}  // namespace

Probe TranslateCommand(const Words& words, const Names& own_names) {
  return Command(words, own_names, 0);
}

Probe TranslateShell(absl::string_view line, const Names& own_names) {
  return Line(line, own_names, 0);
}

}  // namespace sluice::importers
