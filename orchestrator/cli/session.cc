#include "orchestrator/cli/session.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "common/contract.h"
#include "common/status.h"
#include "orchestrator/cli/client_config.h"

namespace sluice::cli {

absl::StatusOr<std::unique_ptr<Client>> Connect(const Common& common) {
  SLUICE_ASSIGN_OR_RETURN(const ClientConfig config,
                          LoadClientConfig(common.client_file));
  return Client::Dial(config);
}

absl::StatusOr<Knowing> ConnectKnowing(const Common& common) {
  Knowing now;
  SLUICE_ASSIGN_OR_RETURN(now.config, LoadClientConfig(common.client_file));
  SLUICE_ASSIGN_OR_RETURN(now.client, Client::Dial(now.config));
  SLUICE_ASSIGN_OR_RETURN(now.status, now.client->GetStatus());
  return now;
}

std::string MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  SLUICE_CHECK(
      google::protobuf::util::MessageToJsonString(message, &json, options)
          .ok());
  if (json.empty() || json.back() != '\n') json += '\n';
  return json;
}

ExitCode Report(const Terminal& terminal, bool json,
                const absl::StatusOr<v1::Accepted>& result) {
  if (!result.ok()) return terminal.Complain(result.status());
  if (json) {
    *terminal.out << MessageJson(*result);
  } else {
    *terminal.out << Hang("",
                          Printable(result->message(), /*keep_newlines=*/true),
                          terminal.width);
  }
  return kDone;
}

}  // namespace sluice::cli
