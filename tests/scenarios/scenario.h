// A scenario's commands, carried out one after the other in one world.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/scenarios/fake_world.h"

namespace sluice::testing {

class Scenario {
 public:
  // Manifests are looked up in `folder`.
  explicit Scenario(std::string folder) : folder_(std::move(folder)) {}

  // The output of one command line and its input lines; "ok" when there is
  // nothing to tell. Promises that were broken are part of it.
  std::string Run(const std::string& line, const std::string& input);

 private:
  std::string Do(const std::vector<std::string>& words, const std::string& line,
                 const std::string& input);
  std::string Person(const std::vector<std::string>& words);
  std::string Replan(const std::vector<std::string>& words,
                     const std::string& input);
  std::string Agent(const std::vector<std::string>& words);
  std::string Look(const std::vector<std::string>& words);
  std::string Status() const;
  std::string Gates() const;
  std::string Waits() const;
  std::string Hosts() const;
  std::string Outstanding() const;
  std::string Flows();
  void FailCheck(const std::vector<std::string>& words);

  std::string folder_;
  FakeWorld world_;
  bool orders_ = false;  // orders are told too
  size_t violations_ = 0;
};

}  // namespace sluice::testing
