#include "orchestrator/engine/identities.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/digest.h"

namespace sluice::engine {
namespace {

using What = IdentityChanged::What;

// Nobody needs more at once, and each is a way in.
constexpr size_t kMostTokens = 20'000;

std::string Short(const std::string& key) {
  return IsDigest(key) ? ShortDigest(key) : key;
}

}  // namespace

const Identities::Host* Identities::Find(const HostId& host) const {
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? nullptr : &found->second;
}

absl::Status Identities::Admit(const IdentityChanged& change,
                               absl::Time now) const {
  switch (change.what) {
    case What::kTokenMade:
      if (tokens_.size() >= kMostTokens) {
        return absl::ResourceExhaustedError(
            "too many tokens wait to be used; they expire by themselves");
      }
      return absl::OkStatus();
    case What::kEnrolled: {
      if (IsRevoked(change.key)) {
        return absl::PermissionDeniedError(
            "this key was revoked and never speaks again; remove agent.key on "
            "the host and enrol it anew, with a new token");
      }
      for (const auto& [host, identity] : hosts_) {
        if (identity.key != change.key || host == change.host) continue;
        return absl::PermissionDeniedError(absl::StrCat(
            "this key is host ", host.str(),
            "'s; every host has a key of its own: remove agent.key on this "
            "one and enrol it anew"));
      }
      // By the authority's own certificate: only where nobody is enrolled.
      if (change.token.empty()) {
        const Host* known = Find(change.host);
        if (known == nullptr || known->key == change.key) {
          return absl::OkStatus();
        }
        return absl::PermissionDeniedError(
            absl::StrCat("host ", change.host.str(),
                         " is enrolled with another key; make a token with "
                         "`sluice enrol --host ",
                         change.host.str(), "` and enrol it anew"));
      }
      const auto token = tokens_.find(change.token);
      if (token == tokens_.end() || token->second.host != change.host ||
          now >= token->second.until) {
        return absl::PermissionDeniedError(absl::StrCat(
            "the token is not good (any more) for host ", change.host.str(),
            ": each works once, for one host, for a short time; make a new "
            "one with `sluice enrol --host ",
            change.host.str(), "`"));
      }
      return absl::OkStatus();
    }
    case What::kRevoked:
      if (change.key.empty() && Find(change.host) == nullptr) {
        const bool waits =
            std::any_of(tokens_.begin(), tokens_.end(), [&](const auto& token) {
              return token.second.host == change.host;
            });
        if (waits) return absl::OkStatus();
        return absl::NotFoundError(
            absl::StrCat("host ", change.host.str(),
                         " has no key and no token, so there is nothing to "
                         "revoke; `sluice identities` lists who has"));
      }
      if (!change.key.empty() && IsRevoked(change.key)) {
        return absl::FailedPreconditionError(
            "this key was revoked before; nothing is left to do");
      }
      return absl::OkStatus();
    case What::kRenewed:
    case What::kLoggedIn:
    case What::kLoggedOut:
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("an unknown change of identities");
}

void Identities::Apply(const IdentityChanged& change, absl::Time now) {
  std::erase_if(tokens_,
                [&](const auto& token) { return now >= token.second.until; });
  switch (change.what) {
    case What::kTokenMade:
      tokens_[change.token] = Token{change.host, change.by, change.until};
      return;
    case What::kEnrolled: {
      tokens_.erase(change.token);
      Host& host = hosts_[change.host];
      // The machine before the rebuild, or whoever has its disk, is out.
      if (!host.key.empty() && host.key != change.key) {
        revoked_.insert(host.key);
      }
      host = Host{change.key, change.evidence_key, now};
      return;
    }
    case What::kRevoked:
      if (!change.key.empty()) {
        revoked_.insert(change.key);
        std::erase_if(hosts_, [&](const auto& host) {
          return host.second.key == change.key;
        });
        return;
      }
      if (const auto found = hosts_.find(change.host); found != hosts_.end()) {
        revoked_.insert(found->second.key);
        hosts_.erase(found);
      }
      std::erase_if(tokens_, [&](const auto& token) {
        return token.second.host == change.host;
      });
      return;
    case What::kRenewed:
    case What::kLoggedIn:
    case What::kLoggedOut:
      return;
  }
}

std::string InWords(const IdentityChanged& change) {
  const std::string because =
      change.reason.empty() ? "" : absl::StrCat(": ", change.reason);
  switch (change.what) {
    case What::kTokenMade:
      return absl::StrCat(
          change.by.str(), " made a token to enrol host ", change.host.str(),
          ", good until ",
          absl::FormatTime("%H:%M", change.until, absl::UTCTimeZone()), " UTC");
    case What::kEnrolled:
      return absl::StrCat(
          "host ", change.host.str(), " enrolled with key ", Short(change.key),
          change.token.empty() ? ", by a certificate of the authority"
                               : ", by token");
    case What::kRenewed:
      return absl::StrCat("host ", change.host.str(),
                          " renewed its certificate");
    case What::kRevoked:
      return change.host.empty()
                 ? absl::StrCat(change.by.str(), " revoked key ",
                                Short(change.key), because)
                 : absl::StrCat(change.by.str(), " revoked host ",
                                change.host.str(), because);
    case What::kLoggedIn:
      return absl::StrCat(change.by.str(), " logged in with key ",
                          Short(change.key));
    case What::kLoggedOut:
      return absl::StrCat(change.by.str(), " logged out");
  }
  return "";
}

}  // namespace sluice::engine
