#include "orchestrator/cli/audit.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/decision_text.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/own_copy.h"
#include "orchestrator/journal/sqlite_journal.h"
#include "sluice/v1/journal.pb.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;
namespace pb = v1::journal;

constexpr size_t kReadAtOnce = 1024;

constexpr char kReadme[] = R"README(# What was decided, by whom

A journal of Sluice, in a form that needs nothing of Sluice to be verified.

- `records/N`: one record each, exactly the bytes that its hash is of. Line 2
  says its number, time (microseconds since 1970), kind and version; line 3 is
  the hash of the record before.
- `records.sha256`: the hash of each.
- `signed/NAME.txt` and `.sig`: what somebody signed, and the SSH signature.
- `signed/list`: NAME, who, for what (the namespace), the record, and where in
  it the text stands (byte, length). Signatures of a rotation by keys that the
  manifest does not name any more are in `signed/` (NAME-2, …), not in the list.
- `refused`: who was refused at the door, for reading: record, time, address (or
  how many others), refused logins, enrolments and calls, why the last was.
- `allowed_signers`: whose keys count. Compare it with keys that you have from
  the people themselves: it was made from the manifest of whoever exported.
  Who is called `break-glass-of-HOST` is taken from the signature itself: the
  key that counts stands in that host's agent.yaml, so compare.

Run in this folder; every line has to end well:

```sh
set -e
sha256sum --quiet --check records.sha256
previous=sha256:$(printf 'sluice journal 1\n' | sha256sum | cut -d' ' -f1)
for record in records/*; do
  test "$(LC_ALL=C sed -n 3p "$record" | tr -d '\0')" = "$previous"
  previous=sha256:$(sha256sum < "$record" | cut -d' ' -f1)
done
test "$previous" = "$(cat head)"
while read -r name who purpose record byte length; do
  tail -c "+$byte" "$record" | head -c "$length" | cmp - "signed/$name.txt"
  ssh-keygen -Y verify -f allowed_signers -I "$who" -n "$purpose" \
    -s "signed/$name.sig" < "signed/$name.txt"
done < signed/list
```

`head` is the hash that the chain ends in. Compare it with one that an operator
noted (`sluice status --json`, `journal_head`) to see that nothing was cut off
at the end. One that somebody signed (`sluice audit sign FILE`) names its
record, whose hash stands in `records.sha256`; who signed it is shown by

    ssh-keygen -Y verify -f allowed_signers -I WHO -n head@sluice \
      -s FILE.sig < FILE
)README";

std::string RecordText(const journal::Record& record) {
  // The same text as journal::RecordHash() is of; the chain is checked with
  // it.
  return absl::StrCat("sluice journal record 1\n", record.sequence, " ",
                      absl::ToUnixMicros(record.at), " ", record.kind, " ",
                      record.version, "\n", record.previous, "\n",
                      record.commands, "\n", record.payload);
}

// What one record says was signed.
struct Signed {
  std::string who;
  absl::string_view purpose;
  std::string text;
  std::string signature;
};

template <class Message>
Signed Take(const std::string& payload, absl::string_view purpose) {
  Message message;
  if (!message.ParseFromString(payload)) return {};
  return {message.by(), purpose, message.text(), message.signature()};
}

// Who signed a rotation stands in no field: their keys say it.
std::string NameOfSigner(const Plan& plan, const std::string& signature) {
  const auto signer = SignerOf(signature);
  for (const Approver& approver : plan.approvers) {
    const auto key = SshPublicKey::Parse(approver.key);
    if (signer.ok() && key.ok() && *key == *signer) return approver.id.str();
  }
  return "";
}

std::vector<Signed> TrustIn(const std::string& payload, const Plan& plan) {
  pb::TrustChanged change;
  if (!change.ParseFromString(payload)) return {};
  const absl::string_view purpose =
      absl::StartsWith(change.text(), "sluice rotation ")
          ? signed_as::kRotation
          : signed_as::kDelegation;
  std::vector<Signed> all;
  for (const std::string& one : change.signatures()) {
    all.push_back({NameOfSigner(plan, one), purpose, change.text(), one});
  }
  return all;
}

// The key that a host pins stands on that host alone: what is exported names
// it by its signature, so that it can be compared with the host's agent.yaml.
constexpr char kGlassOf[] = "break-glass-of-";

std::vector<Signed> GlassIn(const std::string& payload) {
  pb::GlassBroken glass;
  if (!glass.ParseFromString(payload)) return {};
  return {{absl::StrCat(kGlassOf, glass.host()), signed_as::kBreakGlass,
           glass.text(), glass.signature()}};
}

std::vector<Signed> SignedIn(const journal::Record& record, const Plan& plan) {
  switch (record.kind) {
    case pb::KIND_DECISION_MADE:
      return {Take<pb::DecisionMade>(record.payload, signed_as::kDecision)};
    case pb::KIND_TASK_SIGNED:
      return {Take<pb::TaskSigned>(record.payload, signed_as::kTask)};
    case pb::KIND_POINT_REPORTED:
      return {Take<pb::PointReported>(record.payload, signed_as::kPoint)};
    case pb::KIND_WAIVER_GIVEN:
      return {Take<pb::WaiverGiven>(record.payload, signed_as::kWaiver)};
    case pb::KIND_IDENTITY_CHANGED:  // a login; the others carry no signature
      return {Take<pb::IdentityChanged>(record.payload, signed_as::kLogin)};
    case pb::KIND_TRUST_CHANGED:
      return TrustIn(record.payload, plan);
    case pb::KIND_GLASS_BROKEN:
      return GlassIn(record.payload);
    default:
      break;
  }
  pb::OrderReported report;
  if (record.kind != pb::KIND_ORDER_REPORTED ||
      !report.ParseFromString(record.payload) || !report.has_evidence()) {
    return {};
  }
  return {{report.host(), signed_as::kEvidence, report.evidence().text(),
           report.evidence().signature()}};
}

class Exporter {
 public:
  explicit Exporter(const fs::path& out) : out_(out) {}

  absl::Status Begin(const OwnCopy& own) {
    plan_ = own.plan;
    for (const char* name : {"", "records", "signed"}) {
      if (mkdir((out_ / name).c_str(), S_IRWXU) != 0) {
        return absl::ErrnoToStatus(
            errno, absl::StrCat("cannot make '", (out_ / name).string(), "'"));
      }
    }
    std::string allowed;
    for (const Approver& approver : own.plan->approvers) {
      if (approver.key.empty()) continue;
      absl::StrAppend(&allowed, approver.id.str(), " namespaces=\"",
                      signed_as::kDecision, ",", signed_as::kTask, ",",
                      signed_as::kLogin, ",", signed_as::kRotation, ",",
                      signed_as::kDelegation, ",", signed_as::kHead, ",",
                      signed_as::kWaiver, ",", signed_as::kPoint, "\" ",
                      approver.key, "\n");
    }
    for (const auto& [host, key] : own.host_keys) {
      absl::StrAppend(&allowed, host.str(), " namespaces=\"",
                      signed_as::kEvidence, "\" ", key, "\n");
    }
    allowed_ = std::move(allowed);
    return Write("README.md", kReadme);
  }

  absl::Status Add(const journal::Record& record) {
    const std::string text = RecordText(record);
    const std::string name = absl::StrFormat("records/%010d", record.sequence);
    SLUICE_RETURN_IF_ERROR(Write(name, text));
    absl::StrAppend(&hashes_, record.hash.substr(record.hash.find(':') + 1),
                    "  ", name, "\n");
    report_.records = record.sequence;
    report_.head = record.hash;
    if (record.kind == pb::KIND_ACCESS_REFUSED) NoteRefused(record);
    int nth = 0;
    for (const Signed& one : SignedIn(record, *plan_)) {
      // What was recorded before signatures were kept has none, and whose key
      // the manifest does not name cannot be verified by it.
      if (one.signature.empty() || one.text.empty()) continue;
      const std::string label =
          absl::StrCat(absl::StrFormat("%010d", record.sequence),
                       nth == 0 ? "" : absl::StrCat("-", nth + 1));
      ++nth;
      const size_t at = text.find(one.text);
      SLUICE_RETURN_IF_ERROR(
          Write(absl::StrCat("signed/", label, ".txt"), one.text));
      SLUICE_RETURN_IF_ERROR(
          Write(absl::StrCat("signed/", label, ".sig"), one.signature));
      if (one.who.empty()) continue;
      if (one.purpose == signed_as::kBreakGlass) AllowGlass(one);
      absl::StrAppend(&list_, label, " ", one.who, " ", one.purpose, " ", name,
                      " ", at + 1, " ", one.text.size(), "\n");
      ++report_.signatures;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<AuditReport> End() {
    SLUICE_RETURN_IF_ERROR(Write("allowed_signers", allowed_));
    SLUICE_RETURN_IF_ERROR(Write("records.sha256", hashes_));
    SLUICE_RETURN_IF_ERROR(Write("signed/list", list_));
    SLUICE_RETURN_IF_ERROR(Write("refused", refused_));
    SLUICE_RETURN_IF_ERROR(Write("head", absl::StrCat(report_.head, "\n")));
    return report_;
  }

 private:
  void NoteRefused(const journal::Record& record) {
    pb::AccessRefused refused;
    if (!refused.ParseFromString(record.payload)) return;
    absl::StrAppend(
        &refused_, record.sequence, " ",
        absl::FormatTime(absl::RFC3339_sec, record.at, absl::UTCTimeZone()),
        " ",
        refused.address().empty()
            ? absl::StrCat("(", refused.addresses(), " others)")
            : refused.address(),
        " ", refused.logins(), " ", refused.tokens(), " ", refused.calls(), " ",
        refused.last(), "\n");
  }

  void AllowGlass(const Signed& one) {
    const auto key = SignerOf(one.signature);
    if (!key.ok()) return;
    const std::string line =
        absl::StrCat(one.who, " namespaces=\"", signed_as::kBreakGlass, "\" ",
                     key->Line(), "\n");
    if (!absl::StrContains(allowed_, line)) allowed_ += line;
  }

  absl::Status Write(const std::string& name, const std::string& text) {
    return WriteNewFile((out_ / name).string(), text);
  }

  const fs::path out_;
  std::shared_ptr<const Plan> plan_;
  std::string allowed_;
  std::string hashes_;
  std::string list_;
  std::string refused_;
  AuditReport report_;
};

}  // namespace

absl::StatusOr<AuditReport> ExportAudit(const AuditOptions& options) {
  std::error_code ignored;
  if (!fs::exists(options.journal, ignored)) {
    return absl::NotFoundError(absl::StrCat(
        "there is no journal '", options.journal,
        "'; name the orchestrator's journal.db, or a copy of it with its -wal "
        "and .head, with --journal FILE"));
  }
  SLUICE_ASSIGN_OR_RETURN(const OwnCopy own,
                          LoadOwnCopy(options.manifest, ClientConfig()));
  // Noted before the journal is opened: a running orchestrator goes on.
  const std::optional<journal::Head> noted =
      journal::SqliteJournal::RememberedHead(options.journal);
  SLUICE_ASSIGN_OR_RETURN(const std::unique_ptr<journal::SqliteJournal> journal,
                          journal::SqliteJournal::OpenToRead(options.journal));
  const uint64_t last = journal->last_sequence();
  if (noted.has_value() && noted->sequence > last) {
    return absl::DataLossError(absl::StrCat(
        "the journal ends at record ", last, " and record ", noted->sequence,
        " was acknowledged: its end was lost, or it was copied without its "
        "-wal; look at it with `sluice audit verify`"));
  }
  Exporter exporter(options.out);
  SLUICE_RETURN_IF_ERROR(exporter.Begin(own));
  uint64_t sequence = 0;
  std::string previous = journal::GenesisHash();
  while (sequence < last) {
    SLUICE_ASSIGN_OR_RETURN(
        const std::vector<journal::Record> records,
        journal->Read(sequence + 1,
                      std::min<uint64_t>(kReadAtOnce, last - sequence)));
    if (records.empty()) break;
    for (const journal::Record& record : records) {
      SLUICE_RETURN_IF_ERROR(journal::CheckLink(record, sequence, previous));
      SLUICE_RETURN_IF_ERROR(exporter.Add(record));
      sequence = record.sequence;
      previous = record.hash;
    }
  }
  return exporter.End();
}

ExitCode AuditExport(const Terminal& terminal, const AuditOptions& options) {
  const auto report = ExportAudit(options);
  if (!report.ok()) return terminal.Complain(report.status());
  *terminal.out << Hang(
      "",
      absl::StrCat(report->records, " records and ", report->signatures,
                   " signatures are in ", options.out,
                   "; its README.md has the commands that verify them."),
      terminal.width);
  *terminal.out << "head\n  " << report->head << "\n";
  return kDone;
}

}  // namespace sluice::cli
