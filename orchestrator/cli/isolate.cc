#include "orchestrator/cli/isolate.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "orchestrator/cli/interrupt.h"

namespace sluice::cli {
namespace {

constexpr int kMostNames = 12;

std::string Names(const google::protobuf::RepeatedPtrField<std::string>& all) {
  const int shown = std::min(all.size(), kMostNames);
  std::string out = absl::StrJoin(all.begin(), all.begin() + shown, ", ");
  if (shown < all.size()) {
    absl::StrAppend(&out, " and ", all.size() - shown, " more");
  }
  return out;
}

v1::IsolateRequest Request(const IsolateOptions& options) {
  v1::IsolateRequest request;
  if (options.all) {
    request.set_all(true);
  } else if (options.run) {
    request.set_run(true);
  } else if (!options.host.empty()) {
    request.set_host(options.host);
  } else {
    request.set_system(options.system);
  }
  request.set_reason(options.reason);
  request.set_confirmation(options.confirmation);
  request.set_sensor_anew(options.sensor_anew);
  return request;
}

// One line that grows on a terminal; a line a change elsewhere.
class Progress {
 public:
  explicit Progress(const Terminal& terminal) : terminal_(terminal) {}

  void Show(const v1::IsolateProgress& progress) {
    std::string line = absl::StrCat("isolating: ", progress.read_back(), " of ",
                                    progress.hosts(), " read back");
    if (progress.waiting_for_size() > 0) {
      absl::StrAppend(&line, ", waiting for ", Names(progress.waiting_for()));
    }
    if (progress.unreachable_size() > 0) {
      absl::StrAppend(&line, ", unreachable: ", Names(progress.unreachable()));
    }
    if (progress.by_hand_size() > 0) {
      absl::StrAppend(&line, ", by hand: ", Names(progress.by_hand()));
    }
    if (line == last_) return;
    last_ = line;
    if (terminal_.live) {
      *terminal_.out << "\r" << Clip(line, terminal_.width - 1) << "\x1b[K"
                     << std::flush;
      open_line_ = true;
    } else {
      *terminal_.out << Hang("", line, terminal_.width) << std::flush;
    }
  }

  void End() {
    if (open_line_) *terminal_.out << "\r\x1b[K" << std::flush;
    open_line_ = false;
  }

 private:
  const Terminal& terminal_;
  std::string last_;
  bool open_line_ = false;
};

ExitCode Conclude(const Terminal& terminal, const absl::Status& status,
                  const v1::IsolateProgress& last, absl::Duration took) {
  const Paint paint = terminal.paint();
  if (last.finished() && !last.recorded()) {
    // S5: isolating leaves even if the journal cannot be written.
    terminal.Complain(
        "isolated, not recorded: the orchestrator could not write its "
        "journal. Write down who isolated what and when, and free its disk.",
        kDone);
  }
  // S9: only what the kernel said counts.
  if (last.finished() && last.read_back() >= last.hosts() &&
      last.waiting_for_size() == 0 && last.unreachable_size() == 0) {
    if (!last.message().empty()) {
      *terminal.out << Hang("",
                            Printable(last.message(), /*keep_newlines=*/true),
                            terminal.width);
    }
    *terminal.out << paint.Green("isolated") << ": " << last.read_back()
                  << " of " << last.hosts()
                  << " hosts, kernel rules read back, in "
                  << absl::FormatDuration(
                         absl::Trunc(took, absl::Milliseconds(1)))
                  << "\n";
    return last.sensor_kept_size() == 0 ? kDone : kPartly;
  }
  std::string text = absl::StrCat("partly isolated: ", last.read_back(), " of ",
                                  last.hosts(), " hosts read back.");
  if (last.waiting_for_size() > 0) {
    absl::StrAppend(&text, " No answer yet from ", Names(last.waiting_for()),
                    ".");
  }
  if (last.unreachable_size() > 0) {
    absl::StrAppend(&text, " Unreachable: ", Names(last.unreachable()), ".");
  }
  if (last.said() > 0) {
    absl::StrAppend(
        &text, " Said to be closed by hand, not measured: ", last.said(), ".");
  }
  if (last.by_hand_size() > 0) {
    absl::StrAppend(&text,
                    " To be closed by hand, and open until somebody "
                    "says otherwise: ",
                    Names(last.by_hand()), "; `sluice task list` says how.");
  }
  if (!status.ok() && !absl::IsDeadlineExceeded(status)) {
    absl::StrAppend(&text, " The connection ended early.");
  }
  absl::StrAppend(&text,
                  " The order stays in force and reaches a host as soon as it "
                  "connects; the fences of its peers close their side. Watch "
                  "it with `sluice status --watch`, or pull the cable.");
  return terminal.Complain(Printable(text), kPartly);
}

// A protected system wants its own name, typed. Empty: not given.
std::string AskConfirmation(const Terminal& terminal,
                            const absl::Status& refusal,
                            const IsolateOptions& options) {
  *terminal.out << Hang("",
                        Printable(refusal.message(), /*keep_newlines=*/true),
                        terminal.width);
  const std::string name =
      options.system.empty() ? options.host : options.system;
  const std::string typed = terminal.Ask(
      name.empty() ? "Type the name it asks for to isolate anyway.\n> "
                   : absl::StrCat("Type ", name, " to isolate it anyway.\n> "));
  return typed;
}

}  // namespace

ExitCode Isolate(const Terminal& terminal, const Common& common,
                 const IsolateOptions& options) {
  const int scopes = (options.all ? 1 : 0) + (options.run ? 1 : 0) +
                     (options.system.empty() ? 0 : 1) +
                     (options.host.empty() ? 0 : 1);
  if (scopes != 1) {
    return terminal.Complain(
        "say what to isolate, one of: --all, --run, a SYSTEM, --host HOST. "
        "Nothing was isolated.",
        kUsage);
  }
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  const Interrupt interrupt([&] { (*client)->Cancel(); });
  v1::IsolateRequest request = Request(options);
  Progress progress(terminal);
  std::optional<v1::IsolateProgress> last;
  const absl::Time start = absl::Now();
  const auto run = [&] {
    return (*client)->Isolate(request, options.wait,
                              [&](const v1::IsolateProgress& now) {
                                last = now;
                                // A program gets one object, the last.
                                if (!common.json) progress.Show(now);
                                return !now.finished();
                              });
  };
  absl::Status status = run();
  progress.End();
  if (absl::IsFailedPrecondition(status) && !last.has_value() &&
      terminal.can_ask && !common.json && request.confirmation().empty() &&
      (absl::StrContains(status.message(), "protected") ||
       absl::StrContains(status.message(), "--confirm"))) {
    request.set_confirmation(AskConfirmation(terminal, status, options));
    if (request.confirmation().empty()) {
      return terminal.Complain("nothing was typed; nothing was isolated.",
                               kMistakes);
    }
    status = run();
    progress.End();
  }
  if (!last.has_value()) {
    // Nothing came back: the refusal, or the broken connection, says why.
    return status.ok() ? terminal.Complain(
                             "the orchestrator said nothing about isolating; "
                             "look with `sluice status`.",
                             kPartly)
                       : terminal.Complain(status);
  }
  if (common.json) {
    *terminal.out << MessageJson(*last);
    const bool all = last->finished() && last->read_back() >= last->hosts() &&
                     last->waiting_for_size() == 0 &&
                     last->unreachable_size() == 0 &&
                     last->sensor_kept_size() == 0;
    return all ? kDone : kPartly;
  }
  return Conclude(terminal, status, *last, absl::Now() - start);
}

}  // namespace sluice::cli
