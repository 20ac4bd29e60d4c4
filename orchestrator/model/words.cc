#include "orchestrator/model/words.h"

namespace sluice {

const char* WordOf(Strength strength) {
  return strength == Strength::kHard ? "hard" : "soft";
}

const char* WordOf(Priority priority) {
  switch (priority) {
    case Priority::kHigh:
      return "high";
    case Priority::kNormal:
      return "normal";
    case Priority::kLow:
      return "low";
  }
  return "normal";
}

const char* WordOf(OnFailure policy) {
  switch (policy) {
    case OnFailure::kIsolate:
      return "isolate";
    case OnFailure::kIsolateDependents:
      return "isolate-dependents";
    case OnFailure::kHold:
      return "hold";
  }
  return "hold";
}

const char* WordOf(Grade grade) {
  switch (grade) {
    case Grade::kKernel:
      return "kernel";
    case Grade::kDriven:
      return "driven";
    case Grade::kManual:
      return "manual";
  }
  return "manual";
}

}  // namespace sluice
