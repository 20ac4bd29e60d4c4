#include "orchestrator/cli/audit_verify.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/digest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/client_config.h"
#include "orchestrator/cli/head_seen.h"
#include "orchestrator/journal/audit.h"
#include "orchestrator/journal/sqlite_journal.h"

namespace sluice::cli {
namespace {

using journal::Audit;
using journal::SeenHead;

const char* WordOf(Audit::Finding finding) {
  switch (finding) {
    case Audit::Finding::kWhole:
      return "whole";
    case Audit::Finding::kDamaged:
      return "damaged";
    case Audit::Finding::kTruncated:
      return "truncated";
    case Audit::Finding::kRewritten:
      return "rewritten";
  }
  return "";
}

absl::StatusOr<SeenHead> ParseSeen(const std::string& text) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  SeenHead head{0, parts.second, absl::StrCat("--seen ", parts.first)};
  if (!absl::SimpleAtoi(parts.first, &head.sequence) || !IsDigest(head.hash)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text,
        "' is no head; write the record's number and its hash as "
        "`sluice status --json` gives them, like 120:sha256:0123…"));
  }
  return head;
}

absl::StatusOr<std::vector<SeenHead>> Heads(const Common& common,
                                            const AuditVerifyOptions& options) {
  std::vector<SeenHead> heads;
  const auto beside = journal::SqliteJournal::RememberedHead(options.journal);
  if (beside.has_value()) {
    heads.push_back({beside->sequence, beside->hash,
                     absl::StrCat(options.journal, ".head")});
  }
  // An auditor may have no client.yaml; whoever names one means it.
  const auto config = LoadClientConfig(common.client_file);
  if (config.ok()) {
    const auto seen = HeadSeen(config->file, "");
    if (seen.has_value()) heads.push_back(*seen);
  } else if (!common.client_file.empty()) {
    return config.status();
  }
  for (const std::string& text : options.seen) {
    auto head = ParseSeen(text);
    if (!head.ok()) return head.status();
    heads.push_back(*std::move(head));
  }
  return heads;
}

std::string Json(const std::string& path, const Audit& audit,
                 const std::vector<SeenHead>& heads) {
  nlohmann::ordered_json json = {{"journal", path},
                                 {"finding", WordOf(audit.finding)},
                                 {"records", audit.head.sequence},
                                 {"head", audit.head.hash}};
  if (audit.head.sequence > 0) {
    json["ends"] =
        absl::FormatTime(absl::RFC3339_sec, audit.head.at, absl::UTCTimeZone());
  }
  if (audit.finding != Audit::Finding::kWhole) json["record"] = audit.record;
  json["text"] = audit.text;
  json["compared_with"] = nlohmann::ordered_json::array();
  for (const SeenHead& head : heads) {
    json["compared_with"].push_back(
        {{"by", head.by}, {"sequence", head.sequence}, {"hash", head.hash}});
  }
  return json.dump(2, ' ', false,
                   nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace

ExitCode AuditVerify(const Terminal& terminal, const Common& common,
                     const AuditVerifyOptions& options) {
  const auto heads = Heads(common, options);
  if (!heads.ok()) return terminal.Complain(heads.status());
  const auto journal = journal::SqliteJournal::OpenToRead(options.journal);
  if (!journal.ok()) return terminal.Complain(journal.status());
  const Audit audit = journal::AuditChain(**journal, *heads);
  const bool whole = audit.finding == Audit::Finding::kWhole;
  const ExitCode code = whole ? kDone : kMistakes;
  if (common.json) {
    *terminal.out << Json(options.journal, audit, *heads);
    return code;
  }
  const Paint paint = terminal.paint();
  const std::string word = WordOf(audit.finding);
  *terminal.out << Hang(
      absl::StrCat(whole ? paint.Green(word) : paint.Red(word), ": "),
      audit.text, terminal.width);
  if (!whole && audit.head.sequence > 0) {
    *terminal.out << "Up to record " << audit.head.sequence << " it fits.\n";
  }
  *terminal.out << "head\n  " << audit.head.sequence << ":" << audit.head.hash
                << "\n";
  if (heads->empty()) {
    *terminal.out << Hang(
        "",
        "Compared with nothing: that its end was cut off cannot be seen. Note "
        "the head above elsewhere, and give it with --seen next time.",
        terminal.width);
  }
  for (const SeenHead& head : *heads) {
    *terminal.out << Hang(
        "compared with ",
        absl::StrCat("record ", head.sequence, ", seen by ", head.by),
        terminal.width);
  }
  return code;
}

}  // namespace sluice::cli
