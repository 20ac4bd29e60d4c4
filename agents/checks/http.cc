// http, https and tls: one GET to this host's own service, or no more than the
// handshake. No proxy, no redirect, no name lookup: the address is the host's
// own.

#include <curl/curl.h>

#include <ctime>
#include <memory>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/connect.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxBody = 64 << 10;

struct Exchange {
  std::string body;
  bool full = false;
  const Stop* stop = nullptr;
};

size_t TakeBody(char* data, size_t size, size_t count, void* user) {
  auto* exchange = static_cast<Exchange*>(user);
  const size_t got = size * count;
  if (exchange->body.size() + got > kMaxBody) {
    exchange->full = true;
    return 0;  // enough was read; the status line is known by now
  }
  exchange->body.append(data, got);
  return got;
}

int WatchStop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(user)->stop->IsSet() ? 1 : 0;
}

// Days until the server's certificate ends; -1 when that is not known.
int64_t CertificateDays(CURL* curl) {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) != CURLE_OK ||
      chain == nullptr || chain->num_of_certs < 1) {
    return -1;
  }
  for (const curl_slist* entry = chain->certinfo[0]; entry != nullptr;
       entry = entry->next) {
    absl::string_view line(entry->data);
    if (!absl::StartsWith(line, "Expire date:")) continue;
    const time_t end = curl_getdate(entry->data + 12, nullptr);
    if (end < 0) return -1;
    return (absl::FromTimeT(end) - absl::Now()) / absl::Hours(24);
  }
  return -1;
}

// Empty, or why the certificate's end is not far enough away.
std::string JudgeEnd(const CheckSpec& spec, CURL* curl, bool& known) {
  int64_t min_days = 0;
  known = true;
  if (!absl::SimpleAtoi(Arg(spec, "min-days", "0"), &min_days) ||
      min_days <= 0) {
    return "";
  }
  const int64_t days = CertificateDays(curl);
  known = days >= 0;
  if (!known) return "when its certificate ends could not be read";
  if (days >= min_days) return "";
  return absl::StrCat("its certificate ends in ", days, " days, fewer than ",
                      min_days);
}

CheckResult Judge(const CheckSpec& spec, CURL* curl, const Exchange& exchange,
                  const std::string& where) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const std::string expect = Arg(spec, "expect", "200");
  if (absl::StrCat(status) != expect) {
    return Fail(
        absl::StrCat(where, " answered ", status, ", expected ", expect));
  }
  const std::string contains = Arg(spec, "contains");
  if (!contains.empty() && !absl::StrContains(exchange.body, contains)) {
    return Fail(absl::StrCat(where, " answered ", status, " without '",
                             contains, "'",
                             exchange.full ? " in its first 64 KiB" : ""));
  }
  bool known = true;
  if (const std::string why = JudgeEnd(spec, curl, known); !why.empty()) {
    const std::string said = absl::StrCat(where, ": ", why);
    return known ? Fail(said) : Inconclusive(said);
  }
  return Pass(absl::StrCat(where, " answered ", status));
}

CheckResult JudgeHandshake(const CheckSpec& spec, CURL* curl,
                           const std::string& where) {
  bool known = true;
  if (const std::string why = JudgeEnd(spec, curl, known); !why.empty()) {
    const std::string said = absl::StrCat(where, ": ", why);
    return known ? Fail(said) : Inconclusive(said);
  }
  const int64_t days = CertificateDays(curl);
  return Pass(
      absl::StrCat(where, ": a valid certificate",
                   days < 0 ? "" : absl::StrCat(", for ", days, " days")));
}

}  // namespace

CheckResult CheckTls(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop) {
  return CheckHttp(spec, context, stop);
}

CheckResult CheckHttp(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop) {
  const bool handshake = spec.kind == "tls";
  const std::string scheme = handshake ? "https" : spec.kind;
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const uint16_t port = PortArg(spec);
  if (port == 0) {
    return Inconclusive(absl::StrCat(spec.kind, ": 'port' is not a port"));
  }
  const std::string path = Arg(spec, "path", "/");
  if (path.empty() || path[0] != '/') {
    return Inconclusive(absl::StrCat(spec.kind, ": 'path' begins with '/'"));
  }
  const std::string name = Arg(spec, "name");
  const absl::Time until = absl::Now() + spec.timeout;
  std::string why = "no address to ask";
  for (const Prefix& place : Places(spec, context)) {
    const int64_t left = absl::ToInt64Milliseconds(until - absl::Now());
    if (left <= 0) break;
    const std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(),
                                                        curl_easy_cleanup);
    CURL* curl = handle.get();
    if (curl == nullptr) return Inconclusive("out of memory for a request");
    const std::string endpoint = Endpoint(place, port);
    const std::string url = absl::StrCat(
        scheme, "://", name.empty() ? endpoint : absl::StrCat(name, ":", port),
        path);
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> to(
        curl_slist_append(nullptr, absl::StrCat("::", endpoint).c_str()),
        curl_slist_free_all);
    Exchange exchange{.stop = &stop};
    char error[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, to.get());
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, scheme.c_str());
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(left));
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    if (handshake) curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    if (!context.tls_authorities.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, context.tls_authorities.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluice-agent");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, WatchStop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
    const CURLcode code = curl_easy_perform(curl);
    const std::string where =
        handshake ? endpoint : absl::StrCat(scheme, "://", endpoint, path);
    if (handshake && code == CURLE_OK) {
      return JudgeHandshake(spec, curl, where);
    }
    if (code == CURLE_OK || exchange.full) {
      return Judge(spec, curl, exchange, where);
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
      return Inconclusive("the agent is ending");
    }
    why = absl::StrCat(where, ": ",
                       error[0] != '\0' ? error : curl_easy_strerror(code));
    // Something answered there, only not well: other addresses do not help.
    if (code != CURLE_COULDNT_CONNECT) break;
  }
  return Fail(why);
}

}  // namespace sluice::agent
