// Enrolment, renewal, revocation and login against a real server, with the
// agent's own code on the other side.

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <set>

#include "tests/unit/rpc/small_estate.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kHoursTillExpiry = 24 * 91;
constexpr int kHoursTillRenewal = 24 * 65;

class Enrolment : public SmallEstate {
 protected:
  absl::StatusOr<std::string> RenewWith(const Credential& credential) {
    return agent::Renew(Dial(&credential), absl::Seconds(10));
  }
  grpc::Status AttachEnds(const Credential& credential) {
    Attachment attached(Dial(&credential));
    return attached.End();
  }
};

TEST_F(Enrolment, GivesAHostACertificateItAttachesWith) {
  const Credential db = Enrolled("db-1");
  const auto facts = ReadCertificate(db.certificate_pem);
  ASSERT_TRUE(facts.ok());
  EXPECT_THAT(facts->uris, ::testing::ElementsAre("sluice://small/agent/db-1"));
  bool renew = true;
  EXPECT_TRUE(Attachment(Dial(&db)).Welcomed(&renew));
  EXPECT_FALSE(renew);
  OnLoop([&](const runtime::Glimpse& glimpse) {
    const auto* known = glimpse.engine.identities().Find(HostId("db-1"));
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->key, facts->key);
    EXPECT_THAT(known->evidence_key, HasSubstr("ssh-ed25519 "));
    EXPECT_THAT(glimpse.engine.identities().tokens(), SizeIs(0));
  });
}

TEST_F(Enrolment, TakesATokenOnceForItsOwnHostAndInTime) {
  const std::string session = Session("duty-commander");
  auto token = MakeToken(session, "db-1");
  ASSERT_TRUE(token.ok());
  EnrolToken other = *token;
  other.host = HostId("app-1");
  EXPECT_EQ(Enrol(other).status().code(), absl::StatusCode::kPermissionDenied);
  EnrolToken guessed = *token;
  guessed.secret.front() = guessed.secret.front() == 'a' ? 'b' : 'a';
  EXPECT_EQ(Enrol(guessed).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Enrol(*token).ok());
  EXPECT_THAT(Enrol(*token).status().message(), HasSubstr("not good"));

  token = MakeToken(session, "db-1");
  ASSERT_TRUE(token.ok());
  ahead_hours_ = 2;
  EXPECT_THAT(Enrol(*token).status().message(), HasSubstr("not good"));
}

TEST_F(Enrolment, TwoWhoUseOneTokenAtTheSameInstantAreOneHost) {
  const auto token = MakeToken(Session("duty-commander"), "db-1");
  ASSERT_TRUE(token.ok());
  std::vector<std::future<bool>> tries;
  for (int i = 0; i < 8; ++i) {
    tries.push_back(
        std::async(std::launch::async, [&] { return Enrol(*token).ok(); }));
  }
  int enrolled = 0;
  for (auto& one : tries) enrolled += one.get() ? 1 : 0;
  EXPECT_EQ(enrolled, 1);
}

TEST_F(Enrolment, AnotherAuthorityThanTheTokensIsNotTalkedTo) {
  auto token = MakeToken(Session("duty-commander"), "db-1");
  ASSERT_TRUE(token.ok());
  token->authority = Sha256("another");
  const absl::Status refused = Enrol(*token).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("The token is still good"));
  // Nothing was asked, so the token is still good.
  token->authority = authority_digest();
  EXPECT_TRUE(Enrol(*token).ok());
}

TEST_F(Enrolment, EveryHostHasAKeyOfItsOwn) {
  const std::string key = *MakeKey();
  const std::string session = Session("duty-commander");
  EXPECT_TRUE(Enrol(*MakeToken(session, "db-1"), key).ok());
  EXPECT_THAT(Enrol(*MakeToken(session, "app-1"), key).status().message(),
              HasSubstr("host db-1's"));
}

TEST_F(Enrolment, OfAHostTheManifestDoesNotKnowIsRefused) {
  EXPECT_EQ(
      MakeToken(Session("duty-commander"), "no-such-host").status().code(),
      absl::StatusCode::kNotFound);
}

TEST_F(Enrolment, ARebuiltHostShutsItsOldSelfOut) {
  const Credential before = Enrolled("db-1");
  Attachment old(Dial(&before));
  ASSERT_TRUE(old.Welcomed());
  const Credential after = Enrolled("db-1");
  const grpc::Status ended = old.End();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(ended.error_message(), HasSubstr("enrolled anew"));
  EXPECT_EQ(AttachEnds(before).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_FALSE(RenewWith(before).ok());
  EXPECT_TRUE(Attachment(Dial(&after)).Welcomed());
}

TEST_F(Enrolment, RevocationEndsALiveStreamAndEveryWayBack) {
  const Credential db = Enrolled("db-1");
  Attachment attached(Dial(&db));
  ASSERT_TRUE(attached.Welcomed());
  const std::string session = Session("it-lead");
  const auto token = MakeToken(session, "db-1");
  ASSERT_TRUE(token.ok());
  ASSERT_TRUE(Revoke(session, "db-1").ok());
  EXPECT_THAT(attached.End().error_message(), HasSubstr("revoked"));
  EXPECT_THAT(AttachEnds(db).error_message(), HasSubstr("revoked"));
  EXPECT_FALSE(RenewWith(db).ok());
  EXPECT_FALSE(Enrol(*token).ok());  // what waited for it is gone too
  // The key itself is out for good, whatever token it comes with.
  EXPECT_THAT(Enrol(*MakeToken(session, "db-1"), db.key_pem).status().message(),
              HasSubstr("revoked"));
  EXPECT_TRUE(Enrol(*MakeToken(session, "db-1")).ok());
}

TEST_F(Enrolment, AnExpiredHostMayRenewAndNothingElse) {
  const Credential db = Enrolled("db-1");
  ahead_hours_ = kHoursTillExpiry;
  const grpc::Status refused = AttachEnds(db);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(refused.error_message(), HasSubstr("expired"));
  const auto renewed = RenewWith(db);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(ReadCertificate(*renewed)->key,
            ReadCertificate(db.certificate_pem)->key);
}

TEST_F(Enrolment, RenewsAnExpiredCertificateByItself) {
  const Credential db = Enrolled("db-1");
  // Expired in truth, and still enrolled by its key.
  auto old = ThePeople().issuer.CertifyAgain(
      db.certificate_pem, {.name = "db-1", .uri = "sluice://small/agent/db-1"},
      0);
  ASSERT_TRUE(old.ok());
  const std::string authority =
      ThePeople().authority.credential().certificate_pem;
  std::promise<std::string> renewed;
  std::promise<void> welcomed;
  agent::AgentLink* dialling = nullptr;
  agent::AgentLink link(
      {.orchestrators = {address()},
       .shortest_pause = absl::Milliseconds(10),
       .longest_pause = absl::Milliseconds(50),
       .reload =
           [&](const std::string& certificate) {
             renewed.set_value(certificate);
             return agent::HostCredentials(certificate, db.key_pem, authority,
                                           EstateId("small"));
           }},
      *agent::HostCredentials(*old, db.key_pem, authority, EstateId("small")),
      [&](agent::Event event) {
        if (std::holds_alternative<agent::LinkConnected>(event)) {
          dialling->Send(agent::Hello{.agent_version = "test"});
        } else if (std::holds_alternative<agent::LinkWelcomed>(event)) {
          welcomed.set_value();
        }
      },
      [](const std::string&) {});
  dialling = &link;
  link.Start();
  EXPECT_FALSE(
      ReadCertificate(renewed.get_future().get())->ExpiredAt(absl::Now()));
  welcomed.get_future().wait();
}

TEST_F(Enrolment, TellsAHostInTimeThatItShouldRenew) {
  const Credential db = Enrolled("db-1");
  ahead_hours_ = kHoursTillRenewal;
  bool renew = false;
  EXPECT_TRUE(Attachment(Dial(&db)).Welcomed(&renew));
  EXPECT_TRUE(renew);
}

TEST_F(Enrolment, ACertificateOfTheAuthorityPinsItsKeyAtFirstSight) {
  const Bearer bearer{.name = "db-1", .uri = "sluice://small/agent/db-1"};
  const Credential first = *ThePeople().authority.Issue(bearer, 1);
  const Credential second = *ThePeople().authority.Issue(bearer, 1);
  EXPECT_TRUE(Attachment(Dial(&first)).Welcomed());
  EXPECT_THAT(AttachEnds(second).error_message(),
              HasSubstr("enrolled with another key"));
  EXPECT_TRUE(Attachment(Dial(&first)).Welcomed());
}

// The authority's key lies in a safe, and is a file all the same.
TEST_F(Enrolment, ACertificateIsNoOperatorWhoeverSignedIt) {
  for (const Authority* signer :
       {&ThePeople().authority, &ThePeople().issuer}) {
    const Credential person = *signer->Issue(
        {.name = "x", .uri = "sluice://small/operator/duty-commander"}, 1);
    v1::Status status;
    const grpc::Status got = v1::Operator::NewStub(Dial(&person))
                                 ->GetStatus(Context().get(), {}, &status);
    EXPECT_EQ(got.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(got.error_message(), HasSubstr("`sluice login`"));
    // Nor does it help a session, or stand in the way of a login.
    EXPECT_FALSE(v1::Operator::NewStub(Dial(&person))
                     ->GetStatus(Context(Session("it-lead")).get(), {}, &status)
                     .ok());
    v1::ChallengeRequest ask;
    ask.set_operator_("it-lead");
    v1::LoginChallenge challenge;
    EXPECT_TRUE(v1::Login::NewStub(Dial(&person))
                    ->Challenge(Context().get(), ask, &challenge)
                    .ok());
  }
}

// For a host whose clock is years ahead every certificate has run out.
class YearsAhead : public Enrolment {
 protected:
  YearsAhead() {
    served_ =
        *ThePeople().authority.Issue({.name = "orchestrator",
                                      .uri = "sluice://small/orchestrator",
                                      .dns = {"orchestrator.sluice"},
                                      .server = true},
                                     0);
  }
};

TEST_F(YearsAhead, AHostEnrolsAndAttachesAllTheSame) {
  ASSERT_TRUE(ReadCertificate(served_.certificate_pem)->ExpiredAt(absl::Now()));
  const Credential db = Enrolled("db-1");
  EXPECT_TRUE(Attachment(Dial(&db)).Welcomed());
}

TEST_F(Enrolment, WhoeverLostTheirRoleMayLookAndIsolate) {
  const std::string session = Session("security-officer");
  v1::PlanRequest request;
  v1::ManifestFile* file = request.add_files();
  file->set_name("small.yaml");
  std::string without = manifest_;
  const size_t line = without.find("  security-officer:");
  without.erase(line, without.find('\n', line) + 1 - line);
  file->set_text(without);
  v1::Accepted accepted;
  const auto people = v1::Operator::NewStub(Dial());
  const grpc::Status adopted =
      people->AdoptPlan(Context(Session("it-lead")).get(), request, &accepted);
  ASSERT_TRUE(adopted.ok()) << adopted.error_message();

  v1::Status status;
  EXPECT_TRUE(people->GetStatus(Context(session).get(), {}, &status).ok());
  v1::IsolateRequest isolate;
  isolate.set_all(true);
  const auto isolating = Context(session);
  const auto reader = people->Isolate(isolating.get(), isolate);
  v1::IsolateProgress progress;
  EXPECT_TRUE(reader->Read(&progress));
  isolating->TryCancel();
  const grpc::Status start =
      people->Start(Context(session).get(), {}, &accepted);
  EXPECT_EQ(start.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(start.error_message(), HasSubstr("look and isolate"));
  // What they send is not even read.
  file->set_text("sluice: [");
  const grpc::Status adopt =
      people->AdoptPlan(Context(session).get(), request, &accepted);
  EXPECT_EQ(adopt.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(adopt.error_message(), HasSubstr("change the plan"));
  EXPECT_FALSE(Login("security-officer").ok());
}

TEST_F(Enrolment, WhoeverTookTheIssuerIsNoServerNoOperatorAndNoKnownHost) {
  const Authority& issuer = ThePeople().issuer;
  // No host: its key is not the one that enrolled.
  Enrolled("db-1");
  EXPECT_EQ(
      AttachEnds(
          *issuer.Issue({.name = "x", .uri = "sluice://small/agent/db-1"}, 1))
          .error_code(),
      grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(
      AttachEnds(
          *issuer.Issue({.name = "x", .uri = "sluice://small/agent/app-1"}, 1))
          .error_code(),
      grpc::StatusCode::PERMISSION_DENIED);
  // No operator.
  const Credential person = *issuer.Issue(
      {.name = "x", .uri = "sluice://small/operator/duty-commander"}, 1);
  v1::Status status;
  EXPECT_EQ(v1::Operator::NewStub(Dial(&person))
                ->GetStatus(Context().get(), {}, &status)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  // No server, not even one that shows the whole chain.
  const Credential server = *issuer.Issue({.name = "x",
                                           .uri = "sluice://small/orchestrator",
                                           .dns = {"orchestrator.sluice"},
                                           .server = true},
                                          1);
  const std::string authority =
      ThePeople().authority.credential().certificate_pem;
  EXPECT_FALSE(VerifyCertificate(server.certificate_pem, "", authority,
                                 CertificateUse::kServer)
                   .ok());
  EXPECT_FALSE(VerifyCertificate(server.certificate_pem,
                                 issuer.credential().certificate_pem, authority,
                                 CertificateUse::kServer)
                   .ok());
}

TEST_F(Enrolment, AServerWithACertificateOfAnotherAuthorityGetsNoSecret) {
  // The token's authority is the estate's, what answers is somebody else's.
  Credential server =
      *ThePeople().foreign.Issue({.name = "x",
                                  .uri = "sluice://small/orchestrator",
                                  .dns = {"orchestrator.sluice"},
                                  .server = true},
                                 1);
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.certificate = server.certificate_pem;
  options.key = server.key_pem;
  options.authority = ThePeople().foreign.credential().certificate_pem;
  options.estate = "small";
  auto impostor =
      Server::Start(options, &agents_, &operators_, &loop_->inbox());
  ASSERT_TRUE(impostor.ok()) << impostor.status();
  auto token = MakeToken(Session("duty-commander"), "db-1");
  ASSERT_TRUE(token.ok());
  token->orchestrators = {absl::StrCat("127.0.0.1:", (*impostor)->ports()[0])};
  EXPECT_EQ(Enrol(*token).status().code(), absl::StatusCode::kUnavailable);
}

// ── login ───────────────────────────────────────────────────────────────────

class LogIn : public SmallEstate {
 protected:
  grpc::StatusCode Look(const std::string& session) {
    v1::Status status;
    return v1::Operator::NewStub(Dial())
        ->GetStatus(Context(session).get(), {}, &status)
        .error_code();
  }
};

TEST_F(LogIn, GivesASessionWithTheManifestsRoles) {
  const auto session = Login("it-lead");
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->operator_(), "it-lead");
  EXPECT_THAT(session->roles(), ::testing::ElementsAre("technical-lead"));
  EXPECT_EQ(Look(session->token()), grpc::StatusCode::OK);
}

TEST_F(LogIn, NobodyElsesKeyWillDo) {
  EXPECT_EQ(Login("duty-commander", "it-lead").status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Login("stranger").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(LogIn, NothingButTheChallengeItselfIsSigned) {
  const SshSigner& key = ThePeople().keys.at("duty-commander");
  const std::string text = *Challenge("duty-commander");
  // Made for another purpose.
  EXPECT_FALSE(LoginWith(text, key.Sign(signed_as::kDecision, text)).ok());
  // Somebody else's name put in, and the mark kept.
  auto changed = *LoginText::Parse(*Challenge("it-lead"));
  changed.who = OperatorId("duty-commander");
  EXPECT_THAT(
      LoginWith(changed.Text(), key.Sign(signed_as::kLogin, changed.Text()))
          .status()
          .message(),
      HasSubstr("not a challenge of this orchestrator"));
  // Once only.
  const std::string good = key.Sign(signed_as::kLogin, text);
  EXPECT_TRUE(LoginWith(text, good).ok());
  EXPECT_THAT(LoginWith(text, good).status().message(),
              HasSubstr("used before"));
  // In time only.
  const std::string late = *Challenge("duty-commander");
  ahead_hours_ = 1;
  EXPECT_THAT(
      LoginWith(late, key.Sign(signed_as::kLogin, late)).status().message(),
      HasSubstr("too late"));
}

TEST_F(LogIn, ASessionEndsUnusedLoggedOutAndWithItsKey) {
  std::string session = Session("it-lead");
  ahead_hours_ = 2;
  EXPECT_EQ(Look(session), grpc::StatusCode::UNAUTHENTICATED);

  session = Session("it-lead");
  v1::LoggedOut out;
  EXPECT_TRUE(v1::Login::NewStub(Dial())
                  ->Logout(Context(session).get(), {}, &out)
                  .ok());
  EXPECT_EQ(Look(session), grpc::StatusCode::UNAUTHENTICATED);

  session = Session("it-lead");
  const auto context = Context(session);
  const auto watched = v1::Operator::NewStub(Dial());
  const auto reader = watched->WatchStatus(context.get(), {});
  v1::Status status;
  ASSERT_TRUE(reader->Read(&status));
  ASSERT_TRUE(Revoke(Session("duty-commander"), "",
                     ThePeople().keys.at("it-lead").public_key().Fingerprint())
                  .ok());
  while (reader->Read(&status)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(Look(session), grpc::StatusCode::OK);
  EXPECT_FALSE(Login("it-lead").ok());
}

TEST_F(LogIn, WorksWhileNothingCanBeRecordedSoThatIsolatingDoes) {
  OnLoop([&](const runtime::Glimpse&) {
    journal_.FailWith(absl::ResourceExhaustedError("the disk is full"));
  });
  const std::string session = Session("security-officer");
  const auto context = Context(session);
  v1::IsolateRequest request;
  request.set_all(true);
  const auto stub = v1::Operator::NewStub(Dial());
  const auto reader = stub->Isolate(context.get(), request);
  v1::IsolateProgress progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_FALSE(progress.recorded());
  context->TryCancel();
}

TEST_F(LogIn, AHostIsNoOperatorWhateverSessionItStole) {
  const Credential db = Enrolled("db-1");
  v1::Status status;
  EXPECT_EQ(v1::Operator::NewStub(Dial(&db))
                ->GetStatus(Context(Session("it-lead")).get(), {}, &status)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(LogIn, IsInTheRecordWithItsSignature) {
  const auto session = Login("duty-commander");
  ASSERT_TRUE(session.ok());
  Enrolled("db-1");  // a record later: the login's is written by now
  OnLoop([&](const runtime::Glimpse&) {
    bool found = false;
    for (const journal::Record& record : journal_.records()) {
      const auto event = journal::Decode(record.kind, record.version,
                                         record.payload, runtime::LoadPlan);
      const auto* change =
          event.ok() ? std::get_if<engine::IdentityChanged>(&*event) : nullptr;
      if (change == nullptr ||
          change->what != engine::IdentityChanged::What::kLoggedIn) {
        continue;
      }
      found = true;
      EXPECT_TRUE(VerifySsh(ThePeople().keys.at("duty-commander").public_key(),
                            signed_as::kLogin, change->text, change->signature)
                      .ok());
    }
    EXPECT_TRUE(found);
  });
}

class Refused : public LogIn {
 protected:
  // What the record says of refusals once it says all `expected` of them.
  engine::AccessRefused All(uint64_t expected) {
    ++clock_.ahead;
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    engine::AccessRefused sum;
    do {
      // A turn begins and ends between the two.
      OnLoop([](const runtime::Glimpse&) {});
      OnLoop([&](const runtime::Glimpse&) { sum = Written(); });
    } while (sum.logins + sum.tokens + sum.calls < expected &&
             absl::Now() < give_up);
    return sum;
  }
  engine::AccessRefused Written() {
    engine::AccessRefused sum;
    for (const journal::Record& record : journal_.records()) {
      const auto event = journal::Decode(record.kind, record.version,
                                         record.payload, runtime::LoadPlan);
      const auto* one =
          event.ok() ? std::get_if<engine::AccessRefused>(&*event) : nullptr;
      if (one == nullptr) continue;
      if (!one->address.empty()) sum.address = one->address;
      sum.logins += one->logins;
      sum.tokens += one->tokens;
      sum.calls += one->calls;
      sum.last = one->last;
    }
    return sum;
  }
};

TEST_F(Refused, LoginsTokensAndCallsAreInTheRecordWithTheirAddress) {
  EXPECT_FALSE(Login("duty-commander", "stranger").ok());
  EXPECT_FALSE(Login("nobody-at-all", "stranger").ok());
  auto token = MakeToken(Session("duty-commander"), "db-1");
  ASSERT_TRUE(token.ok());
  token->secret = std::string(64, '0');
  EXPECT_FALSE(Enrol(*token).ok());
  EXPECT_EQ(Look(""), grpc::StatusCode::UNAUTHENTICATED);
  const Credential db = Enrolled("db-1");
  v1::Status status;
  EXPECT_FALSE(v1::Operator::NewStub(Dial(&db))
                   ->GetStatus(Context().get(), {}, &status)
                   .ok());
  const engine::AccessRefused sum = All(5);
  EXPECT_EQ(sum.address, "127.0.0.1");
  EXPECT_EQ(sum.logins, 2u);
  EXPECT_EQ(sum.tokens, 1u);
  EXPECT_EQ(sum.calls, 2u);
  EXPECT_THAT(sum.last, HasSubstr("host db-1 asks"));

  const std::string session = Session("it-lead");
  ASSERT_TRUE(v1::Operator::NewStub(Dial())
                  ->GetStatus(Context(session).get(), {}, &status)
                  .ok());
  ASSERT_EQ(status.warnings_size(), 1);
  EXPECT_THAT(status.warnings(0),
              HasSubstr("2 logins, 1 enrolment and 2 calls were refused"));
}

TEST_F(Refused, ASessionThatOnlyEndedIsNoAttempt) {
  const std::string session = Session("it-lead");
  ahead_hours_ = 2;
  EXPECT_EQ(Look(session), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Look(std::string(64, 'a')), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(All(0).calls, 0u);
}

TEST_F(Refused, CallsThatNobodyOfOursServesAreCountedWithoutAnAddress) {
  const Credential db = Enrolled("db-1");
  grpc::GenericStub stub(Dial(&db));
  grpc::ClientContext context;
  const grpc::Slice nothing("");
  grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::StatusCode> got;
  stub.UnaryCall(
      &context, "/sluice.v1.Operator/OpenEverything", {}, &request, &reply,
      [&](const grpc::Status& status) { got.set_value(status.error_code()); });
  EXPECT_EQ(got.get_future().get(), grpc::StatusCode::PERMISSION_DENIED);
  const engine::AccessRefused sum = All(1);
  EXPECT_EQ(sum.calls, 1u);
  EXPECT_EQ(sum.address, "");
  EXPECT_THAT(sum.last, HasSubstr("OpenEverything"));
}

class FewAttempts : public LogIn {
 protected:
  FewAttempts() { attempts_ = {.burst = 6}; }
};

TEST_F(FewAttempts, OnesWhoGuessWaitAndOnesWhoLogInDoNot) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Login("it-lead").ok()) << i;
  absl::Status last;
  for (int i = 0; i < 20 && !absl::IsResourceExhausted(last); ++i) {
    last = Login("duty-commander", "stranger").status();
  }
  EXPECT_THAT(last.message(), HasSubstr("too many attempts"));
  ahead_hours_ = 1;
  EXPECT_TRUE(Login("it-lead").ok());
}

}  // namespace
}  // namespace sluice::rpc
