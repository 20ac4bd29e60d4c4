#include "orchestrator/cli/init.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "agents/host/config.h"
#include "common/sshsig.h"
#include "orchestrator/cli/drafts.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/manifest_commands.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"
#include "tests/unit/cli/honest_gate.h"

namespace sluice::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Text(const std::string& path) {
  const auto text = ReadWholeFile(path, 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

using Cert = std::unique_ptr<X509, decltype(&X509_free)>;

Cert ReadCert(const std::string& path) {
  const std::string pem = Text(path);
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Cert cert(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), X509_free);
  BIO_free(bio);
  EXPECT_NE(cert, nullptr) << path;
  return cert;
}

// The subject's names as "type:value".
std::vector<std::string> NamesOf(X509* cert) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const auto* value = static_cast<ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type));
    const std::string bytes(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
        static_cast<size_t>(ASN1_STRING_length(value)));
    if (type == GEN_URI) out.push_back("URI:" + bytes);
    if (type == GEN_DNS) out.push_back("DNS:" + bytes);
    if (type == GEN_IPADD) {
      out.push_back("IP of " + std::to_string(bytes.size()) + " bytes");
    }
  }
  GENERAL_NAMES_free(names);
  return out;
}

bool IsGoodFor(X509* cert, X509* ca, int purpose) {
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, ca);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, cert, nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  const bool good = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return good;
}

mode_t ModeOf(const std::string& path) {
  struct stat facts {};
  EXPECT_EQ(stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 07777;
}

class InitTest : public ::testing::Test {
 protected:
  absl::StatusOr<InitReport> Make(bool add = false) {
    ManifestSources sources;
    sources.files = {{"/somewhere/city.yaml", "sluice: 1\n"},
                     {"/somewhere/parts/hosts.yaml", "hosts: {}\n"}};
    return Init(plan_, sources,
                {.out = out_, .add = add, .agent_keys = agent_keys_});
  }

  bool agent_keys_ = true;
  Plan plan_ = SmallPlan();
  TempDir dir_;
  std::string out_ = dir_ / "estate";
};

TEST_F(InitTest, MakesEveryFileWithItsMode) {
  const auto report = Make();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->agents, ElementsAre("app-1", "db-1"));
  EXPECT_THAT(report->operators, ElementsAre("duty-commander"));
  EXPECT_THAT(report->keyless, ElementsAre("duty-commander"));
  for (const char* name :
       {"authority/ca.crt", "authority/ca.key", "orchestrator/ca.crt",
        "orchestrator/orchestrator.yaml", "orchestrator/manifest.yaml",
        "orchestrator/parts/hosts.yaml", "orchestrator/server.crt",
        "orchestrator/server.key", "orchestrator/issuer.crt",
        "orchestrator/issuer.key", "agents/db-1/agent.yaml",
        "agents/db-1/ca.crt", "agents/db-1/agent.crt", "agents/db-1/agent.key",
        "operators/duty-commander/client.yaml"}) {
    EXPECT_EQ(ModeOf(out_ + "/" + name), 0600u) << name;
  }
  for (const char* name : {"", "authority", "orchestrator", "agents",
                           "agents/db-1", "operators/duty-commander"}) {
    EXPECT_EQ(ModeOf(out_ + "/" + name), 0700u) << name;
  }
}

TEST_F(InitTest, CertificatesNameOneBearerAndOnePurpose) {
  ASSERT_TRUE(Make().ok());
  const Cert ca = ReadCert(out_ + "/authority/ca.crt");
  const Cert server = ReadCert(out_ + "/orchestrator/server.crt");
  const Cert agent = ReadCert(out_ + "/agents/db-1/agent.crt");
  EXPECT_THAT(NamesOf(server.get()),
              ElementsAre("URI:sluice://city-utility/orchestrator",
                          "DNS:orchestrator.sluice", "IP of 4 bytes",
                          "IP of 16 bytes"));
  EXPECT_THAT(NamesOf(agent.get()),
              ElementsAre("URI:sluice://city-utility/agent/db-1"));
  EXPECT_TRUE(IsGoodFor(server.get(), ca.get(), X509_PURPOSE_SSL_SERVER));
  EXPECT_FALSE(IsGoodFor(server.get(), ca.get(), X509_PURPOSE_SSL_CLIENT));
  EXPECT_TRUE(IsGoodFor(agent.get(), ca.get(), X509_PURPOSE_SSL_CLIENT));
  EXPECT_FALSE(IsGoodFor(agent.get(), ca.get(), X509_PURPOSE_SSL_SERVER));
  EXPECT_EQ(X509_check_ca(agent.get()), 0);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(agent.get())), 256);
}

TEST_F(InitTest, MakesNoKeysForWhoMakesTheirOwn) {
  agent_keys_ = false;
  plan_.approvers[0].key = "ssh-ed25519 AAAA";
  const auto report = Make();
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->keyless, testing::IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(out_ + "/agents/db-1/agent.yaml"));
  EXPECT_FALSE(std::filesystem::exists(out_ + "/agents/db-1/agent.key"));
  const std::string person = out_ + "/operators/duty-commander/";
  EXPECT_FALSE(std::filesystem::exists(person + "operator.key"));
  EXPECT_THAT(Text(person + "client.yaml"),
              HasSubstr("operator: \"duty-commander\"\n"));
}

TEST_F(InitTest, TheIssuerSignsForClientsAlone) {
  ASSERT_TRUE(Make().ok());
  const Cert ca = ReadCert(out_ + "/authority/ca.crt");
  const Cert issuer = ReadCert(out_ + "/orchestrator/issuer.crt");
  EXPECT_EQ(X509_check_ca(issuer.get()), 1);
  EXPECT_EQ(X509_verify(issuer.get(), X509_get0_pubkey(ca.get())), 1);
  // As a signer, that is; it is itself nobody's client.
  EXPECT_EQ(X509_check_purpose(issuer.get(), X509_PURPOSE_SSL_CLIENT, 1), 1);
  EXPECT_EQ(X509_check_purpose(issuer.get(), X509_PURPOSE_SSL_SERVER, 1), 0);
  EXPECT_FALSE(IsGoodFor(issuer.get(), ca.get(), X509_PURPOSE_SSL_CLIENT));
  EXPECT_EQ(X509_get_pathlen(issuer.get()), 0);
}

TEST_F(InitTest, NeverOverwritesAnAuthority) {
  ASSERT_TRUE(Make().ok());
  const std::string before = Text(out_ + "/authority/ca.key");
  const auto again = Make();
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("--add"));
  EXPECT_EQ(Text(out_ + "/authority/ca.key"), before);
}

TEST_F(InitTest, AddMakesOnlyWhatIsMissing) {
  ASSERT_TRUE(Make().ok());
  const std::string before = Text(out_ + "/agents/db-1/agent.key");
  plan_.hosts.push_back(
      {.id = HostId("web-1"), .addresses = {*Prefix::Parse("10.77.0.42")}});
  const auto report = Make(/*add=*/true);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->agents, ElementsAre("web-1"));
  EXPECT_FALSE(report->manifest_differs);
  EXPECT_EQ(Text(out_ + "/agents/db-1/agent.key"), before);
  EXPECT_TRUE(IsGoodFor(ReadCert(out_ + "/agents/web-1/agent.crt").get(),
                        ReadCert(out_ + "/authority/ca.crt").get(),
                        X509_PURPOSE_SSL_CLIENT));
  const auto nothing = Make(/*add=*/true);
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->agents.empty());
}

TEST_F(InitTest, AddNeedsAnAuthority) {
  EXPECT_EQ(Make(/*add=*/true).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(InitTest, WritesNothingForAPlanItCannotServe) {
  plan_.management.orchestrators = {"orchestrator.example:7443"};
  const auto named = Make();
  EXPECT_THAT(std::string(named.status().message()),
              HasSubstr("cannot be resolved in quarantine"));
  plan_ = SmallPlan();
  plan_.hosts[0].id = HostId("../app-1");
  EXPECT_FALSE(Make().ok());
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(InitTest, AgentsFilesListWhatTheManifestMentions) {
  ASSERT_TRUE(Make().ok());
  const std::string text = Text(out_ + "/agents/db-1/agent.yaml");
  ExpectGolden("init-agent.yaml", text);
  const YAML::Node yaml = YAML::Load(text);
  EXPECT_EQ(yaml["management"].size(), 2u);
  EXPECT_EQ(yaml["vital"][0].Scalar(), "tcp 10.77.0.21 10.77.0.99 3260");
  EXPECT_TRUE(yaml["units"]["postgresql.service"].IsDefined());
  EXPECT_THAT(text, HasSubstr("check_pgsql"));
  ExpectGolden("init-orchestrator.yaml",
               Text(out_ + "/orchestrator/orchestrator.yaml"));
  ExpectGolden("init-client.yaml",
               Text(out_ + "/operators/duty-commander/client.yaml"));
}

// By the agent's own reader: a draft must never be what keeps an agent down.
TEST_F(InitTest, DraftsAreReadByTheAgent) {
  for (const PlannedHost& host : plan_.hosts) {
    const auto config =
        agent::ParseConfig(AgentYaml(plan_, host), "/etc/sluice/agent.yaml");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->host, host.id);
    EXPECT_FALSE(config->management.empty());
  }
  // What a person uncomments is read, too.
  const PlannedHost* host = plan_.FindHost(HostId("db-1"));
  std::string text = AgentYaml(plan_, *host);
  text = absl::StrReplaceAll(
      text, {{"# interior: [", "interior: ["},
             {"plugins: {}", ""},
             {"#   \"check_pgsql\": {command: [/…]",
              "plugins:\n  check_pgsql: {command: [/check]"},
             {"# break-glass: {key: \"ssh-ed25519 AAAA…\"}",
              absl::StrCat("break-glass: {key: \"",
                           SshSigner::Make().public_key().Line(), "\"}")}});
  const auto config = agent::ParseConfig(text, "/etc/sluice/agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status() << text;
  EXPECT_FALSE(config->break_glass.empty());
  EXPECT_THAT(config->interior, ElementsAre("docker0"));
  EXPECT_EQ(config->plugins.at("check_pgsql").user, "nobody");
}

TEST(AgentConfigCommand, PrintsTheDraftOfOneHostAndKnowsNoOther) {
  const TempDir dir;
  std::ofstream(dir / "manifest.yaml") << kHonestManifest;
  const auto run = [&](const std::string& host, std::string* said) {
    std::ostringstream out;
    Terminal terminal;
    terminal.out = &out;
    terminal.err = &out;
    const ExitCode code = DraftAgentConfig(
        terminal, {.manifest = dir / "manifest.yaml", .host = host});
    *said = out.str();
    return code;
  };
  std::string said;
  EXPECT_EQ(run("app-1", &said), kDone);
  EXPECT_TRUE(agent::ParseConfig(said, "agent.yaml").ok()) << said;
  EXPECT_EQ(run("app-2", &said), kMistakes);
  EXPECT_THAT(said, HasSubstr("you mean 'app-1'?"));
}

TEST(Endpoint, IsAnAddressAndAPort) {
  EXPECT_TRUE(Endpoint::Parse("10.77.0.1:7443").ok());
  EXPECT_TRUE(Endpoint::Parse("[fd77::1]:7443").ok());
  for (const char* bad :
       {"10.77.0.1", "fd77::1:7443", "[10.77.0.1]:7443", "10.77.0.0/24:7443",
        "host:7443", "10.77.0.1:0", "10.77.0.1:65536", ":7443", ""}) {
    EXPECT_FALSE(Endpoint::Parse(bad).ok()) << bad;
  }
}

TEST(Drafts, QuoteWhateverANameHolds) {
  const std::string odd = "a: \"b\" \\ \t#{c}";
  EXPECT_EQ(YAML::Load(YamlText(odd)).Scalar(), odd);
}

}  // namespace
}  // namespace sluice::cli
