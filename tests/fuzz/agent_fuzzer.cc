// libFuzzer over what an agent reads: messages of an orchestrator that is in an
// attacker's hands, the host's own file, its state, and texts that people
// signed. No input makes it crash, hang or grow without bound; and without
// people's signatures nothing opens, the quarantine number never falls and the
// fence stays up.
//
// The first byte says which. Messages come as steps: a byte says whether time
// passes, the link breaks, root uses a text, or a message follows (two bytes of
// length first).

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agents/core/trust.h"
#include "agents/host/config.h"
#include "agents/link/messages.h"
#include "sluice/v1/agent.pb.h"
#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

constexpr size_t kMostSteps = 64;
constexpr char kGlassKey[] = "key-of-the-safe";
constexpr char kElsewhere[] = "tcp 10.77.0.50 10.77.0.21 22";

[[noreturn]] void Fail(absl::string_view what) {
  std::fprintf(stderr, "fuzz-agent: %s\n", std::string(what).c_str());
  std::abort();
}

class Bytes {
 public:
  explicit Bytes(absl::string_view rest) : rest_(rest) {}

  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  std::string Chunk() {
    const size_t size = Byte() + size_t{256} * Byte();
    const absl::string_view chunk = rest_.substr(0, size);
    rest_.remove_prefix(chunk.size());
    return std::string(chunk);
  }

 private:
  absl::string_view rest_;
};

// Isolated, with a proposal that people have not decided on.
class Victim : public ReleasedHost {
 public:
  Victim() {
    break_glass = kGlassKey;
    StartAgent();
    Connect();
  }
};

void CheckClosed(Victim& host, uint64_t* number) {
  const AgentState& state = host.state();
  if (state.mode != Mode::kQuarantined) Fail("it is open");
  if (state.quarantine_number < *number) Fail("its number fell");
  *number = state.quarantine_number;
  for (const char* flow : {kWebFlow, kDbFlow, kElsewhere}) {
    if (host.Passes(flow)) Fail(absl::StrCat("it admits ", flow));
  }
  if (!host.fence_problem().empty()) Fail(host.fence_problem());
}

void Obey(Bytes bytes) {
  Victim host;
  uint64_t number = host.state().quarantine_number;
  for (size_t step = 0; step < kMostSteps && !bytes.empty(); ++step) {
    const uint8_t what = bytes.Byte();
    if (what % 8 == 0) {
      host.Pass(absl::Seconds(bytes.Byte() % 32));
    } else if (what % 8 == 1) {
      host.Feed(LinkDown{});
      host.Feed(LinkConnected{});
    } else if (what % 8 == 2) {
      const std::string text = bytes.Chunk();
      host.Feed(ReleasedLocally{text, bytes.Chunk()});
    } else {
      v1::OrchestratorMessage message;
      if (!message.ParseFromString(bytes.Chunk())) continue;
      const absl::StatusOr<Event> event = FromProto(message);
      if (event.ok()) host.Feed(*event);
    }
    CheckClosed(host, &number);
    host.said.clear();
  }
  const std::string text = host.state().Encode();
  const absl::StatusOr<AgentState> again = AgentState::Decode(text);
  if (!again.ok() || again->Encode() != text) {
    Fail("its state cannot be read back");
  }
  // Whatever it was told, another process of it is as closed.
  host.StartAgent();
  CheckClosed(host, &number);
}

void ReadFile(const std::string& text) {
  const absl::StatusOr<AgentConfig> config =
      ParseConfig(text, "/etc/sluice/agent.yaml");
  if (!config.ok()) {
    if (config.status().message().empty()) Fail("a mistake without words");
    return;
  }
  const CoreOptions options = CoreOptionsOf(*config, "fuzz");
  if (options.management.empty()) Fail("a file without management");
}

// A state whose digest fits: what an older or a changed program wrote.
void ReadState(const std::string& body) {
  const std::string text = absl::StrCat(body, "digest ", Sha256(body), "\n");
  absl::StatusOr<AgentState> state = AgentState::Decode(text);
  if (!state.ok()) return;
  if (state->Encode() != text) Fail("a state has two texts");
  BenchHost host;
  if (!host.store.Save(text).ok()) Fail("no memory");
  const bool closed = state->mode == Mode::kQuarantined;
  host.StartAgent(state->boot_id);
  host.Connect(state->epoch + 1, "fuzz");
  if (closed && host.state().mode != Mode::kQuarantined) Fail("it opened");
}

// Signed by the right keys: what is in it is all that may refuse it.
void ReadTexts(const std::string& text) {
  AgentState state;
  state.estate = EstateId("city-utility");
  state.host = HostId("app-1");
  ChangeTrust change{text, {}};
  for (const char* key : {"key-of-duty-commander", "key-of-billing-owner"}) {
    for (const absl::string_view purpose :
         {signed_as::kRotation, signed_as::kDelegation}) {
      change.signatures.push_back(testing::ToySign(key, purpose, text));
    }
  }
  AdmitTrust(change, TestTrust(), state, absl::Seconds(100))
      .status()
      .IgnoreError();
  change.signatures.resize(1);
  AdmitTrust(change, TestTrust(), state, absl::Seconds(100))
      .status()
      .IgnoreError();
  Victim host;
  host.Feed(ReleasedLocally{
      text, testing::ToySign(kGlassKey, signed_as::kBreakGlass, text)});
  if (host.told.size() != 1 || host.told[0].sentence.empty()) {
    Fail("root was not told");
  }
  const bool open =
      host.state().mode == Mode::kOpen || !host.state().glass.empty();
  if (open != host.told[0].done) Fail("root was told something else");
  const std::string kept = host.state().Encode();
  const absl::StatusOr<AgentState> again = AgentState::Decode(kept);
  if (!again.ok() || again->Encode() != kept) Fail("a state is lost");
}

}  // namespace
}  // namespace sluice::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'l':
      sluice::agent::Obey(sluice::agent::Bytes(rest));
      break;
    case 'f':
      sluice::agent::ReadFile(rest);
      break;
    case 's':
      sluice::agent::ReadState(rest);
      break;
    case 't':
      sluice::agent::ReadTexts(rest);
      break;
    default:
      break;
  }
  return 0;
}
