// What holds for the whole estate: defaults, management, people and gates.

#include <string>

#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/manifest/values.h"

namespace sluice::manifest {

void ReadCheckDefaults(const Context& context, const Node& node,
                       absl::string_view who, CheckDefaults* out) {
  const Fields fields(context, node, FindShape("check-defaults"),
                      std::string(who));
  fields.ReadDuration("timeout", absl::Milliseconds(100), absl::Minutes(30),
                      &out->timeout);
  fields.ReadCount("attempts", 1, 1000, &out->attempts);
  fields.ReadDuration("between", absl::ZeroDuration(), absl::Hours(1),
                      &out->between);
}

void ReadDefaults(const Context& context, const Node& node) {
  const Fields fields(context, node, FindShape("defaults"), "defaults");
  System& system = context.draft.system_defaults;
  fields.ReadDuration("soak", absl::ZeroDuration(), kMaxDuration, &system.soak);
  fields.ReadDuration("lease", absl::Seconds(2), absl::Hours(1), &system.lease);
  fields.ReadDuration("watch-every", absl::Seconds(1), absl::Hours(1),
                      &system.watch_every);
  fields.ReadDuration("expected", absl::ZeroDuration(), kMaxDuration,
                      &system.expected);
  int choice = 0;
  if (fields.ReadChoice("on-failure", {"isolate", "isolate-dependents", "hold"},
                        &choice)) {
    system.on_failure = static_cast<OnFailure>(choice);
  }
  for (const auto& [name, out] : {std::pair{"inspect", &context.draft.inspect},
                                  std::pair{"health", &context.draft.health},
                                  std::pair{"watch", &context.draft.watch}}) {
    if (const Node* value = fields.Get(name)) {
      ReadCheckDefaults(context, *value, fields.Path(name), out);
    }
  }
  if (const Node* gate = fields.Get("gate")) {
    context.draft.has_default_gate = true;
    context.draft.default_gate = context.At(*gate);
    ReadGate(context, *gate, "defaults: gate",
             &context.draft.model.default_gate);
  }
}

void ReadManagement(const Context& context, const Node& node) {
  const Fields fields(context, node, FindShape("management"), "management");
  context.draft.management = context.At(node);
  Management& management = context.draft.model.management;
  fields.Each("orchestrators", [&](const Node& item) {
    absl::string_view text;
    std::string endpoint, why;
    Prefix address;
    if (!context.Scalar(item, fields.Path("orchestrators"), &text)) return;
    if (ParseEndpoint(text, &endpoint, &address, &why)) {
      management.orchestrators.push_back(endpoint);
    } else {
      context.Error(item, fields.Path("orchestrators"), why);
    }
  });
  fields.Each("operators", [&](const Node& item) {
    absl::string_view text;
    if (!context.Scalar(item, fields.Path("operators"), &text)) return;
    const auto prefix = Prefix::Parse(text);
    if (prefix.ok()) {
      management.operators.push_back(*prefix);
    } else {
      context.Error(item, fields.Path("operators"), prefix.status().message());
    }
  });
  std::sort(management.operators.begin(), management.operators.end());
}

void ReadApprovers(const Context& context, const Node& node) {
  context.EachNamed(node, "approvers", [&](const Node& key, const Node& value) {
    Approver approver;
    std::string name;
    if (!context.ReadName(key, "approvers", &name) ||
        !context.FirstTime(key, "approver", name)) {
      return;
    }
    approver.id = OperatorId(name);
    approver.place = context.At(key);
    const Fields fields(context, value, FindShape("approver"),
                        absl::StrCat("approver '", name, "'"));
    const auto nothing = [](const Node&, const std::string&) {};
    fields.ReadNames("roles", &approver.roles, nothing);
    fields.ReadNames(
        "deputy-for", &approver.deputy_for,
        [&](const Node& item, const std::string& role) {
          if (std::find(approver.roles.begin(), approver.roles.end(),
                        RoleId(role)) != approver.roles.end()) {
            context.Error(item, fields.Path("deputy-for"),
                          absl::StrCat("'", role,
                                       "' is a role this person "
                                       "has already; remove one of the two"));
          }
        });
    if (fields.valid() && approver.roles.empty() &&
        approver.deputy_for.empty() && !value.broken_off &&
        !fields.Mistyped("roles")) {
      context.Error(value, fields.who(),
                    "no role; write roles: [incident-commander], or whichever "
                    "gates ask for");
    }
    approver.roles.insert(approver.roles.end(), approver.deputy_for.begin(),
                          approver.deputy_for.end());
    std::sort(approver.roles.begin(), approver.roles.end());
    if (const Node* key_line = fields.Get("key")) {
      absl::string_view text;
      std::string why;
      // Not Scalar(): a private key deserves the better message.
      if (key_line->kind != NodeKind::kScalar) {
        context.Scalar(*key_line, fields.Path("key"), &text);
      } else if (!ParsePublicKey(key_line->text, &approver.key, &why)) {
        context.Error(*key_line, fields.Path("key"), why);
      }
    }
    context.draft.model.approvers.push_back(std::move(approver));
  });
}

void ReadGate(const Context& context, const Node& node, absl::string_view who,
              GateRule* gate) {
  const Fields fields(context, node, FindShape("gate"), std::string(who));
  if (const Node* approvals = fields.Get("approvals")) {
    gate->approvals.clear();
    const std::string path = fields.Path("approvals");
    context.EachNamed(
        *approvals, path, [&](const Node& key, const Node& value) {
          std::string role, why;
          absl::string_view text;
          int count = 0;
          if (!context.ReadName(key, path, &role) ||
              !context.Scalar(value, path, &text)) {
            return;
          }
          if (!ParseCount(text, 1, 20, &count, &why)) {
            context.Error(value, absl::StrCat(path, ": ", role), why);
            return;
          }
          context.Refer(Reference::Kind::kRole, role, key,
                        absl::StrCat(who, " asks for"));
          gate->approvals[RoleId(role)] = count;
        });
    if (approvals->kind == NodeKind::kMap && approvals->size == 0) {
      context.Error(*approvals, path,
                    "nobody is asked, and no gate opens by itself; write "
                    "incident-commander: 1");
    }
  }
  fields.ReadDuration("timeout", absl::Seconds(10), kMaxDuration,
                      &gate->timeout);
  fields.ReadDuration("evidence-max-age", absl::Minutes(1), kMaxDuration,
                      &gate->evidence_max_age);
  fields.ReadBool("no-self-approval", &gate->no_self_approval);
  int choice = 0;
  if (fields.ReadChoice("confirm", {"automatic", "by-decision"}, &choice)) {
    gate->confirm =
        choice == 0 ? ConfirmRule::kAutomatic : ConfirmRule::kByDecision;
  }
}

}  // namespace sluice::manifest
