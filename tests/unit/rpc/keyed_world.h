// An estate whose approvers have SSH keys, isolated, its run at the first gate.

#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/sshsig.h"
#include "orchestrator/rpc/requests.h"
#include "orchestrator/runtime/durations.h"
#include "orchestrator/runtime/history.h"
#include "tests/scenarios/fake_world.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::rpc {

class KeyedWorld : public ::testing::Test {
 protected:
  KeyedWorld() {
    for (const char* name : kPeople) keys_.emplace(name, SshSigner::Make());
  }

  // The manifest with everybody's key in it.
  std::string WithKeys(std::string manifest) const {
    for (const auto& [name, key] : keys_) {
      manifest = absl::StrReplaceAll(
          manifest, {{absl::StrCat("  ", name, ": {"),
                      absl::StrCat("  ", name, ": {key: \"",
                                   key.public_key().Line(), "\", ")}});
    }
    return manifest;
  }

  // Another world instead of this one, under `manifest`.
  void Begin(const std::string& manifest,
             const std::string& starter = "duty-commander") {
    testing::FakeWorld other;
    ASSERT_TRUE(other.Adopt(manifest).ok());
    other.ConnectAll();
    engine::IsolationOrdered all;
    all.by = OperatorId("duty-commander");
    all.confirmation = "utility";
    ASSERT_TRUE(other.Isolate(all).ok());
    ASSERT_TRUE(other.Start(starter).ok());
    std::swap(world_, other);
  }

  // What the loop makes of a request: an event, or a sentence.
  absl::StatusOr<engine::Event> MadeNow(const Maker& maker) {
    static const runtime::History history;
    static const runtime::Durations durations;
    const std::string none;
    return maker(runtime::Glimpse{world_.engine(), history, world_.now(), 1,
                                  none, none, 1, none, durations});
  }

  // As the loop does: made, admitted once more, applied.
  absl::Status Apply(const absl::StatusOr<engine::Event>& event) {
    if (!event.ok()) return event.status();
    const absl::Status admitted = world_.engine().Admit(*event, world_.now());
    if (admitted.ok()) world_.Tell(*event);
    return admitted;
  }

  testing::FakeWorld world_;
  std::map<std::string, SshSigner> keys_;

 private:
  static constexpr const char* kPeople[] = {
      "duty-commander", "second-commander", "billing-owner"};
};

}  // namespace sluice::rpc
