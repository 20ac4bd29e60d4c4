#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "orchestrator/importers/compose_ports.h"
#include "orchestrator/importers/environment.h"
#include "orchestrator/importers/probe.h"
#include "orchestrator/importers/yaml_tree.h"
#include "tests/unit/importers/import.h"

namespace sluice::importers {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ImportResult Import(const std::string& text) {
  const Files files = {{"shop/compose.yaml", text}};
  ComposeOptions options;
  options.files = {"shop/compose.yaml"};
  return ImportCompose(options, ReaderOf(files));
}

std::string PutIn(absl::string_view text) {
  const Environment environment = {{"A", "1"}, {"EMPTY", ""}};
  std::string out, why;
  std::set<std::string> unset;
  return Interpolate(text, environment, &out, &unset, &why)
             ? out
             : absl::StrCat("refused: ", why);
}

TEST(Variables, HaveTheFormsOfCompose) {
  EXPECT_EQ(PutIn("$A ${A} $$A"), "1 1 $A");
  EXPECT_EQ(PutIn("${B:-x} ${B-x} ${EMPTY:-x} ${EMPTY-x}"), "x x x ");
  EXPECT_EQ(PutIn("${A:+x} ${B:+x} ${EMPTY+x} ${EMPTY:+x}"), "x  x ");
  EXPECT_EQ(PutIn("${B:-${C:-${A}}}"), "1");
  EXPECT_EQ(PutIn("[${B}]$"), "[]$");
  EXPECT_THAT(PutIn("${B:?the port}"), HasSubstr("B has to be set (the port)"));
  EXPECT_EQ(PutIn("${EMPTY?no}"), "");
  EXPECT_THAT(PutIn("${EMPTY:?no}"), HasSubstr("refused"));
  EXPECT_THAT(PutIn("${A"), HasSubstr("not closed"));
  EXPECT_THAT(PutIn("${}"), HasSubstr("names no variable"));
  EXPECT_THAT(PutIn("${A/1/2}"), HasSubstr("no form that Compose knows"));
}

TEST(Variables, DoNotNestForEver) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "${B:-";
  text += std::string(1000, '}');
  EXPECT_THAT(PutIn(text), HasSubstr("too deep"));
}

TEST(EnvFile, KnowsQuotesCommentsAndEarlierNames) {
  manifest::Problems problems;
  Environment environment;
  ReadEnvFile(
      "# comment\nA=1\nexport B = two words # not this\nC='$A #'\n"
      "D=\"${A}\\n\"\nE=${A}${B}\nF\nG=\n=x\n",
      0, problems, &environment);
  EXPECT_EQ(environment["A"], "1");
  EXPECT_EQ(environment["B"], "two words");
  EXPECT_EQ(environment["C"], "$A #");
  EXPECT_EQ(environment["D"], "1\n");
  EXPECT_EQ(environment["E"], "1two words");
  EXPECT_EQ(environment.count("F"), 0u);
  EXPECT_EQ(environment["G"], "");
  EXPECT_EQ(problems.errors(), 1);
}

std::string Ports(absl::string_view text) {
  ComposePort port;
  if (!ParseShortPort(text, &port)) return "none";
  return absl::StrCat(port.ports.ToString(), "/", ProtocolName(port.protocol),
                      port.published.empty() ? "" : " as ", port.published,
                      port.from_outside ? " from outside" : "");
}

TEST(Ports, HaveTheShortFormsOfCompose) {
  EXPECT_EQ(Ports("3000"), "3000/tcp");
  EXPECT_EQ(Ports("3000-3005"), "3000-3005/tcp");
  EXPECT_EQ(Ports("8000:80"), "80/tcp as 8000 from outside");
  EXPECT_EQ(Ports("9090-9091:8080-8081"),
            "8080-8081/tcp as 9090-9091 from outside");
  EXPECT_EQ(Ports("127.0.0.1:8001:8001"), "8001/tcp as 8001");
  EXPECT_EQ(Ports("[::1]:8001:8001/udp"), "8001/udp as 8001");
  EXPECT_EQ(Ports("192.0.2.7:53:53/udp"), "53/udp as 53 from outside");
  EXPECT_EQ(Ports("127.0.0.1::5000"), "5000/tcp");
  for (const char* bad : {"", ":", "x", "80:x", "0", "80:70000", "1:2:3:4",
                          "::1:80:80", "80/sctp", "8010-8000"}) {
    EXPECT_EQ(Ports(bad), "none") << bad;
  }
}

std::string Asks(absl::string_view line) {
  const Probe probe = TranslateShell(line, {"web"});
  std::string out = probe.kind;
  if (probe.port > 0) absl::StrAppend(&out, " ", probe.port);
  absl::StrAppend(&out, probe.path.empty() ? "" : " ", probe.path,
                  probe.process.empty() ? "" : " ", probe.process);
  if (!probe.lost.empty()) out += " …";
  return out;
}

TEST(Healthchecks, BecomeChecksWhereTheyAskWhatACheckCanAsk) {
  EXPECT_EQ(Asks("curl -f http://localhost:8080/ready || exit 1"),
            "http 8080 /ready");
  EXPECT_EQ(Asks("curl -fsS -o /dev/null --max-time 3 http://127.0.0.1/"),
            "http 80 /");
  EXPECT_EQ(Asks("curl --fail http://web:9000/a?key=1"), "http 9000 /a …");
  EXPECT_EQ(Asks("curl -fk https://localhost:8443/"), "tcp 8443 / …");
  EXPECT_EQ(Asks("curl -X POST http://localhost/"), "http 80 / …");
  EXPECT_EQ(Asks("curl -s http://localhost:9200/ | grep green"),
            "http 9200 / …");
  EXPECT_EQ(Asks("wget -q --spider http://[::1]:80/x"), "http 80 /x");
  EXPECT_EQ(Asks("sh -c 'wget -qO- localhost:7/x >/dev/null'"), "http 7 /x");
  EXPECT_EQ(Asks("nc -z -w 1 localhost 9092"), "tcp 9092");
  EXPECT_EQ(Asks("bash -c 'echo > /dev/tcp/localhost/9555'"), "tcp 9555");
  EXPECT_EQ(Asks("pg_isready -U app -p 5433"), "tcp 5433 …");
  EXPECT_EQ(Asks("redis-cli -a secret ping"), "tcp 6379 …");
  EXPECT_EQ(Asks("mysqladmin ping -h localhost -psecret"), "tcp 3306 …");
  EXPECT_EQ(Asks("grpc_health_probe -addr=:5050"), "grpc 5050");
  EXPECT_EQ(Asks("timeout 3 pgrep k6"), "process k6");
  // Nothing is made up where it asks somebody else or something else.
  for (const char* other :
       {"curl -f http://elsewhere/", "nc -z db 5432", "test -f /ready",
        "curl http://localhost:$PORT/", "pg_isready -h db", "", "|", "sh -c",
        "curl", "nc -zu localhost 53", "curl file:///etc/hosts"}) {
    EXPECT_EQ(Asks(other), "") << other;
  }
}

TEST(ComposeYaml, RefusesWhatMultipliesItself) {
  std::string text = "x0: &a0 [l, l, l, l, l, l, l, l, l, l]\n";
  for (int i = 1; i < 12; ++i) {
    absl::StrAppend(&text, "x", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) {
      absl::StrAppend(&text, k > 0 ? ", " : "", "*a", i - 1);
    }
    text += "]\n";
  }
  const ImportResult result = Import(text);
  ASSERT_EQ(result.said.diagnostics.size(), 1u);
  EXPECT_THAT(result.said.diagnostics[0].message,
              HasSubstr("its aliases multiply it"));
}

TEST(ComposeYaml, RefusesDepthAliasesOfThemselvesAndSecondDocuments) {
  EXPECT_THAT(Said(Import(absl::StrCat("a: ", std::string(100000, '[')))),
              HasSubstr("nested deeper than 64"));
  EXPECT_THAT(Said(Import("services: &s\n  web: *s\n")),
              HasSubstr("an alias inside of what it names"));
  EXPECT_THAT(Said(Import("services: {}\n---\nservices: {}\n")),
              HasSubstr("a second document begins here"));
  EXPECT_THAT(Said(Import("services:\n  a: {image: x}\n  a: {image: y}\n")),
              HasSubstr("'a' is here a second time"));
  EXPECT_THAT(Said(Import("web: {image: x}\n")), HasSubstr("first format"));
  EXPECT_THAT(Said(Import("- a\n")), HasSubstr("no Compose file"));
  EXPECT_THAT(Said(Import("a: [b\n")), HasSubstr("YAML cannot read this"));
  EXPECT_THAT(Said(Import("services:\n  a: {image: 'b}\n")),
              HasSubstr("the file ends inside a quoted text"));
}

TEST(Compose, ShowsNoValueOfAnEnvironment) {
  const ImportResult result = Import(
      "services:\n"
      "  web:\n"
      "    image: web\n"
      "    environment: {DB: 'postgres://app:hunter2@db:5432/x'}\n"
      "    healthcheck: {test: mysqladmin -phunter2 ping | grep hunter2}\n"
      "    depends_on: [db]\n"
      "  db: {image: db}\n");
  EXPECT_EQ(Said(result), "");
  EXPECT_THAT(result.manifest, HasSubstr("db:postgres"));
  EXPECT_THAT(result.manifest, ::testing::Not(HasSubstr("hunter2")));
}

TEST(Compose, SurvivesAnyDamage) {
  const std::string whole =
      "x-a: &a {restart: always}\n"
      "services:\n"
      "  web:\n    <<: *a\n    image: web\n    ports: ['80:8080', 443]\n"
      "    depends_on: {db: {condition: service_healthy}, log: {}}\n"
      "    environment: [DB=db:5432]\n"
      "    healthcheck: {test: [CMD, curl, 'http://localhost:8080/']}\n"
      "  db:\n    image: db\n    expose: [5432]\n    networks: [default, n]\n"
      "    healthcheck: {test: pg_isready, interval: 5s, retries: 3}\n"
      "  log: {image: log, network_mode: 'service:db', profiles: [p]}\n"
      "  more: {extends: web, scale: 3}\n";
  std::mt19937 random(11);
  const std::string alphabet =
      "\"'[]{}:,&*!|\n $-#<\xc3\x01"
      "0a";
  for (int round = 0; round < 500; ++round) {
    std::string text = whole;
    for (int i = 0; i < 3; ++i) {
      text[random() % text.size()] = alphabet[random() % alphabet.size()];
    }
    const ImportResult result = Import(text);
    if (result.manifest.empty()) {
      EXPECT_FALSE(result.said.diagnostics.empty()) << text;
    } else {
      EXPECT_EQ(Refused(result.manifest), "") << text;
    }
  }
}

TEST(Compose, GivesAddressesOfEitherFamily) {
  const Files files = {
      {"compose.yaml", "services:\n  b: {ports: ['80:80']}\n  a: {x: y}\n"}};
  ComposeOptions options;
  options.files = {"compose.yaml"};
  options.addresses = "fd99::/64";
  const ImportResult result = ImportCompose(options, ReaderOf(files));
  EXPECT_THAT(result.manifest, HasSubstr("a: {address: \"fd99::1\"}"));
  EXPECT_THAT(result.manifest, HasSubstr("everyone: {address: \"::/0\"}"));
  EXPECT_EQ(Refused(result.manifest), "");
  options.addresses = "10.99.0.0/30";
  EXPECT_EQ(ImportCompose(options, ReaderOf(files)).hosts, 2);
  options.addresses = "10.99.0.0/31";
  EXPECT_THAT(Said(ImportCompose(options, ReaderOf(files))),
              HasSubstr("too small for 2 hosts"));
}

}  // namespace
}  // namespace sluice::importers
