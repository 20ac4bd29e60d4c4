#include "orchestrator/importers/names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/problems.h"
#include "orchestrator/manifest/values.h"

namespace sluice::importers {
namespace {

struct Customary {
  uint16_t port;
  Protocol protocol;
  const char* name;
};

// Names only: nothing is opened or checked because of them.
constexpr Customary kCustomary[] = {
    {22, Protocol::kTcp, "ssh"},         {25, Protocol::kTcp, "smtp"},
    {53, Protocol::kTcp, "dns"},         {53, Protocol::kUdp, "dns-udp"},
    {80, Protocol::kTcp, "http"},        {88, Protocol::kTcp, "kerberos"},
    {110, Protocol::kTcp, "pop3"},       {123, Protocol::kUdp, "ntp"},
    {143, Protocol::kTcp, "imap"},       {161, Protocol::kUdp, "snmp"},
    {389, Protocol::kTcp, "ldap"},       {443, Protocol::kTcp, "https"},
    {445, Protocol::kTcp, "smb"},        {514, Protocol::kUdp, "syslog"},
    {587, Protocol::kTcp, "submission"}, {636, Protocol::kTcp, "ldaps"},
    {993, Protocol::kTcp, "imaps"},      {995, Protocol::kTcp, "pop3s"},
    {1433, Protocol::kTcp, "mssql"},     {1521, Protocol::kTcp, "oracle"},
    {1883, Protocol::kTcp, "mqtt"},      {2049, Protocol::kTcp, "nfs"},
    {2181, Protocol::kTcp, "zookeeper"}, {3306, Protocol::kTcp, "mysql"},
    {3389, Protocol::kTcp, "rdp"},       {4317, Protocol::kTcp, "otlp-grpc"},
    {4318, Protocol::kTcp, "otlp-http"}, {5432, Protocol::kTcp, "postgres"},
    {5672, Protocol::kTcp, "amqp"},      {6379, Protocol::kTcp, "redis"},
    {8883, Protocol::kTcp, "mqtts"},     {9042, Protocol::kTcp, "cassandra"},
    {9092, Protocol::kTcp, "kafka"},     {11211, Protocol::kTcp, "memcached"},
    {27017, Protocol::kTcp, "mongodb"},
};

}  // namespace

bool Namer::Make(absl::string_view raw, std::string* out, std::string* why) {
  raw = absl::StripAsciiWhitespace(raw);
  const std::string shown =
      absl::StrCat("'", manifest::Printable(raw.substr(0, 80)), "'");
  if (raw.size() > manifest::kMaxName) {
    *why = absl::StrCat(shown, "… has ", raw.size(), " bytes; ",
                        manifest::kMaxName,
                        " is the most, write a shorter "
                        "name");
    return false;
  }
  const std::string name = manifest::Slug(raw);
  if (name.empty()) {
    *why = absl::StrCat("no name can be made from ", shown,
                        "; write one of letters a to z, digits and '-'");
    return false;
  }
  const std::string lower = absl::AsciiStrToLower(raw);
  const auto [first, fresh] = raw_.emplace(name, lower);
  if (!fresh && first->second != lower) {
    *why = absl::StrCat("the ", what_, " '", manifest::Printable(first->second),
                        "' and ", shown, " would both become '", name,
                        "'; rename one of them");
    return false;
  }
  *out = name;
  return true;
}

bool Renamed(absl::string_view raw, absl::string_view name) {
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(raw)) != name;
}

std::string PortName(Protocol protocol, PortRange ports) {
  if (ports.first == ports.last) {
    for (const Customary& one : kCustomary) {
      if (one.port == ports.first && one.protocol == protocol) return one.name;
    }
  }
  return absl::StrCat(ProtocolName(protocol), "-", ports.ToString());
}

}  // namespace sluice::importers
