#include "orchestrator/journal/audit.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice::journal {
namespace {

constexpr size_t kReadAtOnce = 4096;

std::string Records(uint64_t count) {
  return absl::StrCat(count, count == 1 ? " record" : " records");
}

// The first head that a record of this number and hash belies.
const SeenHead* Belied(const std::vector<SeenHead>& seen,
                       const Record& record) {
  for (const SeenHead& head : seen) {
    if (head.sequence == record.sequence && head.hash != record.hash) {
      return &head;
    }
  }
  return nullptr;
}

Audit Found(Audit audit, Audit::Finding finding, uint64_t record,
            std::string text) {
  audit.finding = finding;
  audit.record = record;
  audit.text = std::move(text);
  return audit;
}

}  // namespace

Audit AuditChain(Journal& journal, const std::vector<SeenHead>& seen) {
  Audit audit;
  const SeenHead* belied = nullptr;
  while (true) {
    const auto records = journal.Read(audit.head.sequence + 1, kReadAtOnce);
    if (!records.ok()) {
      return Found(std::move(audit), Audit::Finding::kDamaged,
                   audit.head.sequence + 1,
                   std::string(records.status().message()));
    }
    if (records->empty()) break;
    for (const Record& record : *records) {
      const absl::Status link =
          CheckLink(record, audit.head.sequence, audit.head.hash);
      if (!link.ok()) {
        return Found(std::move(audit), Audit::Finding::kDamaged,
                     audit.head.sequence + 1, std::string(link.message()));
      }
      if (belied == nullptr) belied = Belied(seen, record);
      audit.head = Head{record.sequence, record.hash, record.at};
    }
  }
  if (belied != nullptr) {
    return Found(
        std::move(audit), Audit::Finding::kRewritten, belied->sequence,
        absl::StrCat("record ", belied->sequence, " is not the one that ",
                     belied->by,
                     " saw: the chain was written anew at or before it, or "
                     "this is another estate's journal"));
  }
  const auto longest = std::max_element(
      seen.begin(), seen.end(), [](const SeenHead& a, const SeenHead& b) {
        return a.sequence < b.sequence;
      });
  if (longest != seen.end() && longest->sequence > audit.head.sequence) {
    const uint64_t last = audit.head.sequence;
    return Found(
        std::move(audit), Audit::Finding::kTruncated, last + 1,
        absl::StrCat("it ends at record ", last, ", but ", longest->by,
                     " saw record ", longest->sequence, ": ",
                     Records(longest->sequence - last), " missing at its end"));
  }
  audit.text =
      absl::StrCat(Records(audit.head.sequence), ", each fits the one before",
                   seen.empty() ? "" : " and what others saw");
  return audit;
}

}  // namespace sluice::journal
