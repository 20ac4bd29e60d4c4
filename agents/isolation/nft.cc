#include "agents/isolation/nft.h"

#include <nftables/libnftables.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxError = 400;

absl::Status ToStatus(absl::string_view error) {
  if (absl::StrContains(error, "Operation not permitted")) {
    return absl::PermissionDeniedError(
        "the kernel does not permit it: only CAP_NET_ADMIN may read or change "
        "the fence (run as root), and nobody a table that another program owns "
        "(end that program)");
  }
  // The first line says what is wrong, the rest quotes the text.
  const absl::string_view head =
      absl::StripAsciiWhitespace(error.substr(0, error.find('\n')));
  const std::string message =
      absl::StrCat("nftables refuses it: ", head.substr(0, kMaxError));
  if (absl::StrContains(head, "No such file or directory")) {
    return absl::NotFoundError(message);
  }
  return absl::InternalError(message);
}

}  // namespace

Nft::~Nft() {
  if (context_ != nullptr) nft_ctx_free(context_);
}

void Nft::Rest() {
  if (context_ == nullptr) return;
  // The library forgets what it listed after a command that was only checked.
  // Its socket stays open: by that the agent knows its own changes.
  nft_ctx_set_dry_run(context_, true);
  nft_run_cmd_from_buffer(context_, "");
  nft_ctx_set_dry_run(context_, false);
}

absl::StatusOr<std::string> Nft::Run(const std::string& text, bool json) {
  if (context_ == nullptr) {
    context_ = nft_ctx_new(NFT_CTX_DEFAULT);
    if (context_ != nullptr) {
      nft_ctx_buffer_output(context_);
      nft_ctx_buffer_error(context_);
    }
  }
  if (context_ == nullptr) {
    return absl::ResourceExhaustedError(
        "libnftables does not start; free memory and start again");
  }
  // Protocols as numbers: each name would cost a reading of /etc/protocols.
  nft_ctx_output_set_flags(
      context_, json ? NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_PROTO : 0);
  const int result = nft_run_cmd_from_buffer(context_, text.c_str());
  // Each buffer is emptied by being read.
  std::string output = nft_ctx_get_output_buffer(context_);
  const std::string error = nft_ctx_get_error_buffer(context_);
  if (result != 0) return ToStatus(error);
  return output;
}

}  // namespace sluice::agent
