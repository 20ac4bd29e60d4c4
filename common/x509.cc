#include "common/x509.h"

#include <openssl/ec.h>

#include <ctime>

#include "common/digest.h"
#include "common/openssl.h"
#include "common/status.h"

namespace sluice {
namespace {

using openssl::Bio;
using openssl::Cert;
using openssl::Key;
using openssl::Request;

using Store = std::unique_ptr<X509_STORE, openssl::Free<X509_STORE_free>>;
using StoreContext =
    std::unique_ptr<X509_STORE_CTX, openssl::Free<X509_STORE_CTX_free>>;
// Its certificates belong to others.
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using Stack = std::unique_ptr<STACK_OF(X509), FreeStack>;

constexpr size_t kMostCertificates = 16;
constexpr int kDeepest = 3;

template <typename T>
std::string DerDigest(const T* object,
                      int (*encode)(const T*, unsigned char**)) {
  unsigned char* der = nullptr;
  const int size = encode(object, &der);
  if (size <= 0) return "";
  std::string digest = Sha256(absl::string_view(
      reinterpret_cast<const char*>(der), static_cast<size_t>(size)));
  OPENSSL_free(der);
  return digest;
}

std::string DigestOf(const EVP_PKEY* key) {
  return DerDigest<EVP_PKEY>(key, i2d_PUBKEY);
}

bool IsP256(EVP_PKEY* key) {
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  char group[64] = "";
  return EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
         absl::string_view(group) == "prime256v1";
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::vector<std::string> UrisOf(X509* cert) {
  std::vector<std::string> uris;
  const openssl::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type != GEN_URI) continue;
    uris.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
        static_cast<size_t>(ASN1_STRING_length(value)));
  }
  return uris;
}

Certificate FactsOf(X509* cert) {
  Certificate facts;
  facts.uris = UrisOf(cert);
  facts.key = DigestOf(X509_get0_pubkey(cert));
  facts.digest = DerDigest<X509>(cert, i2d_X509);
  facts.from = TimeOf(X509_get0_notBefore(cert));
  facts.until = TimeOf(X509_get0_notAfter(cert));
  return facts;
}

absl::Status NotOurs(absl::string_view why) {
  return absl::PermissionDeniedError(absl::StrCat(
      "the certificate is not one that the estate's authority stands behind (",
      why, "); use one of this estate"));
}

absl::Status NoCertificate() {
  return absl::InvalidArgumentError(
      "this is no certificate; a PEM text begins with -----BEGIN "
      "CERTIFICATE-----");
}

}  // namespace

absl::StatusOr<Certificate> ReadCertificate(absl::string_view pem) {
  const Cert cert = openssl::ReadCert(pem);
  if (!cert) return NoCertificate();
  return FactsOf(cert.get());
}

std::vector<std::string> SplitPem(absl::string_view pem) {
  constexpr absl::string_view kEnd = "-----END CERTIFICATE-----";
  std::vector<std::string> parts;
  while (parts.size() < kMostCertificates) {
    const size_t end = pem.find(kEnd);
    if (end == absl::string_view::npos) break;
    parts.push_back(absl::StrCat(pem.substr(0, end + kEnd.size()), "\n"));
    pem.remove_prefix(end + kEnd.size());
  }
  return parts;
}

absl::StatusOr<Certificate> VerifyCertificate(absl::string_view pem,
                                              absl::string_view between,
                                              absl::string_view authority,
                                              CertificateUse use) {
  const Cert leaf = openssl::ReadCert(pem);
  if (!leaf) return NoCertificate();
  const Cert root = openssl::ReadCert(authority);
  if (!root) return absl::InternalError("the authority is no certificate");
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  const Stack issuers(sk_X509_new_null());
  std::vector<Cert> owned;
  for (const std::string& one : SplitPem(between)) {
    owned.push_back(openssl::ReadCert(one));
    if (!owned.back()) return NoCertificate();
    sk_X509_push(issuers.get(), owned.back().get());
  }
  if (!store || !context || X509_STORE_add_cert(store.get(), root.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), leaf.get(),
                          issuers.get()) != 1) {
    return openssl::Error("check a certificate");
  }
  X509_STORE_CTX_set_purpose(context.get(), use == CertificateUse::kClient
                                                ? X509_PURPOSE_SSL_CLIENT
                                                : X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_NO_CHECK_TIME);
  X509_VERIFY_PARAM_set_depth(how, kDeepest);
  if (X509_verify_cert(context.get()) != 1) {
    const int why = X509_STORE_CTX_get_error(context.get());
    ERR_clear_error();
    return NotOurs(X509_verify_cert_error_string(why));
  }
  if (!IsP256(X509_get0_pubkey(leaf.get())) ||
      X509_get_signature_nid(leaf.get()) != NID_ecdsa_with_SHA256) {
    return NotOurs("only P-256 keys signed with SHA-256 are used");
  }
  Certificate facts = FactsOf(leaf.get());
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  if (sk_X509_num(chain) > 1) {
    facts.issuer_key = DigestOf(X509_get0_pubkey(sk_X509_value(chain, 1)));
  }
  return facts;
}

absl::StatusOr<std::string> MakeKey() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!key || !bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                    nullptr, nullptr) != 1) {
    return openssl::Error("make a key");
  }
  return openssl::Written(bio.get());
}

absl::StatusOr<std::string> KeyDigest(absl::string_view key_pem) {
  const Key key = openssl::ReadKey(key_pem);
  if (!key) {
    return absl::InvalidArgumentError(
        "this is no private key; a PEM text begins with -----BEGIN PRIVATE "
        "KEY-----");
  }
  return DigestOf(key.get());
}

absl::StatusOr<std::string> MakeSigningRequest(absl::string_view key_pem,
                                               absl::string_view name) {
  const Key key = openssl::ReadKey(key_pem);
  if (!key) return KeyDigest(key_pem).status();
  const Request request(X509_REQ_new());
  const absl::string_view shown = name.substr(0, 64);
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!request || !bio || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_NAME_add_entry_by_NID(
          X509_REQ_get_subject_name(request.get()), NID_commonName,
          MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(shown.data()),
          static_cast<int>(shown.size()), -1, 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return openssl::Error("make a signing request");
  }
  return openssl::Written(bio.get());
}

absl::StatusOr<std::string> CheckSigningRequest(absl::string_view request_pem) {
  const Request request(PEM_read_bio_X509_REQ(
      openssl::Reading(request_pem).get(), nullptr, nullptr, nullptr));
  EVP_PKEY* const key = request ? X509_REQ_get0_pubkey(request.get()) : nullptr;
  const bool good = IsP256(key) && X509_REQ_verify(request.get(), key) == 1;
  ERR_clear_error();
  if (!good) {
    return absl::InvalidArgumentError(
        "the signing request is not one, does not prove that its key is the "
        "asker's, or the key is not P-256; make it with `sluice-agent enrol`");
  }
  return DigestOf(key);
}

}  // namespace sluice
