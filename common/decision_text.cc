#include "common/decision_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice {
namespace {

// A text of several lines cannot look like other facts.
void AddLines(absl::string_view key, absl::string_view text,
              std::string* body) {
  if (text.empty()) return;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::StrAppend(body, key, " ", line, "\n");
  }
}

}  // namespace

std::string HeadText(const EstateId& estate, uint64_t record,
                     absl::string_view head) {
  return absl::StrCat("sluice head 1\nestate ", estate.str(), "\nrecord ",
                      record, "\nhead ", head, "\n");
}

std::string NoGoText(absl::string_view release_digest,
                     absl::string_view reason) {
  std::string body =
      absl::StrCat("sluice no-go 1\nrelease ", release_digest, "\n");
  AddLines("reason", reason, &body);
  return body;
}

std::string ConfirmText(absl::string_view release_digest) {
  return absl::StrCat("sluice confirm 1\nrelease ", release_digest, "\n");
}

std::string TaskText::Body() const {
  std::string body =
      absl::StrCat("sluice task 1\nestate ", estate.str(), "\nrun ", run.str(),
                   "\ntask ", task.str(), "\n");
  AddLines("what", what, &body);
  AddLines("relayed-for", relayed_for.str(), &body);
  AddLines("note", note, &body);
  AddLines("attachment", attachment_digest, &body);
  return body;
}

std::string WaiverText::Body() const {
  std::string body =
      absl::StrCat("sluice waiver 1\nestate ", estate.str(), "\nrun ",
                   run.str(), "\n");
  AddLines("step", step.str(), &body);
  AddLines("check", check.str(), &body);
  AddLines("until",
           absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", until, absl::UTCTimeZone()),
           &body);
  AddLines("reason", reason, &body);
  return body;
}

std::string PointText::Body() const {
  std::string body =
      absl::StrCat("sluice point 1\nestate ", estate.str(), "\n");
  AddLines("run", run.str(), &body);
  AddLines("point", point.str(), &body);
  AddLines("task", task.str(), &body);
  AddLines("order", order, &body);
  AddLines("verb", verb, &body);
  AddLines("release", release_digest, &body);
  for (const Flow& flow : flows) AddLines("flow", flow.Line(), &body);
  AddLines("outcome", done ? "done" : "failed", &body);
  AddLines("saw", saw, &body);
  return body;
}

}  // namespace sluice
