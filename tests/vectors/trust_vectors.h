// The cases of trust/: rotations and delegations with ssh-keygen's signatures,
// and what each side makes of them. Read by the tests of every side.

#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/rotation.h"

namespace sluice::testing {

inline std::string TrustVectorPath(absl::string_view name) {
  return absl::StrCat(SLUICE_SOURCE_DIR, "/tests/vectors/trust/", name);
}

inline std::string TrustVector(absl::string_view name) {
  std::ostringstream text;
  text << std::ifstream(TrustVectorPath(name)).rdbuf();
  return text.str();
}

struct TrustCase {
  std::string name;
  std::string purpose;
  std::string file;
  std::vector<std::string> signature_files;
  bool agent = false;
  bool orchestrator = false;
  bool send = false;

  std::string text() const { return TrustVector(file); }
  std::vector<std::string> signatures() const {
    std::vector<std::string> all;
    for (const std::string& one : signature_files) {
      all.push_back(TrustVector(one));
    }
    return all;
  }
};

inline std::vector<TrustCase> TrustCases() {
  std::vector<TrustCase> cases;
  for (absl::string_view line :
       absl::StrSplit(TrustVector("cases.txt"), '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    EXPECT_EQ(words.size(), 8u) << line;
    const auto good = [&](size_t at, absl::string_view who) {
      absl::string_view word = words[at];
      EXPECT_TRUE(absl::ConsumePrefix(&word, who)) << line;
      EXPECT_TRUE(word == "good" || word == "bad") << line;
      return word == "good";
    };
    TrustCase one{.name = words[0], .purpose = words[1], .file = words[2]};
    for (absl::string_view pair : absl::StrSplit(words[3], ',')) {
      one.signature_files.emplace_back(pair.substr(pair.find(':') + 1));
    }
    one.agent = good(4, "agent=");
    one.orchestrator = good(5, "orchestrator=");
    one.send = good(6, "send=");
    cases.push_back(std::move(one));
  }
  EXPECT_GE(cases.size(), 46u);
  return cases;
}

// What the hosts of these vectors believe.
inline Rotation PinnedTrust() {
  const auto pinned = Rotation::Parse(TrustVector("pinned"));
  EXPECT_TRUE(pinned.ok()) << pinned.status();
  return pinned.ok() ? *pinned : Rotation();
}

// When the delegations of these vectors begin, 2026-11-22T02:00:00Z.
inline absl::Time DelegationsBegin() {
  return absl::FromUnixSeconds(1'795'312'800);
}

}  // namespace sluice::testing
