// Other services in a service's environment: "KAFKA_ADDR=kafka:9092". Values
// are looked through for names and ports, and never shown: passwords are among
// them.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "orchestrator/importers/compose_service.h"

namespace sluice::importers {

// A variable that names a service and a port of it.
struct Mention {
  std::string variable;
  std::string target;  // the service, as written
  uint16_t port = 0;
};

// By the raw name of the service whose environment it is.
using Mentions = std::map<std::string, std::vector<Mention>>;

// "kafka:9092" in "PLAINTEXT://kafka:9092,…", for every name that services
// have.
Mentions FindMentions(const std::map<std::string, ComposeService>& services);

}  // namespace sluice::importers
