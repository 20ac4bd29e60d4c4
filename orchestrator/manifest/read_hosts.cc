// Hosts and externals: who has which address, and what stands before it.

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/manifest/values.h"

namespace sluice::manifest {
namespace {

// One host's addresses may be this many; a typing mistake makes more.
constexpr size_t kMaxAddresses = 64;

// The addresses in `field` for each of `count` hosts. A text with a range gives
// one to each; a text without one is refused where there are several hosts,
// unless they share it.
void ReadAddresses(const Context& context, const Fields& fields,
                   absl::string_view field, size_t count, bool shared,
                   std::vector<std::vector<Prefix>>* out) {
  const std::string path = fields.Path(field);
  size_t items = 0;
  fields.Each(field, [&](const Node& item) {
    absl::string_view text;
    std::string why;
    std::vector<std::string> texts;
    if (!context.Scalar(item, path, &text)) return;
    if (++items > kMaxAddresses) {
      if (items == kMaxAddresses + 1) {
        context.Error(item, path,
                      absl::StrCat("more than ", kMaxAddresses,
                                   " addresses; is this one host?"));
      }
      return;
    }
    if (!ExpandRange(text, &texts, &why)) {
      context.Error(item, path, why);
      return;
    }
    if (texts.size() != count && !(shared && texts.size() == 1)) {
      context.Error(
          item, path,
          count == 1 ? absl::StrCat("'", text,
                                    "' is a range, but the name is one "
                                    "host's; give the host's name a range too")
                     : absl::StrCat("'", text, "' gives ", texts.size(),
                                    " addresses for ", count,
                                    " hosts; write a range of as many, as in "
                                    "10.77.1.[1-",
                                    count, "]"));
      return;
    }
    for (size_t i = 0; i < count; ++i) {
      const absl::string_view one = texts[texts.size() == 1 ? 0 : i];
      const auto address = Prefix::Parse(one);
      if (!address.ok() || !address->is_host()) {
        context.Error(item, path,
                      address.ok()
                          ? absl::StrCat("'", one,
                                         "' is a range of addresses; "
                                         "a host has single ones, an external "
                                         "has ranges")
                          : std::string(address.status().message()));
        return;
      }
      std::vector<Prefix>& mine = (*out)[i];
      if (std::find(mine.begin(), mine.end(), *address) != mine.end()) {
        context.Error(item, path,
                      absl::StrCat("'", one,
                                   "' is here a second time; remove "
                                   "it"));
        return;
      }
      mine.push_back(*address);
    }
  });
}

void ReadVital(const Context& context, const Fields& host_fields, Host* host) {
  host_fields.Each("vital", [&](const Node& item) {
    const std::string who = host_fields.Path("vital");
    const Fields fields(context, item, FindShape("vital"), who);
    Vital vital;
    vital.place = context.At(item);
    fields.ReadName("external", &vital.external);
    fields.ReadName("host", &vital.host);
    if (fields.valid() && fields.Has("external") == fields.Has("host")) {
      context.Error(item, who,
                    "say where the flow goes: either external: … or host: …");
    }
    if (!vital.external.empty()) {
      context.Refer(Reference::Kind::kExternal, vital.external.str(),
                    *fields.Get("external"),
                    absl::StrCat(host_fields.who(), " keeps a vital flow to"));
    }
    if (!vital.host.empty()) {
      context.Refer(Reference::Kind::kHost, vital.host.str(),
                    *fields.Get("host"),
                    absl::StrCat(host_fields.who(), " keeps a vital flow to"));
    }
    std::vector<Port::Range> ranges;
    const Node* port = fields.Get("port");
    if (port == nullptr ||
        !context.ReadRanges(*port, absl::StrCat(who, ": port"), &ranges)) {
      return;
    }
    for (const Port::Range& range : ranges) {
      vital.range = range;
      host->vital.push_back(vital);
    }
  });
}

void ReadBehind(const Context& context, const Fields& fields,
                std::vector<HostId>* out) {
  fields.ReadNames("behind", out,
                   [&](const Node& item, const std::string& name) {
                     context.Refer(Reference::Kind::kHost, name, item,
                                   absl::StrCat(fields.who(), " is behind"));
                   });
}

void ReadInstructions(const Context& context, const Fields& host_fields,
                      Host* host) {
  const Node* node = host_fields.Get("instructions");
  if (node == nullptr) return;
  if (host->grade != Grade::kManual) {
    host_fields.Error("instructions",
                      "only a manual point is worked by hand; write "
                      "enforcement: manual, or remove this");
    return;
  }
  const Fields fields(context, *node, FindShape("instructions"),
                      host_fields.Path("instructions"));
  fields.ReadLines("close", &host->instructions.close);
  fields.ReadLines("open", &host->instructions.open);
  if (fields.ReadName("owner", &host->instructions.owner)) {
    context.Refer(Reference::Kind::kRole, host->instructions.owner.str(),
                  *fields.Get("owner"),
                  absl::StrCat(host_fields.who(), " is worked by"));
  }
}

void ReadHost(const Context& context, const Node& key, const Node& value) {
  absl::string_view text;
  std::vector<std::string> names;
  std::string why;
  if (!context.Scalar(key, "hosts", &text)) return;
  if (!ExpandRange(text, &names, &why)) {
    context.Error(key, "hosts", why);
    return;
  }
  for (std::string& name : names) {
    std::string checked;
    if (!ParseName(name, &checked, &why)) {
      context.Error(key, "hosts", why);
      return;
    }
  }
  const Fields fields(context, value, FindShape("host"),
                      absl::StrCat("host '", text, "'"));
  Host host;
  host.place = context.At(key);
  std::vector<std::vector<Prefix>> own(names.size()), shared(names.size());
  ReadAddresses(context, fields, "address", names.size(), false, &own);
  ReadAddresses(context, fields, "shared-address", names.size(), true, &shared);
  ReadVital(context, fields, &host);
  int choice = 0;
  if (fields.ReadChoice("enforcement", {"kernel", "driven", "manual"},
                        &choice)) {
    host.grade = static_cast<Grade>(choice);
  }
  if (fields.ReadName("through", &host.acting)) {
    context.Refer(Reference::Kind::kHost, host.acting.str(),
                  *fields.Get("through"),
                  absl::StrCat(fields.who(), " is acted for by"));
    if (host.grade != Grade::kDriven) {
      fields.Error("through",
                   "only a driver acts through another host; write "
                   "enforcement: driven, or remove this");
    }
  } else if (host.grade == Grade::kDriven && !fields.Has("through")) {
    fields.Error("enforcement",
                 "a driver needs a host to run on; add through: and the name "
                 "of the host whose agent acts");
  }
  ReadInstructions(context, fields, &host);
  ReadBehind(context, fields, &host.behind);
  for (size_t i = 0; i < names.size(); ++i) {
    if (!context.FirstTime(key, "host", names[i])) continue;
    host.id = HostId(names[i]);
    host.addresses = own[i];
    for (const Prefix& address : shared[i]) {
      if (std::find(own[i].begin(), own[i].end(), address) != own[i].end()) {
        fields.Error("shared-address",
                     absl::StrCat("'", address.ToString(),
                                  "' is among "
                                  "'address' too; keep it in one of them"));
        continue;
      }
      host.addresses.push_back(address);
    }
    std::sort(host.addresses.begin(), host.addresses.end());
    host.shared = shared[i];
    std::sort(host.shared.begin(), host.shared.end());
    context.draft.model.hosts.push_back(host);
  }
}

}  // namespace

void ReadHosts(const Context& context, const Node& node) {
  context.EachNamed(node, "hosts", [&](const Node& key, const Node& value) {
    ReadHost(context, key, value);
  });
}

void ReadExternals(const Context& context, const Node& node) {
  context.EachNamed(node, "externals", [&](const Node& key, const Node& value) {
    External external;
    std::string name;
    if (!context.ReadName(key, "externals", &name) ||
        !context.FirstTime(key, "external", name)) {
      return;
    }
    external.id = ExternalId(name);
    external.place = context.At(key);
    const Fields fields(context, value, FindShape("external"),
                        absl::StrCat("external '", name, "'"));
    const std::string path = fields.Path("address");
    fields.Each("address", [&](const Node& item) {
      absl::string_view text;
      if (!context.Scalar(item, path, &text)) return;
      const auto prefix = Prefix::Parse(text);
      if (!prefix.ok()) {
        context.Error(item, path, prefix.status().message());
        return;
      }
      for (const Prefix& other : external.addresses) {
        if (!other.Overlaps(*prefix)) continue;
        context.Error(item, path,
                      absl::StrCat("'", text, "' overlaps '", other.ToString(),
                                   "' of the same external; keep the larger "
                                   "one"));
        return;
      }
      external.addresses.push_back(*prefix);
    });
    std::sort(external.addresses.begin(), external.addresses.end());
    ReadBehind(context, fields, &external.behind);
    context.draft.model.externals.push_back(std::move(external));
  });
}

}  // namespace sluice::manifest
