#include "orchestrator/cli/trust_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/delegation.h"
#include "common/fact_lines.h"
#include "common/rotation.h"
#include "common/signature.h"
#include "common/ssh_key.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "orchestrator/cli/client_config.h"
#include "orchestrator/cli/drafts.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/loaded_manifest.h"
#include "orchestrator/cli/own_copy.h"
#include "orchestrator/cli/sign.h"
#include "orchestrator/report/layout.h"

namespace sluice::cli {
namespace {

constexpr size_t kLargest = 1 << 20;
constexpr size_t kLargestSignature = 64 << 10;

// "incident-commander=2".
absl::Status AddSeat(const std::string& word, std::map<RoleId, int>* quorum) {
  const std::vector<std::string> parts = absl::StrSplit(word, '=');
  int count = 0;
  if (parts.size() != 2 || parts[0].empty() ||
      !absl::SimpleAtoi(parts[1], &count) || count < 1 || count > 100) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", word, "' is not ROLE=COUNT, 1 to 100"));
  }
  (*quorum)[RoleId(parts[0])] = count;
  return absl::OkStatus();
}

absl::StatusOr<Rotation> MakeRotation(const Plan& plan,
                                      const RotateOptions& options) {
  Rotation rotation{.estate = plan.estate, .serial = options.serial};
  std::set<HostId> hosts(options.hosts.begin(), options.hosts.end());
  for (const PlannedHost& host : plan.hosts) {
    if (options.hosts.empty() && host.has_agent()) {
      hosts.insert(host.id);
    }
  }
  for (const HostId& host : hosts) {
    if (plan.FindHost(host) == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("the manifest has no host '", host.str(), "'"));
    }
    rotation.hosts.push_back(host);
  }
  for (const Approver& approver : plan.approvers) {
    // Whom the manifest gives no key signs nothing.
    const auto key = SshPublicKey::Parse(approver.key);
    if (!key.ok() || approver.roles.empty()) continue;
    Rotation::Person person{approver.id, approver.roles, key->Line()};
    std::sort(person.roles.begin(), person.roles.end());
    rotation.approvers.push_back(std::move(person));
  }
  for (const std::string& word : options.quorum) {
    SLUICE_RETURN_IF_ERROR(AddSeat(word, &rotation.quorum));
  }
  if (options.quorum.empty()) rotation.quorum = AskedEverywhere(plan);
  if (rotation.quorum.empty()) {
    return absl::InvalidArgumentError(
        "no role is asked at every gate, so say the least that hosts want "
        "with --quorum ROLE=COUNT");
  }
  for (const std::string& word : options.quorum_at) {
    const std::vector<std::string> parts =
        absl::StrSplit(word, absl::MaxSplits(':', 1));
    if (parts.size() != 2 || plan.FindStage(StageId(parts[0])) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", word, "' is not STAGE:ROLE=COUNT with a stage of ",
                       "the manifest"));
    }
    SLUICE_RETURN_IF_ERROR(
        AddSeat(parts[1], &rotation.stages[StageId(parts[0])]));
  }
  // Whatever an agent would refuse is found here.
  return Rotation::Parse(rotation.Body());
}

std::string Printable(std::string text) {
  for (char& c : text) {
    if (c != '\n' && (c < ' ' || c == 0x7f)) c = '?';
  }
  return text;
}

// The text for people: keys as their fingerprints, which people compare.
std::string Shown(const std::string& text, int width) {
  const auto rotation = Rotation::Parse(text);
  if (!rotation.ok()) return Printable(text);
  std::string out = absl::StrCat("rotation ", rotation->serial, " of estate ",
                                 Printable(rotation->estate.str()), "\n");
  const auto add = [&](absl::string_view head, const std::string& what) {
    absl::StrAppend(&out, Hang(head, Printable(what), width));
  };
  std::vector<std::string> hosts;
  for (const HostId& host : rotation->hosts) hosts.push_back(host.str());
  add("  hosts     ", absl::StrJoin(hosts, ", "));
  for (const Rotation::Person& person : rotation->approvers) {
    std::vector<std::string> roles;
    for (const RoleId& role : person.roles) roles.push_back(role.str());
    const auto key = SshPublicKey::Parse(person.key);
    add("  approver  ",
        absl::StrCat(person.id.str(), " (", absl::StrJoin(roles, ", "), ") ",
                     key.ok() ? key->Fingerprint() : ""));
  }
  add("  at least  ", QuorumFacts(rotation->quorum));
  for (const auto& [stage, quorum] : rotation->stages) {
    add("  at least  ",
        absl::StrCat(QuorumFacts(quorum), " at stage ", stage.str()));
  }
  return out;
}

// What a text is signed for, and what is wrong with it.
absl::StatusOr<absl::string_view> PurposeOf(const std::string& text,
                                            const std::string& file) {
  absl::Status wrong = absl::InvalidArgumentError(
      "it is neither a rotation nor a delegation; `sluice rotate` and `sluice "
      "delegate --out` write them");
  if (absl::StartsWith(text, "sluice rotation ")) {
    wrong = Rotation::Parse(text).status();
    if (wrong.ok()) return signed_as::kRotation;
  } else if (absl::StartsWith(text, "sluice delegation ")) {
    wrong = Delegation::Parse(text).status();
    if (wrong.ok()) return signed_as::kDelegation;
  }
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", wrong.message()));
}

void SayNext(const Terminal& terminal, const std::string& file,
             absl::string_view purpose) {
  *terminal.out << Hang("",
                        absl::StrCat("Sign it with `sluice sign ", file,
                                     "`, or where the key is, with"),
                        terminal.width)
                << "  ssh-keygen -Y sign -n " << purpose << " -f KEY FILE\n"
                << "and hand it in: sluice send FILE SIGNATURE…\n";
}

}  // namespace

ExitCode DraftRotation(const Terminal& terminal, const RotateOptions& options) {
  const LoadedManifest loaded =
      LoadPlanOf(terminal, options.manifest, "nothing was drafted.");
  if (loaded.plan == nullptr) return kMistakes;
  const auto rotation = MakeRotation(*loaded.plan, options);
  if (!rotation.ok()) return terminal.Complain(rotation.status());
  const absl::Status written = WriteNewFile(options.out, rotation->Body());
  if (!written.ok()) return terminal.Complain(written);
  *terminal.out << Hang(
      "",
      absl::StrCat("rotation ", rotation->serial, " is in ", options.out, ": ",
                   rotation->approvers.size(), " approvers for ",
                   rotation->hosts.size(),
                   " hosts. It counts on a host once a quorum of the people "
                   "whom that host believes now have signed it."),
      terminal.width);
  SayNext(terminal, options.out, signed_as::kRotation);
  return kDone;
}

ExitCode Delegate(const Terminal& terminal, const Common& common,
                  const DelegateOptions& options) {
  const auto config = LoadClientConfig(common.client_file);
  if (!config.ok()) return terminal.Complain(config.status());
  const auto own = LoadOwnCopy(options.manifest, *config);
  if (!own.ok()) return terminal.Complain(own.status());
  Delegation word{
      .estate = own->plan->estate,
      .delegator = OperatorId(options.as.empty() ? config->who : options.as),
      .deputy = OperatorId(options.deputy)};
  const Approver* self = own->plan->FindApprover(word.delegator);
  if (self == nullptr) {
    return terminal.Complain(
        absl::StrCat("'", word.delegator.str(),
                     "' is no approver of your manifest; say who you are with "
                     "--as NAME"),
        kMistakes);
  }
  absl::Duration span = absl::Hours(1);
  if (!options.back && !absl::ParseDuration(options.span, &span)) {
    return terminal.Complain(
        absl::StrCat("--for '", options.span, "' is no time, as 90m or 8h"),
        kUsage);
  }
  if (!options.back) {
    std::set<RoleId> roles(options.roles.begin(), options.roles.end());
    if (roles.empty()) roles = {self->roles.begin(), self->roles.end()};
    word.roles = {roles.begin(), roles.end()};
    word.tasks = options.tasks;
  }
  word.from = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  word.until = word.from + absl::Trunc(span, absl::Seconds(1));
  const std::string text = word.Body();
  if (const absl::Status good = Delegation::Parse(text).status(); !good.ok()) {
    return terminal.Complain(good);
  }
  if (!common.json) *terminal.out << Printable(text);
  if (!options.out.empty()) {
    const absl::Status written = WriteNewFile(options.out, text);
    if (!written.ok()) return terminal.Complain(written);
    SayNext(terminal, options.out, signed_as::kDelegation);
    return kDone;
  }
  const auto key = FindSigningKey(options.key, *config);
  if (!key.ok()) return terminal.Complain(key.status());
  const auto signature = SignText(*key, signed_as::kDelegation, text);
  if (!signature.ok()) return terminal.Complain(signature.status());
  const auto client = Client::Dial(*config);
  if (!client.ok()) return terminal.Complain(client.status());
  v1::TrustRequest request;
  request.set_text(text);
  request.add_signatures(*signature);
  return Report(terminal, common.json, (*client)->ChangeTrust(request));
}

ExitCode SignFile(const Terminal& terminal, const Common& common,
                  const SignFileOptions& options) {
  const auto text = ReadWholeFile(options.file, kLargest);
  if (!text.ok()) return terminal.Complain(text.status());
  const auto purpose = PurposeOf(*text, options.file);
  if (!purpose.ok()) return terminal.Complain(purpose.status());
  // With --key nothing else of this machine's configuration is needed.
  ClientConfig config{.file = "client.yaml"};
  if (const auto read = LoadClientConfig(common.client_file); read.ok()) {
    config = *read;
  }
  const auto key = FindSigningKey(options.key, config);
  if (!key.ok()) return terminal.Complain(key.status());
  *terminal.out << Shown(*text, terminal.width);
  if (terminal.can_ask &&
      terminal.Ask("Type sign to sign this, anything else to leave it.\n> ") !=
          "sign") {
    return terminal.Complain("nothing was signed.", kMistakes);
  }
  const auto signature = SignText(*key, *purpose, *text);
  if (!signature.ok()) return terminal.Complain(signature.status());
  const std::string out =
      options.out.empty() ? options.file + ".sig" : options.out;
  const absl::Status written = WriteNewFile(out, *signature);
  if (!written.ok()) return terminal.Complain(written);
  *terminal.out << Hang("", absl::StrCat("the signature is in ", out),
                        terminal.width);
  return kDone;
}

ExitCode SendSigned(const Terminal& terminal, const Common& common,
                    const SendOptions& options) {
  const auto text = ReadWholeFile(options.file, kLargest);
  if (!text.ok()) return terminal.Complain(text.status());
  const auto purpose = PurposeOf(*text, options.file);
  if (!purpose.ok()) return terminal.Complain(purpose.status());
  v1::TrustRequest request;
  request.set_text(*text);
  std::vector<std::string> files = options.signatures;
  if (files.empty()) files.push_back(options.file + ".sig");
  for (const std::string& file : files) {
    const auto signature = ReadWholeFile(file, kLargestSignature);
    if (!signature.ok()) return terminal.Complain(signature.status());
    // A damaged or foreign signature is found here, not on the hosts.
    const auto signer = SignerOf(*signature);
    const absl::Status good =
        signer.ok() ? VerifySsh(*signer, *purpose, *text, *signature)
                    : signer.status();
    if (!good.ok()) {
      return terminal.Complain(
          absl::StrCat(file, ": ", good.message(), "; nothing was sent."),
          kMistakes);
    }
    request.add_signatures(*signature);
  }
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  return Report(terminal, common.json, (*client)->ChangeTrust(request));
}

void AddTrustCommands(const AddCommand& add, const Terminal& terminal,
                      const Common& common, TrustWords& words) {
  CLI::App* sub = add("rotate", "new keys and quorum for hosts: the text",
                      [&] { return DraftRotation(terminal, words.rotate); });
  sub->add_option("MANIFEST", words.rotate.manifest)->required();
  sub->add_option("--serial", words.rotate.serial, "above every one before")
      ->required()
      ->type_name("N");
  sub->add_option("--out", words.rotate.out, "a new file")
      ->required()
      ->type_name("FILE");
  sub->add_option("--host", words.rotate.hosts, "these alone; else all")
      ->type_name("HOST");
  sub->add_option("--quorum", words.rotate.quorum,
                  "the least hosts want; else what every gate asks")
      ->type_name("ROLE=N");
  sub->add_option("--quorum-at", words.rotate.quorum_at, "more at one stage")
      ->type_name("STAGE:ROLE=N");

  sub = add("delegate", "somebody stands in for you, for a time",
            [&] { return Delegate(terminal, common, words.delegate); });
  sub->add_option("DEPUTY", words.delegate.deputy)->required();
  CLI::Option* span =
      sub->add_option("--for", words.delegate.span, "8h; a week at most")
          ->type_name("TIME");
  CLI::Option* back = sub->add_flag("--back", words.delegate.back,
                                    "nobody stands in for you any more");
  span->excludes(back);
  sub->add_option("--role", words.delegate.roles, "these; else all of yours")
      ->type_name("ROLE");
  sub->add_flag("--tasks", words.delegate.tasks,
                "your tasks in those roles, too")
      ->excludes(back);
  sub->add_option("--as", words.delegate.as, "who you are")->type_name("NAME");
  sub->add_option("--manifest", words.delegate.manifest, "your own copy")
      ->type_name("FILE");
  sub->add_option("--key", words.delegate.key, "the SSH key to sign with")
      ->type_name("FILE");
  sub->add_option("--out", words.delegate.out, "only the text, into a new file")
      ->type_name("FILE");

  sub = add("sign", "a rotation or a delegation, after reading it",
            [&] { return SignFile(terminal, common, words.sign); });
  sub->add_option("FILE", words.sign.file)->required();
  sub->add_option("--key", words.sign.key, "the SSH key to sign with")
      ->type_name("FILE");
  sub->add_option("--out", words.sign.out, "else FILE.sig")->type_name("SIG");

  sub = add("send", "hand in what was signed; hosts judge it themselves",
            [&] { return SendSigned(terminal, common, words.send); });
  sub->add_option("FILE", words.send.file)->required();
  sub->add_option("SIGNATURE", words.send.signatures, "else FILE.sig");
}

}  // namespace sluice::cli
