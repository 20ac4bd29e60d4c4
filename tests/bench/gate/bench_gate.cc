// From the last of twenty signatures to the orders on the wire: a gate with
// 1,000 hosts behind it, over the real service, the real loop, a journal on
// this disk and 1,000 streams of gRPC with mutual TLS on loopback. Until the
// gate asks, agents of a few rules answer within the process; what the release
// sends goes out over the streams, whose other ends only count. They share the
// machine, so the figure is more than an orchestrator alone would need.
//
//   bench-gate [HOSTS] [APPROVERS] [ROUNDS]

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/link/tls.h"
#include "common/authority.h"
#include "common/contract.h"
#include "common/sshsig.h"
#include "common/x509.h"
#include "orchestrator/journal/sqlite_journal.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/server.h"
#include "orchestrator/rpc/tls.h"
#include "orchestrator/runtime/driver.h"
#include "orchestrator/runtime/system_clock.h"
#include "sluice/v1/agent.pb.h"
#include "sluice/v1/identity.grpc.pb.h"
#include "sluice/v1/operator.grpc.pb.h"
#include "tests/scenarios/fake_agent.h"

namespace sluice {
namespace {

constexpr int kHubs = 20;  // what the gate's systems need, back before them
constexpr absl::Duration kPatience = absl::Seconds(120);

std::string PersonName(int number) { return absl::StrCat("person-", number); }

std::string ManifestOf(int hosts, const std::vector<SshSigner>& people) {
  std::string text =
      "sluice: 1\nestate: bench\nmanagement: {orchestrators: "
      "[\"127.0.0.1:7443\"], operators: [127.0.0.1]}\napprovers:\n";
  for (size_t i = 0; i < people.size(); ++i) {
    absl::StrAppend(&text, "  ", PersonName(static_cast<int>(i)),
                    ": {roles: [decider], key: \"",
                    people[i].public_key().Line(), "\"}\n");
  }
  std::string systems;
  std::string hubs;
  std::string others;
  absl::StrAppend(&text, "hosts:\n");
  for (int i = 0; i < kHubs + hosts; ++i) {
    absl::StrAppend(&text, "  h", i, ": {address: [10.64.", i / 250, ".",
                    i % 250 + 1, "]}\n");
    absl::StrAppend(&systems, "  s", i, ":\n    category: application\n",
                    "    hosts: [h", i, "]\n    ports: {http: 8080/tcp}\n",
                    "    health: [{tcp: http}]\n    soak: 1s\n");
    if (i >= kHubs) {
      absl::StrAppend(&systems, "    needs: [s", i % kHubs, ":http]\n");
    }
    std::string& list = i < kHubs ? hubs : others;
    absl::StrAppend(&list, list.empty() ? "" : ", ", "s", i);
  }
  absl::StrAppend(&text, "systems:\n", systems,
                  "stages:\n  - name: hubs\n    systems: [", hubs,
                  "]\n    gate: {approvals: {decider: 1}}\n"
                  "  - name: all\n    systems: [",
                  others, "]\n    gate: {approvals: {decider: ", people.size(),
                  "}}\n");
  return text;
}

absl::StatusOr<std::shared_ptr<const Plan>> LoadPlan(
    const std::vector<journal::SourceFile>& files) {
  ManifestSources sources;
  for (const journal::SourceFile& file : files) {
    sources.files.push_back({file.name, file.text});
  }
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) {
    return absl::InvalidArgumentError(
        FormatDiagnostic(result, result.diagnostics[0], true, false));
  }
  return MakePlan(result.model);
}

// Of the thread that asks, in nanoseconds.
int64_t ThreadTime() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

// The loop's way to its agents: to the fakes here, and once the figure is
// taken, over the streams.
class Post : public runtime::AgentLink {
 public:
  explicit Post(rpc::AgentRegistry* registry) : registry_(registry) {}

  void set_inbox(runtime::Inbox* inbox) { inbox_ = inbox; }
  testing::FakeAgent& agent(const HostId& host) {
    return agents_.try_emplace(host, host).first->second;
  }
  // From here on orders go out over the streams.
  void Measure() { measuring_ = true; }
  int sent() const { return sent_; }
  absl::Time first_sent() const { return absl::FromUnixNanos(first_sent_); }
  absl::Time last_sent() const { return absl::FromUnixNanos(last_sent_); }
  // The loop's own processor time, at the first order and at the last.
  absl::Duration first_spent() const {
    return absl::Nanoseconds(first_spent_.load());
  }
  absl::Duration last_spent() const {
    return absl::Nanoseconds(last_spent_.load());
  }

  void Welcome(const HostId& host, runtime::StreamId stream,
               uint64_t epoch) override {
    streams_[host] = stream;
    registry_->Welcome(host, stream, epoch);
  }
  void Send(uint64_t epoch, const engine::Order& order) override {
    if (measuring_) {
      if (sent_ == 0) {
        first_sent_ = absl::ToUnixNanos(absl::Now());
        first_spent_ = ThreadTime();
      }
      ++sent_;
      registry_->Send(epoch, order);
      last_sent_ = absl::ToUnixNanos(absl::Now());
      last_spent_ = ThreadTime();
      return;
    }
    engine::Order made = order;
    if (auto* open = std::get_if<engine::OpenFlows>(&made.what)) {
      // The fakes know toy signatures.
      for (engine::DecisionMade& decision : open->decisions) {
        decision.signature = testing::ToyDecision(decision.by, *decision.text);
      }
    }
    auto report = agents_.at(order.host).Obey(made, absl::Now());
    if (!report.has_value()) return;
    SLUICE_CHECK(inbox_
                     ->Tell({order.host, streams_.at(order.host),
                             *std::move(report), nullptr})
                     .ok());
  }
  void Renew(const HostId& host, uint64_t,
             const std::vector<std::string>& releases) override {
    agents_.at(host).Renew(releases, absl::Now());
  }
  void Refuse(const HostId& host, runtime::StreamId stream,
              const std::string& why) override {
    std::fprintf(stderr, "bench-gate: %s is refused: %s\n", host.str().c_str(),
                 why.c_str());
    registry_->Refuse(host, stream, why);
  }

 private:
  rpc::AgentRegistry* const registry_;
  runtime::Inbox* inbox_ = nullptr;
  std::map<HostId, testing::FakeAgent> agents_;
  std::map<HostId, runtime::StreamId> streams_;  // of the loop's thread
  std::atomic<bool> measuring_ = false;
  std::atomic<int> sent_ = 0;
  std::atomic<int64_t> first_sent_ = 0;
  std::atomic<int64_t> last_sent_ = 0;
  std::atomic<int64_t> first_spent_ = 0;
  std::atomic<int64_t> last_spent_ = 0;
};

// What all streams have received.
struct Received {
  std::mutex mutex;
  std::condition_variable changed;
  // Below: guarded by mutex.
  int messages = 0;
  size_t bytes = 0;
  absl::Time last;
};

// The other end of one stream: says hello, and counts.
class Ear : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Ear(const std::shared_ptr<grpc::Channel>& channel,
      const engine::AgentConnected& hello, Received* received)
      : received_(received), stub_(channel) {
    v1::AgentMessage message;
    message.mutable_hello()->set_protocol(1);
    message.mutable_hello()->set_boot_id(hello.boot_id);
    v1::FenceState* fence = message.mutable_hello()->mutable_fence();
    fence->set_mode(v1::FENCE_MODE_OPEN);
    fence->set_quarantine_number(hello.fence.quarantine_number);
    fence->set_state_serial(hello.fence.state_serial);
    const grpc::Slice slice(message.SerializeAsString());
    hello_ = grpc::ByteBuffer(&slice, 1);
    stub_.PrepareBidiStreamingCall(&context_, "/sluice.v1.AgentLink/Attach", {},
                                   this);
    StartWrite(&hello_);
    StartRead(&answer_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      const std::lock_guard<std::mutex> lock(received_->mutex);
      received_->last = absl::Now();
      received_->bytes += answer_.Length();
      ++received_->messages;
    }
    received_->changed.notify_one();
    StartRead(&answer_);
  }
  void OnDone(const grpc::Status&) override {}

 private:
  Received* const received_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer hello_;
  grpc::ByteBuffer answer_;
};

class Bench {
 public:
  Bench(int hosts, int approvers) : hosts_(hosts) {
    for (int i = 0; i < approvers; ++i) people_.push_back(SshSigner::Make());
    folder_ = (std::filesystem::temp_directory_path() /
               absl::StrCat("bench-gate-", getpid()))
                  .string();
    std::filesystem::create_directory(folder_);
  }
  ~Bench() { std::filesystem::remove_all(folder_); }

  void Run() {
    Serve();
    Attach();
    for (size_t i = 0; i < people_.size(); ++i) LogIn(static_cast<int>(i));
    Ask([](const runtime::Glimpse&) {
      engine::IsolationOrdered all;
      all.by = OperatorId(PersonName(0));
      return engine::Event(all);
    });
    Until("everything is isolated", [](const v1::Status& status) {
      return std::all_of(
          status.hosts().begin(), status.hosts().end(),
          [](const v1::Host& host) { return host.fence() == "quarantined"; });
    });
    Ask([](const runtime::Glimpse& glimpse) {
      return engine::Event(engine::RunStarted{RunId(glimpse.next_run),
                                              OperatorId(PersonName(0))});
    });
    UntilAsking("hubs");
    Decide("hubs", 0);
    UntilAsking("all");
    const int last = static_cast<int>(people_.size()) - 1;
    for (int i = 0; i < last; ++i) Decide("all", i);
    const v1::DecideRequest request = Signed("all", last);
    const auto stub = v1::Operator::NewStub(Dial());
    std::promise<absl::Duration> before;
    SLUICE_CHECK(loop_->inbox()
                     .LookAt([&](const runtime::Glimpse&) {
                       before.set_value(absl::Nanoseconds(ThreadTime()));
                     })
                     .ok());
    const absl::Duration spent = before.get_future().get();
    std::unique_lock<std::mutex> lock(received_.mutex);
    const int messages = received_.messages;
    const size_t bytes = received_.bytes;
    lock.unlock();
    post_.Measure();
    const absl::Time began = absl::Now();
    v1::Accepted accepted;
    const grpc::Status status =
        stub->Decide(Context(last).get(), request, &accepted);
    SLUICE_CHECK(status.ok());
    const absl::Time answered = absl::Now();
    lock.lock();
    const bool all =
        received_.changed.wait_for(lock, absl::ToChronoSeconds(kPatience), [&] {
          return post_.sent() >= hosts_ &&
                 received_.messages - messages >= post_.sent();
        });
    if (!all) Give("not every order arrived");
    std::printf(
        "last of %zu signatures to %d orders (%.1f MB): handed to the streams "
        "%.1f ms (the first %.1f ms), received at the other ends %.1f ms; "
        "answered %.1f ms; the loop's processor time %.1f ms (to the first "
        "%.1f ms)\n",
        people_.size(), post_.sent(),
        static_cast<double>(received_.bytes - bytes) / 1e6,
        absl::ToDoubleMilliseconds(post_.last_sent() - began),
        absl::ToDoubleMilliseconds(post_.first_sent() - began),
        absl::ToDoubleMilliseconds(received_.last - began),
        absl::ToDoubleMilliseconds(answered - began),
        absl::ToDoubleMilliseconds(post_.last_spent() - spent),
        absl::ToDoubleMilliseconds(post_.first_spent() - spent));
    std::fflush(stdout);
  }

 private:
  void Serve() {
    const std::vector<journal::SourceFile> files = {
        {"bench.yaml", ManifestOf(hosts_, people_)}};
    const auto plan = LoadPlan(files);
    if (!plan.ok()) {
      std::fprintf(stderr, "bench-gate: %s\n",
                   std::string(plan.status().message()).c_str());
      std::exit(1);
    }
    journal_ = *journal::SqliteJournal::Open(folder_ + "/journal.db");
    auto memory = runtime::Replay(*journal_, LoadPlan);
    SLUICE_CHECK(memory.ok());
    writer_ = std::make_unique<runtime::ThreadWriter>(journal_.get());
    loop_ = std::make_unique<runtime::Loop>(
        *std::move(memory), writer_.get(), &post_, &hub_,
        runtime::LoopOptions{"bench", absl::Seconds(1)});
    post_.set_inbox(&loop_->inbox());
    for (const PlannedHost& host : (*plan)->hosts) post_.agent(host.id);
    SLUICE_CHECK(loop_
                     ->Begin(
                         engine::PlanAdopted{
                             0, *plan, journal::EncodeSources(files), {}},
                         clock_.Now())
                     .ok());
    driver_ = std::make_unique<runtime::Driver>(&clock_, loop_.get());
    const Credential server =
        *authority_.Issue({.name = "orchestrator",
                           .uri = "sluice://bench/orchestrator",
                           .dns = {"orchestrator.sluice"},
                           .server = true},
                          1);
    rpc::ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.certificate = server.certificate_pem;
    options.key = server.key_pem;
    options.authority = authority_.credential().certificate_pem;
    options.estate = "bench";
    options.load_plan = LoadPlan;
    auto serving =
        rpc::Server::Start(options, &registry_, &hub_, &loop_->inbox());
    SLUICE_CHECK(serving.ok());
    server_ = *std::move(serving);
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->ports()[0]);
  }
  std::shared_ptr<grpc::Channel> Dial() {
    return grpc::CreateCustomChannel(
        address(),
        agent::TokenCredentials(
            ReadCertificate(authority_.credential().certificate_pem)->digest,
            EstateId("bench")),
        agent::LinkArguments(kPatience));
  }

  std::shared_ptr<grpc::Channel> DialForLarge() {
    auto arguments = agent::LinkArguments(kPatience);
    arguments.SetMaxReceiveMessageSize(64 << 20);
    return grpc::CreateCustomChannel(
        address(),
        agent::TokenCredentials(
            ReadCertificate(authority_.credential().certificate_pem)->digest,
            EstateId("bench")),
        arguments);
  }

  void Attach() {
    for (int i = 0; i < kHubs + hosts_; ++i) {
      const HostId host(absl::StrCat("h", i));
      const Credential credential = *authority_.Issue(
          {.name = host.str(), .uri = "sluice://bench/agent/" + host.str()}, 1);
      const auto credentials = *agent::HostCredentials(
          credential.certificate_pem, credential.key_pem,
          authority_.credential().certificate_pem, EstateId("bench"));
      channels_.push_back(grpc::CreateCustomChannel(
          address(), credentials, agent::LinkArguments(kPatience)));
      ears_.push_back(std::make_unique<Ear>(
          channels_.back(), post_.agent(host).Hello(absl::Now()), &received_));
    }
    std::unique_lock<std::mutex> lock(received_.mutex);
    if (!received_.changed.wait_for(
            lock, absl::ToChronoSeconds(kPatience),
            [&] { return received_.messages >= kHubs + hosts_; })) {
      Give("not everybody was welcomed");
    }
  }

  void LogIn(int number) {
    const auto stub = v1::Login::NewStub(Dial());
    v1::ChallengeRequest ask;
    ask.set_operator_(PersonName(number));
    v1::LoginChallenge challenge;
    grpc::ClientContext asking;
    SLUICE_CHECK(stub->Challenge(&asking, ask, &challenge).ok());
    v1::LoginRequest request;
    request.set_text(challenge.text());
    request.set_signature(people_[static_cast<size_t>(number)].Sign(
        signed_as::kLogin, challenge.text()));
    v1::Session session;
    grpc::ClientContext context;
    SLUICE_CHECK(stub->Login(&context, request, &session).ok());
    sessions_.push_back(session.token());
  }
  std::unique_ptr<grpc::ClientContext> Context(int number) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->AddMetadata(rpc::kSessionKey,
                         sessions_[static_cast<size_t>(number)]);
    return context;
  }
  v1::DecideRequest Signed(const std::string& gate, int number) {
    v1::GetGateRequest ask;
    ask.set_gate(gate);
    v1::GateDetail detail;
    const auto stub = v1::Operator::NewStub(DialForLarge());
    const grpc::Status status =
        stub->GetGate(Context(number).get(), ask, &detail);
    SLUICE_CHECK(status.ok());
    v1::DecideRequest request;
    request.set_gate(gate);
    request.set_go(true);
    request.set_body_digest(detail.gate().body_digest());
    request.set_signature(people_[static_cast<size_t>(number)].Sign(
        signed_as::kDecision, detail.body()));
    return request;
  }
  void Decide(const std::string& gate, int number) {
    v1::Accepted accepted;
    const grpc::Status status = v1::Operator::NewStub(Dial())->Decide(
        Context(number).get(), Signed(gate, number), &accepted);
    if (status.ok()) return;
    std::fprintf(stderr, "bench-gate: %s\n", status.error_message().c_str());
    std::exit(1);
  }

  void Ask(std::function<engine::Event(const runtime::Glimpse&)> make) {
    std::promise<absl::Status> done;
    runtime::FromPerson request;
    request.who = OperatorId(PersonName(0));
    request.make =
        [&](const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
      return make(glimpse);
    };
    request.reply = [&](const runtime::Answer& answer) {
      done.set_value(answer.status);
    };
    SLUICE_CHECK(loop_->inbox().Ask(std::move(request)).ok());
    const absl::Status status = done.get_future().get();
    if (status.ok()) return;
    std::fprintf(stderr, "bench-gate: %s\n",
                 std::string(status.message()).c_str());
    std::exit(1);
  }
  // As the people see it; needs a login.
  void Until(const char* what,
             const std::function<bool(const v1::Status&)>& holds) {
    const auto context = Context(0);
    context->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    const auto stub = v1::Operator::NewStub(DialForLarge());
    const auto reader = stub->WatchStatus(context.get(), {});
    v1::Status status;
    bool held = false;
    while (!held && reader->Read(&status)) held = holds(status);
    context->TryCancel();
    if (!held) Give(what);
  }
  void UntilAsking(const std::string& gate) {
    Until("the gate asks", [&](const v1::Status& status) {
      return std::any_of(status.gates().begin(), status.gates().end(),
                         [&](const v1::Gate& one) {
                           return one.id() == gate && one.state() == "asking";
                         });
    });
  }
  [[noreturn]] static void Give(const char* what) {
    std::fprintf(stderr, "bench-gate: not in %s: %s\n",
                 absl::FormatDuration(kPatience).c_str(), what);
    std::exit(1);
  }

  const int hosts_;
  std::vector<SshSigner> people_;
  std::vector<std::string> sessions_;
  std::string folder_;
  Authority authority_ = *Authority::Make("bench");
  std::unique_ptr<journal::SqliteJournal> journal_;
  std::unique_ptr<runtime::ThreadWriter> writer_;
  runtime::SystemClock clock_;
  rpc::AgentRegistry registry_{{"bench", "bench", absl::Seconds(1)}};
  Post post_{&registry_};
  rpc::OperatorHub hub_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<runtime::Driver> driver_;
  std::unique_ptr<rpc::Server> server_;
  Received received_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<Ear>> ears_;
};

int Main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::err);
  const int hosts = argc > 1 ? std::atoi(argv[1]) : 1000;
  const int approvers = argc > 2 ? std::atoi(argv[2]) : 20;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 1;
  for (int round = 0; round < rounds; ++round) {
    // Each in a process of its own: the streams are not taken down.
    const pid_t child = fork();
    if (child == 0) {
      Bench bench(hosts, approvers);
      bench.Run();
      std::filesystem::remove_all(std::filesystem::temp_directory_path() /
                                  absl::StrCat("bench-gate-", getpid()));
      std::_Exit(0);
    }
    int status = 1;
    if (waitpid(child, &status, 0) != child || status != 0) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
