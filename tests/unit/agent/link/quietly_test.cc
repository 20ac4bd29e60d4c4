// As the agent's program starts gRPC; before any test uses it.
#include "agents/link/quiet_engine.h"

namespace sluice::agent {
namespace {

const bool kStarted = [] {
  UseQuietEngine();
  StartQuietly();
  return true;
}();

}  // namespace
}  // namespace sluice::agent
