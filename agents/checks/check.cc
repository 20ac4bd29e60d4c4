#include "agents/checks/check.h"

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agents/checks/connect.h"
#include "agents/checks/reader.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

using Kind = CheckResult (*)(const CheckSpec&, const CheckContext&,
                             const Stop&);

// Where it waits for what may not answer.
enum class Waits : uint8_t {
  kHere,
  kForAProgram,
  kForFiles,  // in a reader
};

struct Known {
  absl::string_view name;
  Kind run;
  Waits waits = Waits::kHere;
};

constexpr Known kKinds[] = {
    {"tcp", CheckTcp},
    {"http", CheckHttp},
    {"https", CheckHttp},
    {"plugin", CheckPlugin, Waits::kForAProgram},
    {"listeners", CheckListeners},
    {"dns", CheckDns},
    {"udp", CheckUdp},
    {"tls", CheckTls},
    {"grpc", CheckGrpc},
    {"systemd", CheckSystemd},
    {"process", CheckProcess, Waits::kForFiles},
    {"mount", CheckMount, Waits::kForFiles},
    {"clock", CheckClock},
    {"packages", CheckPackages, Waits::kForAProgram},
    {"yara", CheckYara, Waits::kForAProgram},
    {"files", CheckFiles, Waits::kForFiles},
    {"attempts", CheckAttempts},
};

const Known* Find(absl::string_view kind) {
  const auto* const at =
      std::find_if(std::begin(kKinds), std::end(kKinds),
                   [&](const Known& one) { return one.name == kind; });
  return at == std::end(kKinds) ? nullptr : at;
}

// What can be asked of a point over the network.
bool IsAskedFromAfar(const CheckSpec& spec) {
  for (const char* kind :
       {"tcp", "udp", "http", "https", "tls", "grpc", "plugin"}) {
    if (spec.kind == kind) return true;
  }
  return spec.kind == "dns" && !Arg(spec, "port").empty();
}

// False when the agent ends meanwhile.
bool Wait(absl::Duration time, const Stop& stop) {
  pollfd entry{.fd = stop.fd(), .events = POLLIN, .revents = 0};
  return poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(time))) ==
         0;
}

}  // namespace

CheckResult Pass(std::string reason) {
  return {Verdict::kPass, std::move(reason), ""};
}
CheckResult Fail(std::string reason) {
  return {Verdict::kFail, std::move(reason), ""};
}
CheckResult Inconclusive(std::string reason) {
  return {Verdict::kInconclusive, std::move(reason), ""};
}

std::string Arg(const CheckSpec& spec, const std::string& name,
                std::string otherwise) {
  const auto at = spec.args.find(name);
  return at == spec.args.end() ? std::move(otherwise) : at->second;
}

std::optional<absl::Duration> SpanArg(const CheckSpec& spec,
                                      const std::string& name,
                                      const std::string& otherwise) {
  const std::string value = Arg(spec, name, otherwise);
  absl::string_view text = value;
  int days = 0;
  if (const size_t d = text.find('d'); d != text.npos) {
    if (!absl::SimpleAtoi(text.substr(0, d), &days) || days < 0) return {};
    text.remove_prefix(d + 1);
  }
  absl::Duration rest;
  if (!text.empty() && !absl::ParseDuration(text, &rest)) return {};
  if (rest < absl::ZeroDuration() || rest == absl::InfiniteDuration())
    return {};
  return days * absl::Hours(24) + rest;
}

uint16_t PortArg(const CheckSpec& spec) {
  int port = 0;
  if (!absl::SimpleAtoi(Arg(spec, "port"), &port) || port < 1 || port > 65535) {
    return 0;
  }
  return static_cast<uint16_t>(port);
}

std::vector<Prefix> Places(const CheckSpec& spec, const CheckContext& context) {
  if (const std::string address = Arg(spec, "address"); !address.empty()) {
    // One of its own: a check must not make this host ask others (TryFlows is
    // what tries flows, and only declared ones).
    const absl::StatusOr<Prefix> place = Prefix::Parse(address);
    const bool own =
        place.ok() && place->is_host() &&
        (std::find(context.addresses.begin(), context.addresses.end(),
                   *place) != context.addresses.end() ||
         (context.elsewhere.empty() &&
          (address == "127.0.0.1" || address == "::1")));
    if (own) return {*place};
    return {};
  }
  std::vector<Prefix> places = context.addresses;
  if (!context.elsewhere.empty()) return places;
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    places.push_back(*Prefix::Parse(loopback));
  }
  return places;
}

bool RunsApart(absl::string_view kind) {
  const Known* const known = Find(kind);
  return known != nullptr && known->waits != Waits::kHere;
}

CheckResult RunCheck(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop) {
  const Known* const known = Find(spec.kind);
  if (known == nullptr) {
    return Inconclusive(
        absl::StrCat("this agent does not know checks of kind '",
                     OneLine(spec.kind, 40), "'"));
  }
  if (!context.elsewhere.empty() && !IsAskedFromAfar(spec)) {
    return Inconclusive(absl::StrCat(
        context.elsewhere, " runs no agent, so nobody can look there for '",
        OneLine(spec.kind, 40), "'; ask a person, with a `task`"));
  }
  if (Places(spec, context).empty() && !Arg(spec, "address").empty()) {
    return Inconclusive(absl::StrCat(OneLine(Arg(spec, "address"), 60),
                                     " is none of this host's addresses, "
                                     "and it asks no other"));
  }
  CheckResult result =
      known->waits == Waits::kForFiles && !context.reader.empty()
          ? ReadApart(spec, context, stop)
          : known->run(spec, context, stop);
  result.reason = OneLine(result.reason, 400);
  return result;
}

CheckResult RunCheckWithRetries(const CheckSpec& spec,
                                const CheckContext& context, const Stop& stop) {
  for (int attempt = 1;; ++attempt) {
    CheckResult result = RunCheck(spec, context, stop);
    if (result.verdict == Verdict::kPass || attempt >= spec.attempts) {
      if (result.verdict != Verdict::kPass && attempt > 1) {
        absl::StrAppend(&result.reason, " (", attempt, " attempts)");
      }
      return result;
    }
    if (!Wait(spec.between, stop)) {
      return Inconclusive("the agent ended before the check did");
    }
  }
}

CheckResult CheckTcp(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop) {
  const uint16_t port = PortArg(spec);
  if (port == 0) return Inconclusive("tcp: 'port' is not a port number");
  const std::vector<Prefix> places = Places(spec, context);
  if (places.empty()) return Inconclusive("tcp: 'address' is not an address");
  const absl::Time until = absl::Now() + spec.timeout;
  std::vector<std::string> errors;
  for (const Prefix& place : places) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    const int error = TryConnect(std::nullopt, place, port, left, stop);
    if (error == 0) {
      return Pass(absl::StrCat(Endpoint(place, port), " accepts connections"));
    }
    if (error == ECANCELED) return Inconclusive(ConnectError(error));
    errors.push_back(absl::StrCat(
        Endpoint(place, port), error == ECONNREFUSED ? " refuses"
                               : error == ETIMEDOUT
                                   ? " does not answer"
                                   : absl::StrCat(": ", ConnectError(error))));
  }
  return Fail(absl::StrCat("nothing accepts on port ", port, ": ",
                           absl::StrJoin(errors, ", ")));
}

}  // namespace sluice::agent
