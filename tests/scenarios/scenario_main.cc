// Scenario scripts: commands and the output that is expected of them, in one
// text file, reviewed as a diff.
//
//   # a comment
//   command words          the command, then its input, if it takes any
//   ----
//   output                 up to the next empty line
//
// With --rewrite, files are written anew with the output that there is now.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/scenarios/scenario.h"

namespace {

struct Result {
  std::string text;  // the file with the output there is
  bool same = true;
  std::string first_difference;
};

Result RunFile(const std::string& path, const std::string& before) {
  const std::vector<std::string> lines = absl::StrSplit(before, '\n');
  const size_t slash = path.rfind('/');
  sluice::testing::Scenario scenario(
      slash == std::string::npos ? "." : path.substr(0, slash));
  Result result;
  size_t at = 0;
  while (at < lines.size()) {
    if (lines[at].empty() || absl::StartsWith(lines[at], "#")) {
      if (at + 1 < lines.size()) absl::StrAppend(&result.text, lines[at], "\n");
      ++at;
      continue;
    }
    const size_t command = at;
    std::string input;
    for (++at; at < lines.size() && lines[at] != "----"; ++at) {
      absl::StrAppend(&input, lines[at], "\n");
    }
    std::string expected;
    for (++at; at < lines.size() && !lines[at].empty(); ++at) {
      absl::StrAppend(&expected, lines[at], "\n");
    }
    const std::string output = scenario.Run(lines[command], input);
    absl::StrAppend(&result.text, lines[command], "\n", input, "----\n",
                    output);
    if (output == expected || !result.same) continue;
    result.same = false;
    result.first_difference =
        absl::StrCat(path, ":", command + 1, ": '", lines[command], "' gives\n",
                     output, "expected was\n", expected);
  }
  result.same = result.same && result.text == before;
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  bool rewrite = false;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--rewrite") {
      rewrite = true;
    } else {
      paths.push_back(argument);
    }
  }
  if (paths.empty()) {
    std::fprintf(stderr, "usage: sluice-scenarios [--rewrite] FILE…\n");
    return 2;
  }
  int failed = 0;
  for (const std::string& path : paths) {
    std::ifstream in(path);
    if (!in) {
      std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
      return 2;
    }
    const std::string before{std::istreambuf_iterator<char>(in), {}};
    const Result result = RunFile(path, before);
    if (absl::StrContains(result.text, "BROKEN:")) {
      std::fprintf(stderr, "%s: a promise is broken; look for BROKEN\n",
                   path.c_str());
      ++failed;
    }
    if (rewrite) {
      std::ofstream(path) << result.text;
    } else if (!result.same) {
      std::fprintf(stderr, "%s\n",
                   result.first_difference.empty()
                       ? absl::StrCat(path,
                                      ": its layout is not what "
                                      "--rewrite writes")
                             .c_str()
                       : result.first_difference.c_str());
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}
