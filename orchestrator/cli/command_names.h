// Every command of `sluice`, for who mistyped one.

#pragma once

namespace sluice::cli {

inline constexpr const char* kCommands[] = {
    "validate", "plan",    "diff",         "explain", "forecast", "fmt",
    "import",   "init",    "isolate",      "start",   "status",   "gates",
    "show",     "go",      "no-go",        "done",    "retry",    "skip",
    "pause",    "resume",  "replan",       "end",     "brief",    "durations",
    "history",  "gate",    "audit",        "help",    "login",    "logout",
    "enrol",    "revoke",  "identities",   "rotate",  "sign",     "send",
    "delegate", "observe", "agent-config", "task"};

}  // namespace sluice::cli
