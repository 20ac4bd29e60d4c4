// Real gRPC with mutual TLS on loopback, a real loop, a journal in memory.

#include "tests/unit/rpc/server_fixture.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

// ── who may call what ───────────────────────────────────────────────────────

TEST_F(ServerTest, RefusesAnAgentOfAnotherAuthority) {
  EXPECT_EQ(AttachFails(TheKeys().foreign_db).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Records(), 2u);
}

TEST_F(ServerTest, RefusesAClientWithoutCertificate) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = TheKeys().authority.certificate();
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, "orchestrator.sluice");
  const auto stub = v1::Operator::NewStub(
      grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server_->ports()[0]),
                                grpc::SslCredentials(tls), arguments));
  grpc::ClientContext context;
  v1::Status status;
  EXPECT_FALSE(stub->GetStatus(&context, {}, &status).ok());
}

TEST_F(ServerTest, RefusesAnOperatorWhoAttachesAsAgent) {
  Agent agent(Dial(Pair(), sessions_.at("duty-commander")));
  agent.Hello();
  EXPECT_FALSE(agent.Read().has_value());
  const grpc::Status status = agent.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("operator duty-commander asks, and only hosts attach"));
}

TEST_F(ServerTest, RefusesAnAgentThatAsksAsOperator) {
  grpc::ClientContext context;
  v1::Status status;
  const grpc::Status got =
      Operator(TheKeys().db)->GetStatus(&context, {}, &status);
  EXPECT_EQ(got.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(got.error_message(), HasSubstr("only operators may ask"));

  grpc::ClientContext isolating;
  v1::IsolateRequest request;
  request.set_all(true);
  const auto reader = Operator(TheKeys().db)->Isolate(&isolating, request);
  v1::IsolateProgress progress;
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ServerTest, RefusesCertificatesThatNameNobodyOrTwoOrAnotherEstate) {
  EXPECT_THAT(AttachFails(TheKeys().nameless).error_message(),
              HasSubstr("holds 0 URIs"));
  EXPECT_THAT(AttachFails(TheKeys().two_faced).error_message(),
              HasSubstr("holds 2 URIs"));
  EXPECT_THAT(AttachFails(TheKeys().other_estate).error_message(),
              HasSubstr("estate 'other'"));
}

TEST_F(ServerTest, RefusesAHostThatTheManifestDoesNotKnow) {
  const grpc::Status status = AttachFails(TheKeys().stranger);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("not in the manifest"));
}

// ── agents ──────────────────────────────────────────────────────────────────

TEST_F(ServerTest, WelcomesAnAgentAndShowsItConnected) {
  Agent agent(Dial(TheKeys().db));
  ASSERT_TRUE(agent.Hello());
  const auto welcome = agent.Read();
  ASSERT_TRUE(welcome.has_value());
  EXPECT_EQ(welcome->welcome().epoch(), 1u);
  EXPECT_EQ(welcome->welcome().estate(), "small");
  EXPECT_EQ(welcome->welcome().instance(), "instance");
  const v1::Status status = StatusNow();
  ASSERT_EQ(status.hosts_size(), 2);
  EXPECT_EQ(status.hosts(1).id(), "db-1");
  EXPECT_EQ(status.hosts(1).link(), "connected");
  EXPECT_EQ(status.hosts(0).link(), "never");
}

TEST_F(ServerTest, SendsRenewalsAsHeartbeats) {
  Agent agent(Dial(TheKeys().db));
  agent.Hello();
  agent.Read();
  for (uint64_t counter = 1; counter <= 3; ++counter) {
    auto message = agent.Read();
    while (message.has_value() && !message->has_renewal()) {
      message = agent.Read();
    }
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->renewal().counter(), counter);
    EXPECT_EQ(message->renewal().epoch(), 1u);
  }
}

TEST_F(ServerTest, ReplacesTheOlderStreamOfAHost) {
  Agent first(Dial(TheKeys().db));
  first.Hello();
  ASSERT_TRUE(first.Read().has_value());
  Agent second(Dial(TheKeys().db));
  second.Hello(1);
  ASSERT_TRUE(second.Read().has_value());
  while (first.Read().has_value()) {
  }
  EXPECT_EQ(first.Finish().error_code(), grpc::StatusCode::ABORTED);
  // The old stream's end does not count as the host's.
  EXPECT_EQ(StatusNow().hosts(1).link(), "connected");
}

TEST_F(ServerTest, EndsAStreamThatDoesNotBeginWithAHello) {
  Agent agent(Dial(TheKeys().db));
  v1::AgentMessage message;
  message.mutable_lease_lost();
  agent.Write(message);
  EXPECT_FALSE(agent.Read().has_value());
  EXPECT_EQ(agent.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerTest, EndsAStreamThatSaysTooMuchAtOnce) {
  Agent agent(Dial(TheKeys().db));
  agent.Hello();
  agent.Read();
  v1::AgentMessage message;
  message.mutable_report()->set_reason(std::string(5 << 20, 'x'));
  agent.Write(message);
  while (agent.Read().has_value()) {
  }
  EXPECT_EQ(agent.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(StatusNow().journal_problem().empty());
}

TEST_F(ServerTest, HearsAllOfAFloodingAgentAndServesOthersMeanwhile) {
  Agent flooding(Dial(TheKeys().db));
  flooding.Hello();
  flooding.Read();
  for (int i = 0; i < 500; ++i) {
    v1::AgentMessage message;
    message.mutable_lease_lost()->set_release_digest(Sha256("x"));
    ASSERT_TRUE(flooding.Write(message));
  }
  Agent calm(Dial(TheKeys().app));
  calm.Hello();
  EXPECT_TRUE(calm.Read().has_value());
}

// ── operators ───────────────────────────────────────────────────────────────

TEST_F(ServerTest, ShowsTheWholeEstate) {
  const v1::Status status = StatusNow();
  EXPECT_EQ(status.estate(), "small");
  EXPECT_EQ(status.epoch(), 1u);
  EXPECT_EQ(status.journal_sequence(), 2u + sessions_.size());
  EXPECT_TRUE(IsDigest(status.journal_head()));
  EXPECT_EQ(status.run().state(), "none");
  EXPECT_TRUE(IsDigest(status.run().plan_digest()));
  ASSERT_EQ(status.steps_size(), 2);
  EXPECT_EQ(status.steps(0).id(), "application");
  EXPECT_EQ(status.steps(0).category(), "billing");
  EXPECT_EQ(status.steps(0).hosts(0), "app-1");
  EXPECT_GE(status.gates_size(), 1);
  EXPECT_FALSE(status.orchestrator_version().empty());
}

TEST_F(ServerTest, PushesAStatusWhenSomethingChanges) {
  grpc::ClientContext context;
  const auto stub = Operator("security-officer");
  const auto reader = stub->WatchStatus(&context, {});
  v1::Status status;
  ASSERT_TRUE(reader->Read(&status));
  EXPECT_EQ(status.hosts(1).link(), "never");
  Agent agent(Dial(TheKeys().db));
  agent.Hello();
  while (status.hosts(1).link() == "never") {
    ASSERT_TRUE(reader->Read(&status));
  }
  EXPECT_EQ(status.hosts(1).link(), "connected");
  context.TryCancel();
}

TEST_F(ServerTest, StreamsAnIsolationUntilItIsReadBack) {
  Agent db(Dial(TheKeys().db));
  db.Hello();
  db.Read();
  Agent app(Dial(TheKeys().app));
  app.Hello();
  app.Read();

  grpc::ClientContext context;
  v1::IsolateRequest request;
  request.set_all(true);
  request.set_reason("drill");
  const auto stub = Operator("security-officer");
  const auto reader = stub->Isolate(&context, request);
  for (Agent* agent : {&db, &app}) {
    const auto order = agent->ReadOrder();
    ASSERT_TRUE(order.has_value());
    ASSERT_TRUE(order->has_isolate_host());
    v1::AgentMessage message;
    v1::Report* report = message.mutable_report();
    report->set_order_id(order->id());
    report->set_outcome(v1::OUTCOME_DONE);
    report->mutable_fence()->set_mode(v1::FENCE_MODE_QUARANTINED);
    report->mutable_fence()->set_quarantine_number(1);
    ASSERT_TRUE(agent->Write(message));
  }
  v1::IsolateProgress progress;
  while (reader->Read(&progress) && !progress.finished()) {
  }
  EXPECT_TRUE(progress.finished());
  EXPECT_TRUE(progress.recorded());
  EXPECT_EQ(progress.hosts(), 2);
  EXPECT_EQ(progress.read_back(), 2);
  EXPECT_THAT(progress.message(), HasSubstr("2 of 2 hosts"));
  EXPECT_TRUE(reader->Finish().ok());

  grpc::ClientContext history_context;
  v1::History history;
  ASSERT_TRUE(stub->GetHistory(&history_context, {}, &history).ok());
  bool found = false;
  for (const v1::Entry& entry : history.entries()) {
    found = found || entry.kind() == "isolation";
  }
  EXPECT_TRUE(found);

  grpc::ClientContext durations_context;
  v1::Durations durations;
  ASSERT_TRUE(stub->GetDurations(&durations_context, {}, &durations).ok());
  EXPECT_EQ(durations.steps_size(), 0);  // nothing came back yet
}

TEST_F(ServerTest, IsolatesWithoutRecordWhenTheJournalCannotBeWritten) {
  Agent db(Dial(TheKeys().db));
  db.Hello();
  db.Read();
  journal_.FailWith(absl::ResourceExhaustedError("the disk is full"));
  grpc::ClientContext context;
  v1::IsolateRequest request;
  request.set_host("db-1");
  const auto stub = Operator("duty-commander");
  const auto reader = stub->Isolate(&context, request);
  const auto order = db.ReadOrder();
  ASSERT_TRUE(order.has_value());
  EXPECT_TRUE(order->has_isolate_host());
  v1::IsolateProgress progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_FALSE(progress.recorded());
  EXPECT_THAT(progress.message(), HasSubstr("not recorded"));
  EXPECT_THAT(StatusNow().journal_problem(), HasSubstr("disk is full"));
  context.TryCancel();
}

// Real threads, a real stream, a disk that never answers.
TEST_F(ServerTest, IsolatesAndAnswersWhileTheDiskHangs) {
  Agent db(Dial(TheKeys().db));
  db.Hello();
  db.Read();
  const size_t records = Records();
  journal_.set_stuck(true);
  grpc::ClientContext context;
  v1::IsolateRequest request;
  request.set_host("db-1");
  const auto stub = Operator("duty-commander");
  const auto reader = stub->Isolate(&context, request);
  const auto order = db.ReadOrder();
  ASSERT_TRUE(order.has_value());
  EXPECT_TRUE(order->has_isolate_host());
  v1::IsolateProgress progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_FALSE(progress.recorded());
  EXPECT_THAT(progress.message(), HasSubstr("not recorded"));
  // An agent that attaches now is heard, and isolated, all the same.
  Agent app(Dial(TheKeys().app));
  app.Hello();
  const auto welcome = app.Read();
  ASSERT_TRUE(welcome.has_value());
  EXPECT_TRUE(welcome->has_welcome());
  // Looking never waits for the disk.
  EXPECT_EQ(StatusNow().epoch(), 1u);
  EXPECT_EQ(Records(), records);
  journal_.set_stuck(false);
  // Once it answers, what happened meanwhile is recorded.
  while (Records() == records) {
  }
  context.TryCancel();
}

// Writes as fast as it is read, until it goes.
class Flood {
 public:
  explicit Flood(Agent* agent) : agent_(agent), thread_([this] { Run(); }) {}
  ~Flood() {
    agent_->Cancel();
    thread_.join();
  }
  int written() const { return written_; }

 private:
  void Run() {
    v1::AgentMessage message;
    message.mutable_lease_lost()->set_release_digest(std::string(64, 'a'));
    while (agent_->Write(message)) ++written_;
  }
  Agent* const agent_;
  std::atomic<int> written_ = 0;
  std::thread thread_;
};

TEST_F(ServerTest, AnAgentThatFloodsHarmsNobodyElse) {
  Agent mad(Dial(TheKeys().db));
  mad.Hello();
  mad.Read();
  Agent app(Dial(TheKeys().app));
  app.Hello();
  app.Read();
  const size_t before = Records();
  const Flood flood(&mad);
  // Far more than the journal is to hold of it.
  while (Records() < before + 400) std::this_thread::yield();
  grpc::ClientContext context;
  v1::IsolateRequest request;
  request.set_host("app-1");
  const auto stub = Operator("duty-commander");
  const auto reader = stub->Isolate(&context, request);
  const auto order = app.ReadOrder();
  ASSERT_TRUE(order.has_value());
  EXPECT_TRUE(order->has_isolate_host());
  context.TryCancel();
  EXPECT_EQ(StatusNow().estate(), "small");
  EXPECT_LE(Records(), before + 700);
  EXPECT_GE(flood.written(), 400);
}

TEST_F(ServerTest, AnAgentThatReadsNothingLosesItsStreamAndHarmsNobodyElse) {
  Agent slow(Dial(TheKeys().db));
  slow.Hello();
  slow.Read();
  Agent app(Dial(TheKeys().app));
  app.Hello();
  app.Read();
  const auto send = [this](const HostId& host, int count) {
    OnLoop([&] {
      for (int i = 0; i < count; ++i) {
        agents_.Send(1, {engine::OrderId(absl::StrCat("-/", i, "/0")), host,
                         absl::Seconds(30), engine::ReadFence{}});
      }
    });
  };
  const auto link = [this] {
    const v1::Status status = StatusNow();
    for (const v1::Host& host : status.hosts()) {
      if (host.id() == "db-1") return host.link();
    }
    return std::string();
  };
  // More than what the network and the queue take together.
  while (link() == "connected") send(HostId("db-1"), 10'000);
  send(HostId("app-1"), 1000);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(app.ReadOrder().has_value());
}

TEST_F(ServerTest, RefusesInASentenceAndChangesNothing) {
  const auto stub = Operator("duty-commander");
  const size_t records = Records();
  {
    grpc::ClientContext context;
    v1::Accepted accepted;
    v1::DecideRequest request;
    request.set_gate("no-such-gate");
    EXPECT_EQ(stub->Decide(&context, request, &accepted).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  {
    grpc::ClientContext context;
    v1::Accepted accepted;
    EXPECT_EQ(stub->Pause(&context, {}, &accepted).error_code(),
              grpc::StatusCode::FAILED_PRECONDITION);
  }
  {
    grpc::ClientContext context;
    v1::Accepted accepted;
    v1::StartRequest request;
    request.set_plan_digest(Sha256("another"));
    const grpc::Status status = stub->Start(&context, request, &accepted);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(), HasSubstr("compare the two"));
  }
  {
    grpc::ClientContext context;
    const auto reader = stub->Isolate(&context, {});
    v1::IsolateProgress progress;
    EXPECT_FALSE(reader->Read(&progress));
    EXPECT_EQ(reader->Finish().error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(Records(), records);
}

TEST_F(ServerTest, SaysWhichAddressCannotBeHad) {
  ServerOptions options;
  options.listen = {absl::StrCat("127.0.0.1:", server_->ports()[0])};
  options.certificate = TheKeys().server.certificate;
  options.key = TheKeys().server.key;
  options.authority = TheKeys().authority.certificate();
  options.estate = "small";
  const auto second =
      Server::Start(options, &agents_, &operators_, &loop_->inbox());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(options.listen[0]));
}

// ── another plan ────────────────────────────────────────────────────────────

v1::PlanRequest Manifest(const std::string& text) {
  v1::PlanRequest request;
  v1::ManifestFile* file = request.add_files();
  file->set_name("small.yaml");
  file->set_text(text);
  return request;
}

std::string SlowerManifest() {
  return absl::StrReplaceAll(ThePeople().Manifest(),
                             {{"soak: 5s", "soak: 9s"}});
}

TEST_F(ServerTest, PutsAnotherPlanInForceAndGivesItsManifestBack) {
  const auto stub = Operator("duty-commander");
  v1::PlanRequest request = Manifest(SlowerManifest());
  v1::Manifest before;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->GetManifest(&context, {}, &before).ok());
    EXPECT_EQ(before.files(0).text(), ThePeople().Manifest());
    EXPECT_EQ(before.plan_number(), 1);
  }
  request.set_from_digest(before.plan_digest());
  {
    grpc::ClientContext context;
    v1::PlanPreview preview;
    const grpc::Status got = stub->PreviewPlan(&context, request, &preview);
    ASSERT_TRUE(got.ok()) << got.error_message();
    EXPECT_EQ(preview.plan_number(), 2);
    EXPECT_EQ(preview.run(), "") << "no run is active";
  }
  {
    grpc::ClientContext context;
    v1::Accepted accepted;
    const grpc::Status got = stub->AdoptPlan(&context, request, &accepted);
    ASSERT_TRUE(got.ok()) << got.error_message();
    EXPECT_THAT(accepted.message(), HasSubstr("plan 2 is in force"));
  }
  grpc::ClientContext context;
  v1::Manifest after;
  ASSERT_TRUE(stub->GetManifest(&context, {}, &after).ok());
  EXPECT_EQ(after.files(0).text(), SlowerManifest());
  EXPECT_EQ(after.plan_number(), 2);

  // S7: the journal alone gives the same.
  const auto replayed = runtime::Replay(journal_, runtime::LoadPlan);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->engine.plan()->digest, after.plan_digest());
  EXPECT_EQ(replayed->engine.plan_number(), 2);
}

TEST_F(ServerTest, RefusesAPlanThatIsNotTheOneSomebodyLookedAt) {
  const auto adopt = [&](const v1::PlanRequest& request) {
    grpc::ClientContext context;
    v1::Accepted accepted;
    return Operator("duty-commander")->AdoptPlan(&context, request, &accepted);
  };
  v1::PlanRequest request = Manifest(SlowerManifest());
  request.set_from_digest("sha256:of another plan");
  EXPECT_THAT(adopt(request).error_message(),
              HasSubstr("was put in force since you looked"));
  request.clear_from_digest();
  request.set_plan_digest("sha256:of what another program makes");
  EXPECT_THAT(adopt(request).error_message(),
              HasSubstr("the orchestrator makes"));
  EXPECT_THAT(adopt(Manifest("sluice: [")).error_message(),
              HasSubstr("mistakes in the manifest"));
  EXPECT_THAT(adopt(v1::PlanRequest()).error_message(),
              HasSubstr("a manifest is 1 to 1000 files"));
  EXPECT_EQ(adopt(Manifest(ThePeople().Manifest())).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION)
      << "it is in force already";
  EXPECT_EQ(Records(), 2u);
}

}  // namespace
}  // namespace sluice::rpc
