#include "orchestrator/cli/gate_files.h"

#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "common/signature.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/decide.h"
#include "orchestrator/cli/files.h"

namespace sluice::cli {
namespace {

constexpr size_t kLargest = 4 << 20;
constexpr char kText[] = "decision.txt";
constexpr char kSignature[] = "decision.txt.sig";
constexpr char kAbout[] = "decision.json";

std::string In(const std::string& folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

absl::Status WriteFolder(const std::string& folder,
                         const v1::DecideRequest& request,
                         const std::string& text) {
  if (mkdir(folder.c_str(), S_IRWXU) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot make '", folder, "'"));
  }
  const nlohmann::ordered_json about = {{"gate", request.gate()},
                                        {"go", request.go()},
                                        {"reason", request.reason()},
                                        {"body_digest", request.body_digest()},
                                        {"text_digest", Sha256(text)}};
  SLUICE_RETURN_IF_ERROR(WriteNewFile(In(folder, kText), text));
  return WriteNewFile(In(folder, kAbout), about.dump(2) + "\n");
}

absl::StatusOr<v1::DecideRequest> ReadFolder(const std::string& folder) {
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(In(folder, kText), kLargest));
  SLUICE_ASSIGN_OR_RETURN(const std::string about,
                          ReadWholeFile(In(folder, kAbout), kLargest));
  v1::DecideRequest request;
  try {
    const auto json = nlohmann::json::parse(about);
    request.set_gate(json.at("gate").get<std::string>());
    request.set_go(json.at("go").get<bool>());
    request.set_reason(json.at("reason").get<std::string>());
    request.set_body_digest(json.at("body_digest").get<std::string>());
    if (json.at("text_digest").get<std::string>() != Sha256(text)) {
      return absl::DataLossError(absl::StrCat(
          In(folder, kText),
          " is not the text that was exported; export the gate again"));
    }
  } catch (const nlohmann::json::exception&) {
    return absl::InvalidArgumentError(absl::StrCat(
        In(folder, kAbout), " is not what `sluice gate export` writes"));
  }
  auto signature = ReadWholeFile(In(folder, kSignature), kLargest);
  if (!signature.ok()) {
    return absl::NotFoundError(
        absl::StrCat(signature.status().message(), "; sign ", In(folder, kText),
                     " first: ssh-keygen -Y sign -n ", signed_as::kDecision,
                     " -f KEY ", In(folder, kText)));
  }
  // A damaged or foreign signature is found here, not at the gate.
  SLUICE_ASSIGN_OR_RETURN(const SshPublicKey signer, SignerOf(*signature));
  SLUICE_RETURN_IF_ERROR(
      VerifySsh(signer, signed_as::kDecision, text, *signature));
  request.set_signature(*std::move(signature));
  return request;
}

}  // namespace

ExitCode ExportGate(const Terminal& terminal, const Common& common,
                    const GateFileOptions& options) {
  const bool go = options.no_go.empty();
  const auto asked = AskedOf(common, options.gate, options.manifest, go);
  if (!asked.ok()) return terminal.Complain(asked.status());
  v1::DecideRequest request;
  request.set_gate(asked->detail.gate().id());
  request.set_go(go);
  request.set_reason(options.no_go);
  request.set_body_digest(asked->detail.gate().body_digest());
  const std::string text = TextToSign(asked->detail, go, options.no_go);
  const absl::Status written = WriteFolder(options.folder, request, text);
  if (!written.ok()) return terminal.Complain(written);
  *terminal.out
      << Hang("",
              absl::StrCat(
                  "what a ", go ? "go" : "no-go", " signs is in ",
                  In(options.folder, kText),
                  ". Sign it where the key is, then `sluice gate import ",
                  options.folder, "`:"),
              terminal.width)
      << "ssh-keygen -Y sign -n " << signed_as::kDecision << " -f KEY " << kText
      << "\n";
  return kDone;
}

ExitCode ImportGate(const Terminal& terminal, const Common& common,
                    const GateFileOptions& options) {
  const auto request = ReadFolder(options.folder);
  if (!request.ok()) return terminal.Complain(request.status());
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  return Report(terminal, common.json, (*client)->Decide(*request));
}

}  // namespace sluice::cli
