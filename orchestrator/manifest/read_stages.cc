// Stages with their gates, and joint groups.

#include <string>

#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/reader.h"

namespace sluice::manifest {
namespace {

void ReadFlow(const Context& context, const Node& item, const std::string& who,
              Stage* stage) {
  std::string name;
  const Node* at = &item;
  if (item.kind == NodeKind::kMap) {
    const Fields fields(context, item, FindShape("stage-flow"),
                        absl::StrCat(who, ": flows"));
    if (!fields.ReadName("external", &name)) return;
    at = fields.Get("external");
  } else if (!context.ReadName(item, absl::StrCat(who, ": flows"), &name)) {
    return;
  }
  context.Refer(Reference::Kind::kExternal, name, *at,
                absl::StrCat(who, " lets in"));
  if (context.FirstTime(
          *at, "stage for external", name,
          absl::StrCat("external '", name, "' is let in a second time"))) {
    stage->flows.push_back(ExternalId(name));
  }
}

}  // namespace

void ReadStages(const Context& context, const Node& node) {
  Draft& draft = context.draft;
  const int file = context.At(node).file;
  if (draft.file_of_stages >= 0 && draft.file_of_stages != file) {
    context.Error(
        node, "stages",
        absl::StrCat("stages are in ", draft.model.files[draft.file_of_stages],
                     " already, and their order counts; keep all of "
                     "them in one file"));
  } else {
    draft.file_of_stages = file;
  }
  context.Each(node, "stages", [&](const Node& item) {
    Stage stage;
    stage.place = context.At(item);
    stage.gate = draft.model.default_gate;
    std::string name;
    if (item.kind == NodeKind::kMap) {
      for (uint32_t i = 0; i < item.size; ++i) {
        if (item.key(i).text == "name") name = std::string(item.value(i).text);
      }
    }
    const Fields fields(
        context, item, FindShape("stage"),
        name.empty() ? "stage" : absl::StrCat("stage '", name, "'"));
    if (!fields.ReadName("name", &stage.id) ||
        !context.FirstTime(*fields.Get("name"), "stage", stage.id.str())) {
      return;
    }
    stage.place = context.At(*fields.Get("name"));
    fields.ReadNames(
        "systems", &stage.systems,
        [&](const Node& system, const std::string& id) {
          context.Refer(Reference::Kind::kSystem, id, system,
                        absl::StrCat(fields.who(), " reconnects"));
          context.FirstTime(
              system, "stage for system", id,
              absl::StrCat("system '", id, "' is in a second stage"));
        });
    fields.Each("flows", [&](const Node& flow) {
      ReadFlow(context, flow, fields.who(), &stage);
    });
    std::sort(stage.flows.begin(), stage.flows.end());
    if (fields.valid() && !fields.Has("systems") && !fields.Has("flows") &&
        !item.broken_off) {
      context.Error(item, fields.who(),
                    "nothing is reconnected here; add systems: or flows:, or "
                    "remove the stage");
    }
    if (const Node* gate = fields.Get("gate")) {
      draft.gates[stage.id.str()] = context.At(*gate);
      ReadGate(context, *gate, absl::StrCat("gate '", stage.id.str(), "'"),
               &stage.gate);
    }
    draft.model.stages.push_back(std::move(stage));
  });
}

void ReadJoint(const Context& context, const Node& node) {
  context.Each(node, "joint", [&](const Node& item) {
    if (item.kind != NodeKind::kSequence || item.size < 2) {
      context.Error(item, "joint",
                    "each group is a list of at least two systems, as in "
                    "[[mail, calendar]]");
      return;
    }
    JointGroup group;
    group.place = context.At(item);
    for (uint32_t i = 0; i < item.size; ++i) {
      std::string name;
      if (!context.ReadName(item.item(i), "joint", &name) ||
          !context.FirstTime(
              item.item(i), "joint group of system", name,
              absl::StrCat("system '", name, "' is in a second joint group"))) {
        continue;
      }
      context.Refer(Reference::Kind::kSystem, name, item.item(i),
                    "a joint group names");
      group.systems.push_back(SystemId(name));
    }
    std::sort(group.systems.begin(), group.systems.end());
    context.draft.model.joint.push_back(std::move(group));
  });
}

}  // namespace sluice::manifest
