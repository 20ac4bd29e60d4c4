// Everybody who may knock × every call × every state of a run, against a real
// server: what is let in is what the table says, and nothing else.

#include "orchestrator/rpc/access.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "tests/unit/rpc/obedient.h"
#include "tests/unit/rpc/small_estate.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

constexpr char kUnknown[] = "/sluice.v1.Operator/OpenEverything";

// ── the table itself ────────────────────────────────────────────────────────

TEST(Access, EveryCallOfOursStandsInTheTable) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const google::protobuf::Descriptor* linked :
       {v1::Status::descriptor(), v1::Hello::descriptor(),
        v1::Token::descriptor()}) {
    for (int s = 0; s < linked->file()->service_count(); ++s) {
      const auto* service = linked->file()->service(s);
      ASSERT_NE(pool->FindServiceByName(service->full_name()), nullptr);
      for (int m = 0; m < service->method_count(); ++m) {
        const std::string name = absl::StrCat("/", service->full_name(), "/",
                                              service->method(m)->name());
        EXPECT_NE(FindRule(name), nullptr)
            << name << " has no rule in access.cc, so nobody can call it";
      }
    }
  }
}

TEST(Access, NothingElseIsOpenToAnybody) {
  std::vector<std::string> open;
  for (const Rule& rule : AccessTable()) {
    if (rule.level == Level::kAnybody) open.emplace_back(rule.method);
  }
  EXPECT_THAT(
      open, ::testing::UnorderedElementsAre(
                "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
                "/sluice.v1.Enrolment/Enrol", "/sluice.v1.Login/Challenge",
                "/sluice.v1.Login/Login"));
}

TEST(Access, StandsInTheDocsAsItIs) {
  std::stringstream docs;
  docs << std::ifstream(SLUICE_SOURCE_DIR "/docs/security.md").rdbuf();
  EXPECT_THAT(docs.str(), HasSubstr(AccessMarkdown()))
      << "put this table into docs/security.md:\n"
      << AccessMarkdown();
}

// ── the walk ────────────────────────────────────────────────────────────────

// One call of any kind: a message, then what comes first, or the end.
class OneCall
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  OneCall(const std::shared_ptr<grpc::Channel>& channel,
          const std::string& method, const google::protobuf::Message& request,
          const std::string& session)
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    if (!session.empty()) context_.AddMetadata(kSessionKey, session);
    const std::string bytes = request.SerializeAsString();
    const grpc::Slice slice(bytes);
    request_ = grpc::ByteBuffer(&slice, 1);
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
    StartWriteLast(&request_, {});
    StartRead(&answer_);
    StartCall();
  }
  // OK as soon as something was answered.
  grpc::Status Wait() { return done_.get_future().get(); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    answered_ = true;
    context_.TryCancel();
  }
  void OnDone(const grpc::Status& status) override {
    done_.set_value(answered_ ? grpc::Status::OK : status);
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
  bool answered_ = false;
  std::promise<grpc::Status> done_;
};

struct Who {
  std::string name;
  std::shared_ptr<grpc::Channel> channel;
  std::string session;
  // What each level's calls come to; OK: let in.
  std::map<Level, grpc::StatusCode> comes_to;
  grpc::StatusCode unknown = grpc::StatusCode::PERMISSION_DENIED;
  std::vector<std::string> more;  // sessions
};

class Walk : public SmallEstate {
 protected:
  static constexpr auto kNo = grpc::StatusCode::PERMISSION_DENIED;
  static constexpr auto kLogIn = grpc::StatusCode::UNAUTHENTICATED;
  static constexpr auto kYes = grpc::StatusCode::OK;
  static constexpr auto kCut = grpc::StatusCode::UNAVAILABLE;

  Walk() {
    manifest_.replace(manifest_.find("systems:"), 0,
                      "  spare-1: {address: [10.9.0.13]}\n"
                      "  spare-2: {address: [10.9.0.14]}\n");
    manifest_.insert(manifest_.find("hosts:"), stranger_);
  }

  void Cast() {
    const auto levels = [](grpc::StatusCode known, grpc::StatusCode host,
                           grpc::StatusCode operate, grpc::StatusCode approve) {
      return std::map<Level, grpc::StatusCode>{{Level::kAnybody, kYes},
                                               {Level::kKnownKey, known},
                                               {Level::kHost, host},
                                               {Level::kOperator, operate},
                                               {Level::kApprover, approve}};
    };
    const auto unimplemented = grpc::StatusCode::UNIMPLEMENTED;
    Add({"nobody", Dial(), "", levels(kLogIn, kLogIn, kLogIn, kLogIn), kLogIn});
    Add({"a made-up session", Dial(), std::string(64, 'a'),
         levels(kLogIn, kLogIn, kLogIn, kLogIn), kLogIn});
    const std::string ended = Session("it-lead");
    v1::LoggedOut out;
    ASSERT_TRUE(v1::Login::NewStub(Dial())
                    ->Logout(Context(ended).get(), {}, &out)
                    .ok());
    Add({"an ended session", Dial(), ended,
         levels(kLogIn, kLogIn, kLogIn, kLogIn), kLogIn});
    for (const char* name : {"duty-commander", "it-lead", "security-officer"}) {
      Add({name, Dial(), "", levels(kNo, kNo, kYes, kYes), unimplemented});
    }
    // Logged in, and then dropped from the manifest.
    Who visitor{"a visitor", Dial(), Session("stranger"),
                levels(kNo, kNo, kYes, kNo), unimplemented};
    // They log out in each state, and cannot log in again.
    for (int i = 0; i < 4; ++i) visitor.more.push_back(Session("stranger"));
    DropTheStranger();
    Add(std::move(visitor));
    const Credential person = *ThePeople().authority.Issue(
        {.name = "x", .uri = "sluice://small/operator/duty-commander"}, 1);
    Add({"an operator by the authority", Dial(&person), "",
         levels(kNo, kNo, kNo, kNo), kNo});
    const Credential host = Enrolled("spare-1");
    Add({"a host", Dial(&host), "", levels(kYes, kYes, kNo, kNo), kNo});
    const Credential expired = {
        *ThePeople().issuer.CertifyAgain(
            host.certificate_pem,
            {.name = "spare-1", .uri = "sluice://small/agent/spare-1"}, 0),
        host.key_pem};
    Add({"an expired host", Dial(&expired), "", levels(kYes, kLogIn, kNo, kNo),
         kNo});
    const Credential revoked = Enrolled("spare-2");
    {
      Attachment seen(Dial(&revoked));
      ASSERT_TRUE(seen.Welcomed());
    }
    ASSERT_TRUE(Revoke(Session("it-lead"), "spare-2").ok());
    Add({"a revoked host", Dial(&revoked), "", levels(kNo, kNo, kNo, kNo),
         kNo});
    const Credential forged = *ThePeople().issuer.Issue(
        {.name = "x", .uri = "sluice://small/operator/duty-commander"}, 1);
    Add({"an operator by the issuer", Dial(&forged), "",
         levels(kNo, kNo, kNo, kNo), kNo});
    const Credential foreign = *ThePeople().foreign.Issue(
        {.name = "x", .uri = "sluice://small/operator/duty-commander"}, 1);
    Who cut{"another authority's", Dial(&foreign), "",
            levels(kCut, kCut, kCut, kCut), kCut};
    cut.comes_to[Level::kAnybody] = kCut;
    Add(cut);
  }
  void DropTheStranger() {
    v1::PlanRequest request;
    v1::ManifestFile* file = request.add_files();
    file->set_name("small.yaml");
    manifest_.erase(manifest_.find(stranger_), stranger_.size());
    file->set_text(manifest_);
    v1::Accepted accepted;
    const grpc::Status adopted = v1::Operator::NewStub(Dial())->AdoptPlan(
        Context(Session("it-lead")).get(), request, &accepted);
    ASSERT_TRUE(adopted.ok()) << adopted.error_message();
  }
  void Add(Who who) { cast_.push_back(std::move(who)); }

  // One that asks for something, and changes nothing that the next needs.
  std::unique_ptr<google::protobuf::Message> RequestFor(
      const std::string& method) {
    if (method == "/sluice.v1.Identities/Revoke") {
      auto request = std::make_unique<v1::RevokeRequest>();
      request->set_key(Sha256("nobody's"));
      return request;
    }
    if (method == "/sluice.v1.Operator/AdoptPlan") {
      auto request = std::make_unique<v1::PlanRequest>();
      v1::ManifestFile* file = request->add_files();
      file->set_name("small.yaml");
      file->set_text(manifest_);
      request->set_from_digest(Sha256("another plan"));
      return request;
    }
    if (method == "/sluice.v1.Operator/Start") {
      auto request = std::make_unique<v1::StartRequest>();
      request->set_plan_digest(Sha256("another plan"));
      return request;
    }
    return std::make_unique<v1::GetStatusRequest>();  // nothing at all
  }

  void Knock(const std::string& state, Who& who, const std::string& method,
             grpc::StatusCode expected) {
    const auto logged_in = sessions_.find(who.name);
    const std::string session =
        logged_in == sessions_.end() ? who.session : logged_in->second;
    OneCall call(who.channel, method, *RequestFor(method), session);
    const grpc::Status got = call.Wait();
    ++knocks_;
    const std::string where =
        absl::StrCat(state, ", ", who.name, ", ", method, ": ",
                     got.error_code(), " ", got.error_message());
    // The service's own no, to a token that is none.
    const bool tokens_no =
        method == "/sluice.v1.Enrolment/Enrol" &&
        absl::StrContains(got.error_message(), "the token is not good");
    const bool let_in =
        tokens_no || (got.error_code() != kNo && got.error_code() != kLogIn &&
                      got.error_code() != kCut);
    if (expected == kYes) {
      EXPECT_TRUE(let_in) << where;
    } else if (expected == grpc::StatusCode::UNIMPLEMENTED) {
      EXPECT_EQ(got.error_code(), expected) << where;
    } else {
      EXPECT_EQ(got.error_code(), expected) << where;
      EXPECT_FALSE(let_in) << where;
    }
    if (state == "held" && method == "/sluice.v1.Operator/Resume" && let_in) {
      Hold();  // again
    }
    if (method == "/sluice.v1.Login/Logout" && expected == kYes &&
        ThePeople().keys.contains(who.name)) {
      sessions_[who.name] = Session(who.name);
    }
    if (method == "/sluice.v1.Login/Logout" && !who.more.empty()) {
      who.session = who.more.back();
      who.more.pop_back();
    }
  }

  void WalkThrough(const std::string& state) {
    for (const char* name : {"duty-commander", "it-lead", "security-officer"}) {
      sessions_[name] = Session(name);
    }
    for (Who& who : cast_) {
      for (const Rule& rule : AccessTable()) {
        Knock(state, who, std::string(rule.method),
              who.comes_to.at(rule.level));
      }
      Knock(state, who, kUnknown, who.unknown);
    }
  }

  void Hold() {
    v1::Accepted accepted;
    const grpc::Status held = v1::Operator::NewStub(Dial())->Pause(
        Context(sessions_["it-lead"]).get(), {}, &accepted);
    EXPECT_TRUE(held.ok()) << held.error_message();
  }

  std::string RunState() {
    v1::Status status;
    EXPECT_TRUE(
        v1::Operator::NewStub(Dial())
            ->GetStatus(Context(sessions_["it-lead"]).get(), {}, &status)
            .ok());
    std::string text = status.run().state();
    for (const v1::Gate& gate : status.gates()) {
      if (gate.state() == "asking") text = "asking";
    }
    return text;
  }

  const std::string stranger_ = absl::StrCat(
      "  stranger: {roles: [security], key: \"",
      ThePeople().keys.at("stranger").public_key().Line(), "\"}\n");
  std::vector<Who> cast_;
  std::map<std::string, std::string> sessions_;
  int knocks_ = 0;
};

TEST_F(Walk, WhoTimesCallTimesState) {
  Cast();
  WalkThrough("no run");
  EXPECT_EQ(RunState(), "none");

  const Credential app = Enrolled("app-1");
  const Credential db = Enrolled("db-1");
  const Credential spare = Enrolled("spare-1");
  Obedient first(Dial(&app));
  Obedient second(Dial(&db));
  {
    // The walk's own host has a new key now, and has been seen.
    Obedient third(Dial(&spare));
    const auto commander = v1::Operator::NewStub(Dial());
    v1::Status seen;
    const auto watching = Context(sessions_["duty-commander"]);
    const auto reader = commander->WatchStatus(watching.get(), {});
    const auto all_isolated = [&] {
      int isolated = 0;
      for (const v1::Host& host : seen.hosts()) {
        isolated += host.fence() == "quarantined" ? 1 : 0;
      }
      return isolated == 4;
    };
    while (reader->Read(&seen) && !all_isolated()) {
    }
    ASSERT_TRUE(all_isolated()) << seen.ShortDebugString();
    v1::Accepted accepted;
    const grpc::Status started = commander->Start(
        Context(sessions_["duty-commander"]).get(), {}, &accepted);
    ASSERT_TRUE(started.ok()) << started.error_message();
    while (reader->Read(&seen)) {
      if (seen.gates_size() > 0 && seen.gates(0).state() == "asking") break;
    }
    watching->TryCancel();
  }
  for (Who& who : cast_) {
    if (who.name == "a host") who.channel = Dial(&spare);
    if (who.name == "an expired host") {
      const Credential expired = {
          *ThePeople().issuer.CertifyAgain(
              spare.certificate_pem,
              {.name = "spare-1", .uri = "sluice://small/agent/spare-1"}, 0),
          spare.key_pem};
      who.channel = Dial(&expired);
    }
  }
  EXPECT_EQ(RunState(), "asking");
  WalkThrough("a gate asks");
  EXPECT_EQ(RunState(), "asking");

  Hold();
  WalkThrough("held");

  v1::EndRequest end;
  end.set_reason("the walk is over");
  v1::Accepted accepted;
  ASSERT_TRUE(v1::Operator::NewStub(Dial())
                  ->End(Context(sessions_["it-lead"]).get(), end, &accepted)
                  .ok());
  EXPECT_EQ(RunState(), "ended");
  WalkThrough("ended");
  EXPECT_EQ(RunState(), "ended");
  EXPECT_GE(knocks_, 300);
  RecordProperty("combinations", knocks_);
  std::printf("%d combinations of who, call and state\n", knocks_);
}

}  // namespace
}  // namespace sluice::rpc
