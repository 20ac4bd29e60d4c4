#include "common/authority.h"

#include <openssl/ec.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/openssl.h"
#include "common/status.h"

namespace sluice {
namespace {

using openssl::Bio;
using openssl::Cert;
using openssl::Extension;
using openssl::Key;
using openssl::Names;
using openssl::Number;

// Ten years: longer than any incident, and longer than what it signs.
constexpr int kAuthorityDays = 3650;
// Clocks of hosts that were off, or attacked, may be behind ours, and
// quarantine has no time server: certificates are good from a day ago on.
constexpr long kBackdateSeconds = -24L * 60 * 60;
constexpr int kSerialBits = 127;

absl::StatusOr<std::string> CertPem(X509* cert) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), cert) != 1) {
    return openssl::Error("write a certificate");
  }
  return openssl::Written(bio.get());
}

absl::StatusOr<std::string> KeyPem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0,
                                            nullptr, nullptr) != 1) {
    return openssl::Error("write a key");
  }
  return openssl::Written(bio.get());
}

absl::Status SetSerial(X509* cert) {
  const Number number(BN_new());
  if (!number ||
      BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) !=
          1 ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert)) ==
          nullptr) {
    return openssl::Error("draw a serial number");
  }
  return absl::OkStatus();
}

absl::Status SetName(X509* cert, absl::string_view common_name) {
  // X.509 allows 64 characters in a common name. It is for people only.
  const absl::string_view name = common_name.substr(0, 64);
  if (X509_NAME_add_entry_by_NID(
          X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
          reinterpret_cast<const unsigned char*>(name.data()),
          static_cast<int>(name.size()), -1, 0) != 1) {
    return openssl::Error("name a certificate");
  }
  return absl::OkStatus();
}

// `value` is always a constant of ours: OpenSSL's little language in it could
// otherwise be spoken by whoever names a host.
absl::Status AddExtension(X509* cert, X509* issuer, int nid,
                          const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (!extension || X509_add_ext(cert, extension.get(), -1) != 1) {
    return openssl::Error(absl::StrCat("add ", OBJ_nid2sn(nid)));
  }
  return absl::OkStatus();
}

absl::Status PushName(GENERAL_NAMES* names, int type, absl::string_view bytes) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* text = ASN1_STRING_type_new(
      type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (name == nullptr || text == nullptr ||
      ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) !=
          1) {
    GENERAL_NAME_free(name);
    ASN1_STRING_free(text);
    return openssl::Error("make a subject's name");
  }
  GENERAL_NAME_set0_value(name, type, text);
  if (sk_GENERAL_NAME_push(names, name) == 0) {
    GENERAL_NAME_free(name);
    return openssl::Error("make a subject's name");
  }
  return absl::OkStatus();
}

absl::Status AddNames(X509* cert, const Bearer& bearer) {
  const Names names(sk_GENERAL_NAME_new_null());
  if (!names) return openssl::Error("make a subject's names");
  SLUICE_RETURN_IF_ERROR(PushName(names.get(), GEN_URI, bearer.uri));
  for (const std::string& dns : bearer.dns) {
    SLUICE_RETURN_IF_ERROR(PushName(names.get(), GEN_DNS, dns));
  }
  for (const Prefix& address : bearer.addresses) {
    const size_t size = address.family() == Family::kIpv4 ? 4 : 16;
    SLUICE_RETURN_IF_ERROR(PushName(
        names.get(), GEN_IPADD,
        absl::string_view(reinterpret_cast<const char*>(address.bytes().data()),
                          size)));
  }
  if (X509_add1_ext_i2d(cert, NID_subject_alt_name, names.get(), 0, 0) != 1) {
    return openssl::Error("add a subject's names");
  }
  return absl::OkStatus();
}

absl::StatusOr<Cert> NewCert(EVP_PKEY* key, absl::string_view name, int days) {
  Cert cert(X509_new());
  if (!cert || X509_set_version(cert.get(), X509_VERSION_3) != 1 ||
      X509_set_pubkey(cert.get(), key) != 1 ||
      X509_gmtime_adj(X509_getm_notBefore(cert.get()), kBackdateSeconds) ==
          nullptr ||
      X509_time_adj_ex(X509_getm_notAfter(cert.get()), days, 0, nullptr) ==
          nullptr) {
    return openssl::Error("make a certificate");
  }
  SLUICE_RETURN_IF_ERROR(SetSerial(cert.get()));
  SLUICE_RETURN_IF_ERROR(SetName(cert.get(), name));
  return cert;
}

// Never beyond the issuer's own end.
absl::Status SetIssuer(X509* cert, X509* issuer) {
  if (X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1) {
    return openssl::Error("name a certificate's issuer");
  }
  const ASN1_TIME* end = X509_get0_notAfter(issuer);
  if (ASN1_TIME_compare(X509_get0_notAfter(cert), end) > 0 &&
      X509_set1_notAfter(cert, end) != 1) {
    return openssl::Error("shorten a certificate's life");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Signed(X509* cert, EVP_PKEY* signer) {
  if (X509_sign(cert, signer, EVP_sha256()) == 0) {
    return openssl::Error("sign a certificate");
  }
  return CertPem(cert);
}

absl::StatusOr<Key> NewKey() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) return openssl::Error("make a key");
  return key;
}

}  // namespace

struct Authority::Parts {
  Cert cert;
  Key key;
};

Authority::Authority(std::unique_ptr<Parts> parts, Credential credential)
    : parts_(std::move(parts)), credential_(std::move(credential)) {}
Authority::~Authority() = default;
Authority::Authority(Authority&&) noexcept = default;
Authority& Authority::operator=(Authority&&) noexcept = default;

absl::StatusOr<Authority> Authority::Make(absl::string_view estate) {
  SLUICE_ASSIGN_OR_RETURN(Key key, NewKey());
  SLUICE_ASSIGN_OR_RETURN(
      Cert cert,
      NewCert(key.get(), absl::StrCat("Sluice authority of ", estate),
              kAuthorityDays));
  X509* const raw = cert.get();
  if (X509_set_issuer_name(raw, X509_get_subject_name(raw)) != 1) {
    return openssl::Error("name an authority");
  }
  const std::pair<int, const char*> extensions[] = {
      {NID_basic_constraints, "critical,CA:TRUE,pathlen:1"},
      {NID_key_usage, "critical,keyCertSign,cRLSign"},
      {NID_subject_key_identifier, "hash"}};
  for (const auto& [nid, value] : extensions) {
    SLUICE_RETURN_IF_ERROR(AddExtension(raw, raw, nid, value));
  }
  Credential credential;
  SLUICE_ASSIGN_OR_RETURN(credential.certificate_pem, Signed(raw, key.get()));
  SLUICE_ASSIGN_OR_RETURN(credential.key_pem, KeyPem(key.get()));
  auto parts = std::make_unique<Parts>();
  parts->cert = std::move(cert);
  parts->key = std::move(key);
  return Authority(std::move(parts), std::move(credential));
}

absl::StatusOr<Authority> Authority::Load(const Credential& credential) {
  auto parts = std::make_unique<Parts>();
  parts->cert = openssl::ReadCert(credential.certificate_pem);
  if (!parts->cert) {
    return absl::InvalidArgumentError(
        "the authority's certificate is no PEM certificate");
  }
  parts->key = openssl::ReadKey(credential.key_pem);
  if (!parts->key) {
    return absl::InvalidArgumentError(
        "the authority's key is no PEM key without passphrase");
  }
  if (X509_check_private_key(parts->cert.get(), parts->key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        "the authority's key is not the one its certificate was made with; "
        "one of the two files was replaced");
  }
  return Authority(std::move(parts), credential);
}

absl::StatusOr<std::string> Authority::Certify(EVP_PKEY* key,
                                               const Bearer& bearer,
                                               int days) const {
  SLUICE_ASSIGN_OR_RETURN(const Cert cert, NewCert(key, bearer.name, days));
  SLUICE_RETURN_IF_ERROR(SetIssuer(cert.get(), parts_->cert.get()));
  const std::pair<int, const char*> extensions[] = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, bearer.server ? "serverAuth" : "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"}};
  for (const auto& [nid, value] : extensions) {
    SLUICE_RETURN_IF_ERROR(
        AddExtension(cert.get(), parts_->cert.get(), nid, value));
  }
  SLUICE_RETURN_IF_ERROR(AddNames(cert.get(), bearer));
  return Signed(cert.get(), parts_->key.get());
}

absl::StatusOr<Authority> Authority::MakeIssuer(
    absl::string_view estate) const {
  SLUICE_ASSIGN_OR_RETURN(Key key, NewKey());
  SLUICE_ASSIGN_OR_RETURN(
      Cert cert, NewCert(key.get(), absl::StrCat("Sluice issuer of ", estate),
                         kAuthorityDays));
  SLUICE_RETURN_IF_ERROR(SetIssuer(cert.get(), parts_->cert.get()));
  // clientAuth alone: what an issuer signs can never serve.
  const std::pair<int, const char*> extensions[] = {
      {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
      {NID_key_usage, "critical,keyCertSign"},
      {NID_ext_key_usage, "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"}};
  for (const auto& [nid, value] : extensions) {
    SLUICE_RETURN_IF_ERROR(
        AddExtension(cert.get(), parts_->cert.get(), nid, value));
  }
  Credential credential;
  SLUICE_ASSIGN_OR_RETURN(credential.certificate_pem,
                          Signed(cert.get(), parts_->key.get()));
  SLUICE_ASSIGN_OR_RETURN(credential.key_pem, KeyPem(key.get()));
  return Load(credential);
}

absl::StatusOr<Credential> Authority::Issue(const Bearer& bearer,
                                            int days) const {
  SLUICE_ASSIGN_OR_RETURN(const Key key, NewKey());
  Credential credential;
  SLUICE_ASSIGN_OR_RETURN(credential.certificate_pem,
                          Certify(key.get(), bearer, days));
  SLUICE_ASSIGN_OR_RETURN(credential.key_pem, KeyPem(key.get()));
  return credential;
}

absl::StatusOr<std::string> Authority::CertifyRequest(
    absl::string_view request_pem, const Bearer& bearer, int days) const {
  const openssl::Request request(PEM_read_bio_X509_REQ(
      openssl::Reading(request_pem).get(), nullptr, nullptr, nullptr));
  if (!request) return openssl::Error("read a signing request");
  return Certify(X509_REQ_get0_pubkey(request.get()), bearer, days);
}

absl::StatusOr<std::string> Authority::CertifyAgain(
    absl::string_view certificate_pem, const Bearer& bearer, int days) const {
  const Cert cert = openssl::ReadCert(certificate_pem);
  if (!cert) return openssl::Error("read a certificate");
  return Certify(X509_get0_pubkey(cert.get()), bearer, days);
}

}  // namespace sluice
