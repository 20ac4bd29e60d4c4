// A manifest while it is being made, and its one canonical text: two blanks,
// 80 columns, everything sorted by name, comments beside what they are about.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"

namespace sluice::importers {

struct PortDraft {
  std::string name;
  Protocol protocol = Protocol::kTcp;
  PortRange ports;
};

struct NeedDraft {
  std::string system;
  std::string port;  // of an external: "443/tcp"
  bool soft = false;
  std::string external = {};  // instead of a system
  std::string remark = {};    // a comment above it
};

struct ServeDraft {
  std::string external;
  std::string port;
  std::string remark;
};

struct ExternalDraft {
  std::vector<std::string> addresses;
  std::string remark;
};

struct CheckDraft {
  std::string text;  // "tcp: postgres", "http: {port: http, path: /ready}"
  // Zero: as by default.
  absl::Duration timeout = absl::ZeroDuration();
  absl::Duration between = absl::ZeroDuration();
  int attempts = 0;
};

struct SystemDraft {
  std::string name;
  std::vector<std::string> remarks;  // comments above it
  std::string category;
  std::string owner;
  std::string priority;
  std::vector<std::string> hosts;
  std::vector<PortDraft> ports;
  std::vector<NeedDraft> needs;
  std::vector<std::string> serves;  // ports that everyone may come in to
  std::vector<ServeDraft> let_in;   // the same for others
  std::vector<std::string> peers;   // ports among its own hosts
  std::vector<CheckDraft> health;
  std::vector<std::string> not_translated;  // comments at its end

  const PortDraft* FindPort(Protocol protocol, PortRange ports) const;
  // Adds the port unless it is there; its name. A `name` that another port has
  // is not used.
  std::string AddPort(Protocol protocol, PortRange ports,
                      const std::string& name = "");
  void AddNeed(const NeedDraft& need);
};

struct HostDraft {
  std::string name;
  std::vector<std::string> addresses;
  std::vector<std::string> remarks;
  std::vector<std::string> not_translated;
};

struct StageDraft {
  std::string name;
  std::vector<std::string> systems;
  bool everyone = false;  // lets everyone in
};

struct ManifestDraft {
  std::vector<std::string> preface;  // paragraphs of the comment at the top
  std::vector<std::string> not_translated;  // about no system in particular
  std::string estate;
  std::string orchestrator;
  std::vector<std::string> more_orchestrators;
  std::vector<std::string> owners;  // roles besides the incident commander's
  std::string everyone;             // an external's range; empty: none
  std::map<std::string, HostDraft> hosts;
  std::map<std::string, ExternalDraft> externals;
  std::map<std::string, SystemDraft> systems;
  std::vector<std::vector<std::string>> joint;
  std::vector<StageDraft> stages;  // none: the planner's own

  int not_translated_count() const;
  std::string Text() const;
};

// `text` in a comment of lines up to 80 columns, `indent` blanks before it and
// `hang` more in front of the lines after the first.
std::string Comment(const std::string& text, int indent, int hang = 2);

// A text as a YAML scalar: plain where that cannot be misread, else quoted.
std::string Scalar(const std::string& text);

}  // namespace sluice::importers
