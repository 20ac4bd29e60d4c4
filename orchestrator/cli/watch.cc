#include "orchestrator/cli/watch.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "orchestrator/cli/client_config.h"
#include "orchestrator/cli/interrupt.h"
#include "orchestrator/cli/status_text.h"
#include "orchestrator/report/time_text.h"

namespace sluice::cli {
namespace {

constexpr absl::Duration kRedraw = absl::Seconds(1);
constexpr size_t kMostUnread = 256;
constexpr absl::Duration kRedial = absl::Seconds(1);

// Draws frames over each other, without an alternate screen: the last one
// stays for the person to scroll back to.
class Canvas {
 public:
  explicit Canvas(std::ostream* out) : out_(out) {
    *out_ << "\x1b[?25l" << std::flush;  // hide the cursor
  }
  ~Canvas() { *out_ << "\x1b[?25h" << std::flush; }
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  void Draw(const std::string& text) {
    std::string frame = "\r";
    if (lines_ > 0) absl::StrAppend(&frame, "\x1b[", lines_, "A");
    for (const char c : text) {
      // Clear to the end of each line, so that nothing longer shines through.
      if (c == '\n') absl::StrAppend(&frame, "\x1b[K");
      frame += c;
    }
    absl::StrAppend(&frame, "\x1b[J");
    *out_ << frame << std::flush;
    lines_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

 private:
  std::ostream* out_;
  int lines_ = 0;
};

// What the reading thread learned, for the drawing one.
struct Latest {
  absl::Mutex mutex;
  std::optional<v1::Status> status ABSL_GUARDED_BY(mutex);
  // For a log, each one counts; what a slow reader leaves behind is dropped
  // from the front.
  std::deque<v1::Status> unread ABSL_GUARDED_BY(mutex);
  absl::Time received ABSL_GUARDED_BY(mutex);
  absl::Status away ABSL_GUARDED_BY(mutex);  // why nobody answers just now
  absl::Time away_since ABSL_GUARDED_BY(mutex);
  bool changed ABSL_GUARDED_BY(mutex) = false;
  bool finished ABSL_GUARDED_BY(mutex) = false;
  bool interrupted ABSL_GUARDED_BY(mutex) = false;
  Client* client ABSL_GUARDED_BY(mutex) = nullptr;
};

// Only these mean "gone for now"; anything else will not get better.
bool MayComeBack(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsUnauthenticated(status) || status.ok();
}

// Reads until the run ends, an interruption, or an error that stays.
absl::Status Read(const ClientConfig& config, std::unique_ptr<Client> client,
                  Latest* latest) {
  bool was_running = false;
  while (true) {
    if (client != nullptr) {
      {
        absl::MutexLock lock(&latest->mutex);
        if (latest->interrupted) return absl::OkStatus();
        latest->client = client.get();
      }
      bool ended = false;
      const absl::Status status = client->WatchStatus([&](const v1::Status& s) {
        const std::string& state = s.run().state();
        ended = was_running && state == "ended";
        was_running = was_running || state == "active" || state == "paused" ||
                      state == "held";
        absl::MutexLock lock(&latest->mutex);
        latest->status = s;
        latest->unread.push_back(s);
        if (latest->unread.size() > kMostUnread) latest->unread.pop_front();
        latest->received = absl::Now();
        latest->away = absl::OkStatus();
        latest->changed = true;
        return !ended;
      });
      absl::MutexLock lock(&latest->mutex);
      latest->client = nullptr;
      if (ended || latest->interrupted) return absl::OkStatus();
      if (!MayComeBack(status)) return status;
      if (latest->away.ok()) latest->away_since = absl::Now();
      latest->away = absl::UnavailableError(status.message());
      latest->changed = true;
    }
    auto dialled = Client::Dial(config);
    client = dialled.ok() ? std::move(*dialled) : nullptr;
    if (client == nullptr) {
      // It answered once, so it is waited for, whatever answers meanwhile in
      // its place. An interruption ends the pause between two attempts.
      absl::MutexLock lock(&latest->mutex);
      latest->mutex.AwaitWithTimeout(absl::Condition(&latest->interrupted),
                                     kRedial);
      if (latest->interrupted) return absl::OkStatus();
    }
  }
}

std::string AwayLine(absl::Time since, absl::Time now, int width,
                     const Paint& paint) {
  return paint.Red(
      Hang("! ",
           absl::StrCat("no answer from the orchestrator for ",
                        SpanText(now - since),
                        "; below is what it last said. Leased flows close by "
                        "themselves. Trying again…"),
           width));
}

class Watcher {
 public:
  Watcher(const Terminal& terminal, bool json)
      : terminal_(terminal), json_(json) {
    if (terminal.live && !json) canvas_.emplace(terminal.out);
  }

  void Show(v1::Status status, std::deque<v1::Status> unread,
            absl::Time received, bool away, absl::Time away_since) {
    if (canvas_.has_value()) {
      Draw(std::move(status), received, away, away_since);
      return;
    }
    for (v1::Status& one : unread) Print(std::move(one));
    SayAway(away);
  }

 private:
  void Draw(v1::Status status, absl::Time received, bool away,
            absl::Time away_since) {
    MakePrintable(&status);
    const absl::Time now = absl::Now();
    status.set_now_ms(status.now_ms() +
                      absl::ToInt64Milliseconds(now - received));
    std::string head;
    if (away) {
      head = AwayLine(away_since, now, terminal_.width, terminal_.paint());
    }
    const int used =
        static_cast<int>(std::count(head.begin(), head.end(), '\n'));
    canvas_->Draw(absl::StrCat(
        head, StatusText(status, {.width = terminal_.width,
                                  .colour = terminal_.colour,
                                  .height = terminal_.height - 1 - used})));
  }

  void SayAway(bool away) {
    if (away == away_ || json_) return;
    away_ = away;
    *terminal_.out << ClockText(absl::ToUnixMillis(absl::Now()))
                   << (away ? "  no answer from the orchestrator; trying "
                              "again\n"
                            : "  the orchestrator answers again\n")
                   << std::flush;
  }

  void Print(v1::Status status) {
    if (json_) {
      google::protobuf::util::JsonPrintOptions options;
      options.always_print_primitive_fields = true;
      options.preserve_proto_field_names = true;
      std::string line;
      if (google::protobuf::util::MessageToJsonString(status, &line, options)
              .ok()) {
        *terminal_.out << line << std::endl;
      }
      return;
    }
    MakePrintable(&status);
    if (!before_.has_value()) {
      *terminal_.out << StatusText(status, {.width = terminal_.width});
    } else {
      for (const std::string& line : StatusChanges(*before_, status)) {
        *terminal_.out << line << "\n";
      }
    }
    *terminal_.out << std::flush;
    before_ = std::move(status);
  }

  const Terminal& terminal_;
  const bool json_;
  std::optional<Canvas> canvas_;
  std::optional<v1::Status> before_;
  bool away_ = false;
};

}  // namespace

ExitCode WatchStatus(const Terminal& terminal, const Common& common) {
  const auto config = LoadClientConfig(common.client_file);
  if (!config.ok()) return terminal.Complain(config.status());
  // The first connection has to stand: a wrong address is said at once.
  auto client = Client::Dial(*config);
  if (!client.ok()) return terminal.Complain(client.status());

  Latest latest;
  absl::Status result;
  {
    const Interrupt interrupt([&latest] {
      absl::MutexLock lock(&latest.mutex);
      latest.interrupted = true;
      if (latest.client != nullptr) latest.client->Cancel();
    });
    std::thread reader([&] {
      result = Read(*config, *std::move(client), &latest);
      absl::MutexLock lock(&latest.mutex);
      latest.finished = true;
      latest.changed = true;
    });
    Watcher watcher(terminal, common.json);
    bool finished = false;
    while (!finished) {
      std::optional<v1::Status> status;
      std::deque<v1::Status> unread;
      absl::Time received;
      absl::Time away_since;
      bool away = false;
      {
        absl::MutexLock lock(&latest.mutex);
        latest.mutex.AwaitWithTimeout(absl::Condition(&latest.changed),
                                      kRedraw);
        latest.changed = false;
        status = latest.status;
        unread.swap(latest.unread);
        received = latest.received;
        away = !latest.away.ok();
        away_since = latest.away_since;
        finished = latest.finished;
      }
      if (status.has_value()) {
        watcher.Show(*std::move(status), std::move(unread), received, away,
                     away_since);
      }
    }
    reader.join();
  }
  if (!result.ok()) return terminal.Complain(result);
  return kDone;
}

}  // namespace sluice::cli
