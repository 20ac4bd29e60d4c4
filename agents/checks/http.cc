// http, https and tls: one GET to this host's own service, or no more than the
// handshake. No proxy, no redirect, no name lookup: the address is the host's
// own.

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/connect.h"
#include "agents/checks/conversation.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

namespace http = boost::beast::http;

constexpr size_t kMaxBody = 64 << 10;
constexpr size_t kMaxHead = 64 << 10;

struct Answer {
  unsigned status = 0;
  std::string body;
  bool full = false;  // there is more than was read
};

// Reads an answer of HTTP until it is whole or the body is full.
absl::StatusOr<Answer> ReadAnswer(Conversation& with) {
  Answer answer;
  answer.body.resize(kMaxBody);
  http::response_parser<http::buffer_body> parser;
  parser.eager(true);
  parser.header_limit(kMaxHead);
  // Not boost::none: Beast of Boost 1.74 takes every length for more than that,
  // when a head comes without its body.
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  auto& body = parser.get().body();
  body.data = answer.body.data();
  body.size = answer.body.size();
  body.more = true;
  std::string waiting;  // of what came, not understood yet
  char buffer[8 << 10];
  boost::beast::error_code error;
  while (!parser.is_done() && !answer.full) {
    SLUICE_ASSIGN_OR_RETURN(const size_t got, with.Read(buffer, sizeof buffer));
    waiting.append(buffer, got);
    while (!waiting.empty() && !parser.is_done()) {
      waiting.erase(0, parser.put(boost::asio::buffer(waiting), error));
      if (error) break;
    }
    if (got == 0 && !error && !parser.is_done()) parser.put_eof(error);
    if (error == http::error::need_more && got != 0) error = {};
    answer.full = error == http::error::need_buffer;
    if (error && !answer.full) {
      return absl::FailedPreconditionError(
          absl::StrCat("what it answers is no HTTP (", error.message(), ")"));
    }
  }
  answer.status = parser.get().result_int();
  answer.body.resize(kMaxBody - body.size);
  return answer;
}

absl::StatusOr<Answer> Get(Conversation& with, const std::string& host,
                           const std::string& path) {
  SLUICE_RETURN_IF_ERROR(with.Write(absl::StrCat(
      "GET ", path, " HTTP/1.1\r\nHost: ", host,
      "\r\nUser-Agent: sluice-agent\r\nAccept: */*\r\nConnection: close\r\n"
      "\r\n")));
  return ReadAnswer(with);
}

// Nothing, or what is wrong about when the certificate ends.
std::optional<CheckResult> JudgeEnd(const CheckSpec& spec,
                                    const std::optional<int>& days,
                                    const std::string& where) {
  int64_t min_days = 0;
  if (!absl::SimpleAtoi(Arg(spec, "min-days", "0"), &min_days) ||
      min_days <= 0) {
    return std::nullopt;
  }
  if (!days.has_value()) {
    return Inconclusive(
        absl::StrCat(where, ": when its certificate ends could not be read"));
  }
  if (*days >= min_days) return std::nullopt;
  return Fail(absl::StrCat(where, ": its certificate ends in ", *days,
                           " days, fewer than ", min_days));
}

CheckResult Judge(const CheckSpec& spec, const Answer& answer,
                  const std::optional<int>& days, const std::string& where) {
  const std::string expect = Arg(spec, "expect", "200");
  if (absl::StrCat(answer.status) != expect) {
    return Fail(absl::StrCat(where, " answered ", answer.status, ", expected ",
                             expect));
  }
  const std::string contains = Arg(spec, "contains");
  if (!contains.empty() && !absl::StrContains(answer.body, contains)) {
    return Fail(absl::StrCat(where, " answered ", answer.status, " without '",
                             contains, "'",
                             answer.full ? " in its first 64 KiB" : ""));
  }
  if (const auto end = JudgeEnd(spec, days, where)) return *end;
  return Pass(absl::StrCat(where, " answered ", answer.status));
}

CheckResult JudgeHandshake(const CheckSpec& spec,
                           const std::optional<int>& days,
                           const std::string& where) {
  if (const auto end = JudgeEnd(spec, days, where)) return *end;
  return Pass(absl::StrCat(
      where, ": a valid certificate",
      days.has_value() ? absl::StrCat(", for ", *days, " days") : ""));
}

// What may stand in a request's line.
bool IsPlain(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > ' ' && c != 0x7f; });
}

}  // namespace

CheckResult CheckTls(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop) {
  return CheckHttp(spec, context, stop);
}

CheckResult CheckHttp(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop) {
  const bool plain = spec.kind == "http";
  const bool handshake = spec.kind == "tls";
  const uint16_t port = PortArg(spec);
  if (port == 0) {
    return Inconclusive(absl::StrCat(spec.kind, ": 'port' is not a port"));
  }
  const std::string path = Arg(spec, "path", "/");
  if (path.empty() || path[0] != '/' || !IsPlain(path)) {
    return Inconclusive(absl::StrCat(
        spec.kind, ": 'path' begins with '/' and has no spaces in it"));
  }
  const std::string name = Arg(spec, "name");
  if (!IsPlain(name)) {
    return Inconclusive(absl::StrCat(spec.kind, ": 'name' is not a name"));
  }
  const absl::Time until = absl::Now() + spec.timeout;
  std::string why = "no address to ask";
  for (const Prefix& place : Places(spec, context)) {
    if (absl::Now() >= until) break;
    const std::string endpoint = Endpoint(place, port);
    const std::string where =
        handshake ? endpoint : absl::StrCat(spec.kind, "://", endpoint, path);
    Conversation with(place, port, until, stop);
    absl::Status status = with.Connect();
    if (status.ok() && !plain) {
      status = with.StartTls(name, context.tls_authorities);
    }
    if (status.ok() && handshake) {
      return JudgeHandshake(spec, with.CertificateDays(), where);
    }
    if (status.ok()) {
      const absl::StatusOr<Answer> answer = Get(
          with, name.empty() ? endpoint : absl::StrCat(name, ":", port), path);
      if (answer.ok()) {
        return Judge(spec, *answer, with.CertificateDays(), where);
      }
      status = answer.status();
    }
    if (absl::IsCancelled(status)) return Inconclusive("the agent is ending");
    why = absl::StrCat(where, ": ", status.message());
    // Something answered there, only not well: other addresses do not help.
    if (!absl::IsUnavailable(status)) break;
  }
  return Fail(why);
}

}  // namespace sluice::agent
