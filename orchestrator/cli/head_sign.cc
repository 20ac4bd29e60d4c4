#include "orchestrator/cli/head_sign.h"

#include "absl/strings/str_cat.h"
#include "common/decision_text.h"
#include "orchestrator/cli/client_config.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/sign.h"
#include "orchestrator/report/layout.h"

namespace sluice::cli {

ExitCode SignHead(const Terminal& terminal, const Common& common,
                  const SignHeadOptions& options) {
  const auto config = LoadClientConfig(common.client_file);
  if (!config.ok()) return terminal.Complain(config.status());
  const auto key = FindSigningKey(options.key, *config);
  if (!key.ok()) return terminal.Complain(key.status());
  const auto client = Client::Dial(*config);
  if (!client.ok()) return terminal.Complain(client.status());
  const auto status = (*client)->GetStatus();
  if (!status.ok()) return terminal.Complain(status.status());
  // What speaks against it is said before anything is signed: this client saw
  // another head, perhaps.
  for (const std::string& warning : status->warnings()) {
    *terminal.out << Hang("! ", warning, terminal.width);
  }
  const std::string text =
      HeadText(EstateId(status->estate()), status->journal_sequence(),
               status->journal_head());
  const auto signature = SignText(*key, signed_as::kHead, text);
  if (!signature.ok()) return terminal.Complain(signature.status());
  absl::Status written = WriteNewFile(options.out, text);
  const std::string beside = absl::StrCat(options.out, ".sig");
  if (written.ok()) written = WriteNewFile(beside, *signature);
  if (!written.ok()) return terminal.Complain(written);
  *terminal.out << Hang(
      "",
      absl::StrCat("record ", status->journal_sequence(),
                   " is signed: ", options.out, " and ", beside,
                   ". Keep them where the orchestrator's keeper cannot reach; "
                   "`sluice audit verify --seen ",
                   status->journal_sequence(),
                   ":HASH` compares a journal, and"),
      terminal.width);
  *terminal.out << "  ssh-keygen -Y verify -n " << signed_as::kHead
                << " -f allowed_signers \\\n    -I NAME -s FILE.sig < FILE\n"
                << "shows who signed it.\n";
  return kDone;
}

}  // namespace sluice::cli
