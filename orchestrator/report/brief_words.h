// Every word of the brief, once a language. States and categories stay as the
// programs write them, so that a brief can be held against a screen.
//
// "%1", "%2", … stand for values; see Fill().

#pragma once

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice {

struct BriefWords {
  const char* title;
  const char* run_line;
  const char* no_run;
  const char* ended;
  const char* held;

  const char* back;
  const char* nothing_back;
  const char* everything_back;
  const char* not_back;
  const char* not_back_line;
  const char* failed;
  const char* unknown_host;
  const char* unknown_never;
  const char* partial;

  const char* wait_gate;
  const char* wait_round;
  const char* wait_stage;
  const char* wait_task;
  const char* wait_need;
  const char* wait_check;
  const char* wait_host;
  const char* wait_soak;
  const char* wait_person;
  const char* wait_retry;
  const char* wait_run;
  const char* wait_paused;
  const char* wait_nothing_known;
  const char* somebody;

  const char* decision;
  const char* no_decision;
  const char* gate_asks;
  const char* gate_until;
  const char* gate_refused;
  const char* gate_held;
  const char* task_wanted;
  const char* answer_with;

  const char* forecast;
  const char* forecast_range;
  const char* forecast_none;
  const char* forecast_done;
  const char* critical_path;

  const char* waivers;
  const char* unproven;
  const char* none;

  const char* decided;
  const char* vote_go;
  const char* vote_no_go;
  const char* task_signed;
  const char* isolated_by;

  const char* isolation;
  const char* hosts_line;
  const char* flows_line;
  const char* host_problem;
  const char* never_seen;
  const char* isolations;

  const char* journal;
  const char* journal_broken;
  const char* more;
};

// "en" or "es"; nullptr for a language that is not there.
const BriefWords* FindBriefWords(absl::string_view language);

// `pattern` with "%1"… replaced by `values`, in one pass.
std::string Fill(absl::string_view pattern,
                 std::initializer_list<std::string> values);

}  // namespace sluice
