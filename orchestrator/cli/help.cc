#include <string>

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/program.h"

namespace sluice::cli {
namespace {

struct Line {
  const char* command;  // empty: a heading
  const char* text;
};

constexpr int kColumn = 26;

constexpr Line kLines[] = {
    {"", "Before an incident"},
    {"validate MANIFEST", "every mistake, with its place"},
    {"plan MANIFEST", "what would come back, in which order"},
    {"diff OLD NEW", "what a new manifest changes, and for whom"},
    {"explain MANIFEST SYSTEM", "why a system comes when it comes"},
    {"forecast MANIFEST", "when everything is back, and what if"},
    {"fmt FILE…", "manifests in their one layout"},
    {"import csv|compose FILE…", "a manifest from lists that are there"},
    {"observe draft|diff", "the same from what agents saw, or against it"},
    {"init MANIFEST --out DIR", "certificates and configuration"},
    {"agent-config MANIFEST --host H", "what may be asked of that host"},
    {"enrol --host HOST", "a token by which a host gets its identity"},
    {"revoke --host HOST", "its key never speaks again"},
    {"rotate MANIFEST …", "new keys and quorum for hosts, to be signed"},
    {"sign FILE, send FILE", "sign that, hand it on to the hosts"},
    {"identities", "which hosts are enrolled, with which keys"},
    {"login, logout", "with your SSH key; others log in by themselves"},
    {"", "In an incident: isolate first"},
    {"isolate --all", "every host into quarantine"},
    {"isolate --run", "the systems of the run"},
    {"isolate SYSTEM", "one system"},
    {"isolate --host HOST", "one host"},
    {"", "Reconnecting"},
    {"start", "begin a run of the plan"},
    {"status [--watch]", "what is back, what waits, for whom and why"},
    {"gates", "every gate and who it waits for"},
    {"show GATE|STEP|HOST", "one of them in full"},
    {"go GATE", "decide: open what the gate shows"},
    {"no-go GATE --reason R", "decide: do not"},
    {"gate export|import", "the same, signed on another machine"},
    {"done TASK", "sign a task you have done"},
    {"task list|done|failed", "what people do by hand, at manual points"},
    {"delegate DEPUTY --for T", "somebody stands in for you, for a time"},
    {"retry [STEP…]", "try again what failed or was refused"},
    {"skip SYSTEM[:CHECK] …", "go on without a check, until a time"},
    {"pause, resume", "hold the run, and go on"},
    {"replan MANIFEST", "go on under another manifest's plan"},
    {"", "Afterwards, and for those who ask"},
    {"brief [--lang es]", "one page: where things stand"},
    {"history", "everything that was done, by whom, when"},
    {"durations", "what past runs took, for the next forecast"},
    {"audit verify [JOURNAL]", "is the record whole, and the one seen?"},
    {"audit sign FILE", "the record's head, signed, to keep elsewhere"},
    {"end [--reason R]", "end the run"},
    {"audit export DIR", "the record, verified without Sluice"},
};

}  // namespace

std::string HelpText(const Paint& paint) {
  std::string out = absl::StrCat(
      paint.Bold("sluice"),
      ": reconnect systems after an attack, in order, one flow at a time\n");
  for (const Line& line : kLines) {
    if (*line.command == '\0') {
      absl::StrAppend(&out, "\n", paint.Bold(line.text), "\n");
      continue;
    }
    absl::StrAppend(&out, "  ", paint.Cyan(PadTo(line.command, kColumn)), "  ",
                    line.text, "\n");
  }
  return absl::StrCat(
      out,
      "\n`sluice COMMAND --help` has the rest. --json gives programs what they "
      "need.\nThe orchestrator is found by --client FILE, $SLUICE_CLIENT, "
      "./client.yaml or\n~/.config/sluice/client.yaml, in this order.\n"
      "\nExit codes  0 done  1 mistakes, or the answer is no  2 wrong usage\n"
      "            3 refused by the state  4 no orchestrator  5 not permitted\n"
      "            6 partly isolated\n");
}

}  // namespace sluice::cli
