#include "orchestrator/manifest/fields.h"

#include <algorithm>

#include "common/contract.h"

namespace sluice::manifest {
namespace {

constexpr bool kRequired = true;
constexpr bool kOptional = false;

std::vector<Shape> MakeShapes() {
  return {
      {"manifest",
       "an estate, or a part of one that another file includes",
       {
           {"sluice", "version", kOptional, "",
            "the format's version, 1; the first file has to say it"},
           {"estate", "name", kOptional, "",
            "the estate's name; the first file has to say it"},
           {"title", "text", kOptional, "the estate's name", "for people"},
           {"wanted-by", "duration", kOptional, "nobody said",
            "when the whole estate is wanted back, from the run's start"},
           {"include", "file[]", kOptional, "none",
            "further files, relative to this one"},
           {"management", "management", kOptional, "",
            "how agents and operators reach the orchestrator; required in one "
            "file"},
           {"approvers", "{approver}", kOptional, "none",
            "the people who decide, by the name they sign with"},
           {"hosts", "{host}", kOptional, "none",
            "machines with an agent, and appliances an agent acts for"},
           {"externals", "{external}", kOptional, "none",
            "address ranges without an agent"},
           {"defaults", "defaults", kOptional, "",
            "what holds for every system and gate that does not say otherwise"},
           {"systems", "{system}", kOptional, "none",
            "what the business would name"},
           {"joint", "joint[]", kOptional, "none",
            "groups of systems that need each other and come back together"},
           {"stages", "stage[]", kOptional,
            "foundations, data, applications, "
            "outside",
            "what is reconnected under one gate, in order"},
       }},
      {"management",
       "how agents and operators reach the orchestrator",
       {
           {"orchestrators", "endpoint[]", kRequired, "",
            "addresses agents dial, in order; addresses, never names"},
           {"operators", "range[]", kOptional, "none",
            "where operators' programs come from"},
       }},
      {"approver",
       "a person who decides at gates",
       {
           {"roles", "name[]", kOptional, "none", "the roles this person has"},
           {"deputy-for", "name[]", kOptional, "none",
            "roles this person fills when their holders cannot"},
           {"key", "public-key", kOptional, "none",
            "OpenSSH public key that decisions are signed with"},
       }},
      {"host",
       "a machine with an agent on it, or one that an agent elsewhere acts for",
       {
           {"address", "address[]", kRequired, "",
            "its addresses, IPv4 and IPv6; 10.77.1.[1-40] with a name range"},
           {"shared-address", "address[]", kOptional, "none",
            "service addresses that move between hosts; others may have them "
            "too"},
           {"vital", "vital[]", kOptional, "none",
            "flows that quarantine keeps, because cutting them destroys data"},
           {"enforcement", "enforcement", kOptional, "kernel",
            "what closes its flows: its kernel, a driver, or a person"},
           {"through", "name", kOptional, "its own agent",
            "the host whose agent acts for this one"},
           {"instructions", "instructions", kOptional, "none",
            "what a person does to close and to open a manual point"},
           {"behind", "name[]", kOptional, "nothing",
            "hosts that stand on the path of its flows: firewalls, routers"},
       }},
      {"instructions",
       "what a person does at a manual point; shown with the flows themselves",
       {
           {"close", "lines", kRequired, "",
            "how to close it, in several lines if need be"},
           {"open", "lines", kRequired, "", "how to open the flows it names"},
           {"owner", "name", kOptional, "any approver",
            "the role of who does it and signs"},
       }},
      {"vital",
       "a flow that quarantine keeps; to an external or to a host",
       {
           {"external", "name", kOptional, "", "the external it goes to"},
           {"host", "name", kOptional, "", "the host it goes to"},
           {"port", "port", kRequired, "", "as in 3260/tcp"},
       }},
      {"external",
       "an address range without an agent",
       {
           {"address", "range[]", kRequired, "", "as in 203.0.113.0/24"},
           {"behind", "name[]", kOptional, "nothing",
            "hosts that stand on the path to it"},
       }},
      {"defaults",
       "what holds for every system and gate that does not say otherwise",
       {
           {"soak", "duration", kOptional, "5m", "as a system's"},
           {"lease", "duration", kOptional, "60s", "as a system's"},
           {"watch-every", "duration", kOptional, "5s", "as a system's"},
           {"expected", "duration", kOptional, "nobody said", "as a system's"},
           {"on-failure", "on-failure", kOptional, "isolate-dependents",
            "as a system's"},
           {"inspect", "check-defaults", kOptional, "", "for every inspection"},
           {"health", "check-defaults", kOptional, "", "for health checks"},
           {"watch", "check-defaults", kOptional, "", "for watch checks"},
           {"gate", "gate", kOptional, "one incident-commander",
            "for every stage, and where there are no stages"},
       }},
      {"check-defaults",
       "how checks are tried",
       {
           {"timeout", "duration", kOptional, "5s", "for one attempt"},
           {"attempts", "count", kOptional, "1", "before it counts as failed"},
           {"between", "duration", kOptional, "1s", "attempts"},
       }},
      {"system",
       "something the business would name",
       {
           {"title", "text", kOptional, "its name", "for people"},
           {"category", "name", kOptional, "none",
            "foundation, commercial, billing, information, …"},
           {"owner", "name", kOptional, "none", "the business owner's role"},
           {"priority", "priority", kOptional, "normal",
            "who goes first where there is a choice"},
           {"hosts", "host-range[]", kRequired, "", "where it runs"},
           {"enough", "count", kOptional, "all",
            "how many of its hosts have to be well"},
           {"ports", "{port}", kOptional, "none",
            "named listening endpoints, as in postgres: 5432/tcp"},
           {"needs", "need[]", kOptional, "none",
            "system:port, with ': soft' where it can start without"},
           {"serves", "service[]", kOptional, "none",
            "externals that come in to one of its ports"},
           {"peers", "name[]", kOptional, "none",
            "ports open among its own hosts"},
           {"inspect", "check[]", kOptional, "none",
            "is there a sign that it may not come back?"},
           {"health", "check[]", kOptional, "none", "does it work?"},
           {"watch", "check[]", kOptional, "its health checks",
            "is it still all right?"},
           {"accept", "check[]", kOptional, "none",
            "tasks: does its owner agree?"},
           {"start", "unit", kOptional, "none", "what to start once connected"},
           {"stop", "unit", kOptional, "none", "what to stop when isolated"},
           {"soak", "duration", kOptional, "5m",
            "watched time between healthy and confirmed"},
           {"lease", "duration", kOptional, "60s",
            "after which an unconfirmed flow closes by itself"},
           {"watch-every", "duration", kOptional, "5s",
            "how often watch checks run"},
           {"expected", "duration", kOptional, "nobody said",
            "what connecting and probing take as a rule"},
           {"wanted-by", "duration", kOptional, "nobody said",
            "when the business wants it back, from the run's start"},
           {"on-failure", "on-failure", kOptional, "isolate-dependents",
            "what a failure does"},
           {"protected", "bool", kOptional, "false",
            "isolating it asks for a typed confirmation"},
       }},
      {"need-external",
       "a need of something outside",
       {
           {"external", "name", kRequired, "", "the external it calls"},
           {"port", "port", kRequired, "", "as in 443/tcp"},
           {"strength", "strength", kOptional, "hard", "hard or soft"},
       }},
      {"service",
       "an external that comes in",
       {
           {"external", "name", kRequired, "", "who comes in"},
           {"port", "name", kRequired, "", "to which of the system's ports"},
           {"after", "name[]", kOptional, "none",
            "externals that come in, and soak, before this one"},
       }},
      {"unit",
       "a unit that the host's own file allows",
       {
           {"systemd", "unit-name", kRequired, "", "as in nginx.service"},
       }},
      {"task",
       "a check that a person does and signs",
       {
           {"what", "text", kRequired, "", "what is to be done, in words"},
           {"owner", "name", kOptional, "the system's owner",
            "the role that signs it"},
           {"id", "name", kOptional, "made from what",
            "its name after 'sluice done'"},
       },
       "text"},
      {"stage",
       "systems, or externals' flows, reconnected under one gate",
       {
           {"name", "name", kRequired, "",
            "the stage's, and its gate's: sluice go NAME"},
           {"systems", "name[]", kOptional, "none", "each in one stage only"},
           {"flows", "stage-flow[]", kOptional, "none",
            "externals let in at this stage"},
           {"gate", "gate", kOptional, "that of 'defaults'", "who opens it"},
       }},
      {"stage-flow",
       "an external let in",
       {
           {"external", "name", kRequired, "", "the external let in"},
       },
       "name"},
      {"gate",
       "who decides, and for how long it holds",
       {
           {"approvals", "{people}", kOptional, "incident-commander: 1",
            "how many of each role have to say go"},
           {"timeout", "duration", kOptional, "30m",
            "after which it holds; it never opens by itself"},
           {"evidence-max-age", "duration", kOptional, "60m",
            "after which evidence is gathered again"},
           {"no-self-approval", "bool", kOptional, "false",
            "who started the run has no vote"},
           {"confirm", "confirm", kOptional, "automatic",
            "what makes leases standing after the soak"},
       }},
  };
}

std::vector<ValueType> MakeValueTypes() {
  return {
      {"version", R"({"const": 1})"},
      {"name", R"({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"})"},
      {"host-range",
       R"({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*(\\[[0-9]+-[0-9]+\\])?[a-z0-9-]*$"})"},
      {"text", R"({"type": "string", "minLength": 1, "maxLength": 1000})"},
      {"lines", R"({"type": "string", "minLength": 1, "maxLength": 2000})"},
      {"file", R"({"type": "string", "pattern": "^[^/]", "maxLength": 1000})"},
      {"duration",
       R"({"type": ["string", "integer"], "pattern": "^(0|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$", "maximum": 0})"},
      {"count", R"({"type": "integer", "minimum": 1, "maximum": 1000})"},
      {"people", R"({"type": "integer", "minimum": 1, "maximum": 20})"},
      {"bool", R"({"type": "boolean"})"},
      {"address",
       R"({"type": "string", "pattern": "^[0-9a-fA-F.:]*(\\[[0-9]+-[0-9]+\\])?[0-9a-fA-F.:]*$"})"},
      {"range",
       R"({"type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]+)?$"})"},
      {"endpoint",
       R"({"type": "string", "pattern": "^([0-9.]+|\\[[0-9a-fA-F.:]+\\]):[0-9]+$"})"},
      {"public-key",
       R"({"type": "string", "pattern": "^(sk-)?(ssh|ecdsa)-[^ ]+ [A-Za-z0-9+/=]+( .*)?$"})"},
      {"port-range",
       R"({"type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?(/(tcp|udp|tcp\\+udp))?$", "minimum": 1, "maximum": 65535})"},
      {"port",
       R"({"oneOf": [{"$ref": "#/$defs/port-range"}, {"type": "array", "items": {"$ref": "#/$defs/port-range"}, "minItems": 1}]})"},
      {"priority", R"({"enum": ["high", "normal", "low"]})"},
      {"strength", R"({"enum": ["hard", "soft"]})"},
      {"enforcement", R"({"enum": ["kernel", "driven", "manual"]})"},
      {"on-failure", R"({"enum": ["isolate", "isolate-dependents", "hold"]})"},
      {"confirm", R"({"enum": ["automatic", "by-decision"]})"},
      {"unit-name",
       R"({"type": "string", "pattern": "^[A-Za-z0-9:_.@-]+\\.(service|target|socket|timer|mount|path)$"})"},
      {"joint",
       R"({"type": "array", "items": {"$ref": "#/$defs/name"}, "minItems": 2})"},
      {"need",
       R"({"oneOf": [{"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*:[a-z0-9][a-z0-9-]*$"}, {"$ref": "#/$defs/need-external"}, {"type": "object", "patternProperties": {"^[a-z0-9][a-z0-9-]*:[a-z0-9][a-z0-9-]*$": {"$ref": "#/$defs/strength"}}, "additionalProperties": false, "minProperties": 1, "maxProperties": 1}]})"},
      {"port-name",
       R"({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"})"},
      {"plugin-name",
       R"({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"})"},
      {"path", R"({"type": "string", "pattern": "^/"})"},
      {"status", R"({"type": "integer", "minimum": 100, "maximum": 599})"},
      {"days", R"({"type": "integer", "minimum": 0, "maximum": 3650})"},
      {"percent", R"({"type": "integer", "minimum": 1, "maximum": 99})"},
      {"true", R"({"const": true})"},
      {"declared-only", R"({"const": "declared-only"})"},
      {"record", R"({"enum": ["A", "AAAA", "CNAME", "MX", "SRV", "TXT"]})"},
  };
}

std::vector<CheckKind> MakeCheckKinds() {
  const Field port = {"port", "port-name", kRequired, "",
                      "the name of one of the system's ports"};
  const Field path = {"path", "path", kOptional, "/", "what is asked for"};
  const Field status = {"expect", "status", kOptional, "200",
                        "the answer's status"};
  const Field contains = {"contains", "text", kOptional, "anything",
                          "what the answer has to contain"};
  const Field name = {"name", "text", kOptional, "the host's address",
                      "the name asked for, and that the certificate has"};
  const Field days = {"min-days", "days", kOptional, "0",
                      "how long the certificate has still to be valid"};
  return {
      {"tcp", "port", "a connection is accepted", {port}},
      {"udp",
       "port",
       "a datagram is answered",
       {port,
        {"send", "text", kOptional, "nothing", "what is sent"},
        contains}},
      {"http",
       "port",
       "an HTTP request is answered as expected",
       {port, path, status, contains, name}},
      {"https",
       "port",
       "the same over TLS",
       {port, path, status, contains, name, days}},
      {"tls",
       "port",
       "a TLS handshake with a certificate that is valid",
       {port, name, days}},
      {"dns",
       "ask",
       "a name is resolved",
       {{"ask", "text", kRequired, "", "the name asked for"},
        {"port", "port-name", kOptional, "the host's own resolver",
         "the system's port that is asked"},
        {"type", "record", kOptional, "A", "the record's type"},
        {"expect", "text", kOptional, "any answer", "what the answer holds"}}},
      {"grpc",
       "port",
       "the gRPC health service says SERVING",
       {port,
        {"service", "text", kOptional, "the whole server",
         "the service asked about"}}},
      {"systemd",
       "unit",
       "a unit is active",
       {{"unit", "unit-name", kRequired, "", "as in nginx.service"}}},
      {"process",
       "name",
       "a process runs",
       {{"name", "text", kRequired, "", "its name"},
        {"user", "text", kOptional, "any", "whose it is"},
        {"min", "count", kOptional, "1", "at least so many"}}},
      {"mount",
       "path",
       "a file system is mounted and has room",
       {{"path", "path", kRequired, "", "where it is mounted"},
        {"min-free", "percent", kOptional, "1", "percent that are free"}}},
      {"clock",
       "max-offset",
       "the clock is right",
       {{"max-offset", "duration", kRequired, "", "by so much"}}},
      {"files",
       "baseline",
       "files are as the host's signed baseline says",
       {{"baseline", "name", kRequired, "", "the baseline's name"}}},
      {"packages",
       "verify",
       "installed files are as their packages brought them (weak evidence)",
       {{"verify", "true", kRequired, "", "true"}}},
      {"yara",
       "rules",
       "no file matches a YARA rule",
       {{"rules", "name", kRequired, "", "the rules' name on the host"},
        {"path", "path", kOptional, "all that the host allows",
         "where to look"}}},
      {"listeners",
       "allow",
       "nothing listens but what the manifest declares",
       {{"allow", "declared-only", kRequired, "", "declared-only"}}},
      {"attempts",
       nullptr,
       "in quarantine the host tried to reach nothing undeclared",
       {{"none-undeclared", "true", kRequired, "", "true"},
        {"for", "duration", kOptional, "60m",
         "how long quarantine has to have watched"}}},
      {"plugin",
       "name",
       "a plugin from the host's own file says so",
       {{"name", "plugin-name", kRequired, "", "as in check_pgsql"}}},
  };
}

}  // namespace

const Field* Shape::Find(absl::string_view field) const {
  const auto at = std::find_if(fields.begin(), fields.end(),
                               [&](const Field& f) { return field == f.name; });
  return at != fields.end() ? &*at : nullptr;
}

std::vector<std::string> Shape::Names() const {
  std::vector<std::string> names;
  for (const Field& field : fields) names.push_back(field.name);
  return names;
}

const std::vector<Shape>& Shapes() {
  static const auto& shapes = *new std::vector<Shape>(MakeShapes());
  return shapes;
}

const Shape& FindShape(absl::string_view name) {
  const std::vector<Shape>& shapes = Shapes();
  const auto at =
      std::find_if(shapes.begin(), shapes.end(),
                   [&](const Shape& shape) { return name == shape.name; });
  SLUICE_CHECK(at != shapes.end());
  return *at;
}

const std::vector<ValueType>& ValueTypes() {
  static const auto& types = *new std::vector<ValueType>(MakeValueTypes());
  return types;
}

const std::vector<CheckKind>& CheckKinds() {
  static const auto& kinds = *new std::vector<CheckKind>(MakeCheckKinds());
  return kinds;
}

const CheckKind* FindCheckKind(absl::string_view name) {
  for (const CheckKind& kind : CheckKinds()) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

}  // namespace sluice::manifest
