#include "common/sshsig.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/contract.h"
#include "common/ssh_wire.h"
#include "common/status.h"

namespace sluice {
namespace {

using Kind = SshPublicKey::Kind;

constexpr absl::string_view kBegin = "-----BEGIN SSH SIGNATURE-----\n";
constexpr absl::string_view kEnd = "-----END SSH SIGNATURE-----";
constexpr absl::string_view kMagic = "SSHSIG";
constexpr size_t kMaxArmoured = 16 << 10;
constexpr size_t kArmourColumns = 70;  // as ssh-keygen writes it
constexpr size_t kEd25519Signature = 64;
constexpr uint8_t kUserPresent = 0x01;

absl::Status Unreadable(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the signature ", why, "; sign again with ssh-keygen -Y sign"));
}

absl::Status Wrong(absl::string_view why) {
  return absl::PermissionDeniedError(absl::StrCat("the signature ", why));
}

std::string Hash(absl::string_view bytes, const EVP_MD* algorithm) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  SLUICE_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, algorithm,
                          nullptr) == 1);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

struct Blob {
  absl::string_view key;
  absl::string_view name_space;
  absl::string_view reserved;
  absl::string_view hash;
  absl::string_view signature;
};

absl::StatusOr<std::string> Unarmour(absl::string_view text) {
  if (text.size() > kMaxArmoured) return Unreadable("is over 16 KiB");
  absl::ConsumeSuffix(&text, "\n");
  if (!absl::ConsumePrefix(&text, kBegin) ||
      !absl::ConsumeSuffix(&text, kEnd)) {
    return Unreadable("is not one armoured block (BEGIN SSH SIGNATURE)");
  }
  std::string base64;
  for (const char c : text) {
    if (c == '\n') continue;
    // What a decoder would skip over is not what was written.
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      return Unreadable("has white space in it");
    }
    base64.push_back(c);
  }
  std::string bytes;
  if (!absl::Base64Unescape(base64, &bytes) ||
      absl::Base64Escape(bytes) != base64) {
    return Unreadable("is not base64");
  }
  return bytes;
}

absl::StatusOr<Blob> ReadBlob(absl::string_view bytes) {
  SshReader reader(bytes);
  const auto magic = reader.Bytes(kMagic.size());
  const auto version = reader.Number();
  if (magic != kMagic || version != 1u) {
    return Unreadable("is of no form that is known here");
  }
  const auto key = reader.Text();
  const auto name_space = reader.Text();
  const auto reserved = reader.Text();
  const auto hash = reader.Text();
  const auto signature = reader.Text();
  if (!signature.has_value() || !reader.Done()) {
    return Unreadable("is cut short, or something follows it");
  }
  return Blob{*key, *name_space, *reserved, *hash, *signature};
}

// What the key itself signs.
std::string SignedBytes(absl::string_view name_space,
                        absl::string_view reserved, absl::string_view hash,
                        absl::string_view digest) {
  return absl::StrCat(kMagic, SshText(name_space), SshText(reserved),
                      SshText(hash), SshText(digest));
}

const char* DigestOf(Kind kind, absl::string_view algorithm) {
  switch (kind) {
    case Kind::kEd25519:
      return algorithm == "ssh-ed25519" ? "" : nullptr;
    case Kind::kSkEd25519:
      return algorithm == "sk-ssh-ed25519@openssh.com" ? "" : nullptr;
    case Kind::kEcdsaP256:
      return algorithm == "ecdsa-sha2-nistp256" ? "SHA256" : nullptr;
    case Kind::kSkEcdsa:
      return algorithm == "sk-ecdsa-sha2-nistp256@openssh.com" ? "SHA256"
                                                               : nullptr;
    case Kind::kRsa:
      if (algorithm == "rsa-sha2-512") return "SHA512";
      if (algorithm == "rsa-sha2-256") return "SHA256";
      return nullptr;  // ssh-rsa is SHA-1
  }
  return nullptr;
}

absl::Status VerifyInner(const SshPublicKey& key, absl::string_view signature,
                         const std::string& bytes) {
  SshReader reader(signature);
  const auto algorithm = reader.Text();
  const auto value = reader.Text();
  if (!value.has_value()) return Unreadable("is cut short");
  const char* digest = DigestOf(key.kind(), *algorithm);
  if (digest == nullptr) {
    return Wrong(
        "is made by an algorithm that is not accepted for its key (RSA signs "
        "with SHA-256 or SHA-512)");
  }
  const bool ed25519 =
      key.kind() == Kind::kEd25519 || key.kind() == Kind::kSkEd25519;
  if (ed25519 && value->size() != kEd25519Signature) {
    return Unreadable("has a wrong length");
  }
  std::string message = bytes;
  if (key.is_hardware()) {
    const auto flags = reader.Bytes(1);
    const auto counter = reader.Number();
    if (!counter.has_value()) return Unreadable("is cut short");
    if ((static_cast<uint8_t>((*flags)[0]) & kUserPresent) == 0) {
      return Wrong("says that nobody touched the hardware key");
    }
    message = absl::StrCat(Hash(key.application(), EVP_sha256()), *flags,
                           SshNumber(*counter), Hash(bytes, EVP_sha256()));
  }
  if (!reader.Done()) return Unreadable("has bytes that do not belong to it");
  if (!key.Verifies(message, *value, digest)) {
    return Wrong("is not over this text by this key");
  }
  return absl::OkStatus();
}

std::string RawPublicKey(EVP_PKEY* key) {
  std::string raw(32, '\0');
  size_t size = raw.size();
  SLUICE_CHECK(EVP_PKEY_get_raw_public_key(
                   key, reinterpret_cast<unsigned char*>(raw.data()), &size) ==
               1);
  SLUICE_CHECK(size == raw.size());
  return raw;
}

std::shared_ptr<void> Own(EVP_PKEY* key) {
  return {key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }};
}

}  // namespace

absl::Status VerifySsh(const SshPublicKey& key, absl::string_view name_space,
                       absl::string_view message, absl::string_view armoured) {
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, Unarmour(armoured));
  SLUICE_ASSIGN_OR_RETURN(const Blob blob, ReadBlob(bytes));
  if (blob.key != key.blob()) return Wrong("is by another key");
  if (blob.name_space != name_space) {
    return Wrong(
        absl::StrCat("was made for another purpose than ", name_space));
  }
  std::string digest;
  if (blob.hash == "sha512") {
    digest = Hash(message, EVP_sha512());
  } else if (blob.hash == "sha256") {
    digest = Hash(message, EVP_sha256());
  } else {
    return Wrong("uses a hash that is not SHA-256 or SHA-512");
  }
  return VerifyInner(
      key, blob.signature,
      SignedBytes(blob.name_space, blob.reserved, blob.hash, digest));
}

absl::StatusOr<SshPublicKey> SignerOf(absl::string_view armoured) {
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, Unarmour(armoured));
  SLUICE_ASSIGN_OR_RETURN(const Blob blob, ReadBlob(bytes));
  return SshPublicKey::FromBlob(blob.key);
}

absl::Status SshVerifier::Verify(absl::string_view public_key,
                                 absl::string_view name_space,
                                 absl::string_view message,
                                 absl::string_view signature) const {
  SLUICE_ASSIGN_OR_RETURN(const SshPublicKey key,
                          SshPublicKey::Parse(public_key));
  return VerifySsh(key, name_space, message, signature);
}

SshSigner::SshSigner(std::shared_ptr<void> key)
    : key_(std::move(key)),
      public_key_(*SshPublicKey::FromBlob(
          SshText("ssh-ed25519") +
          SshText(RawPublicKey(static_cast<EVP_PKEY*>(key_.get()))))) {}

SshSigner SshSigner::Make() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  SLUICE_CHECK(key != nullptr);
  return SshSigner(Own(key));
}

absl::StatusOr<SshSigner> SshSigner::FromPem(absl::string_view pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  SLUICE_CHECK(bio != nullptr);
  // Never ask at a terminal for a passphrase.
  EVP_PKEY* key = PEM_read_bio_PrivateKey(
      bio, nullptr, [](char*, int, int, void*) { return -1; }, nullptr);
  BIO_free(bio);
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_is_a(key, "ED25519") != 1) {
    EVP_PKEY_free(key);
    return absl::InvalidArgumentError(
        "this is not an unencrypted ed25519 private key (PKCS #8 PEM)");
  }
  return SshSigner(Own(key));
}

std::string SshSigner::Pem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  SLUICE_CHECK(bio != nullptr);
  SLUICE_CHECK(PEM_write_bio_PKCS8PrivateKey(
                   bio, static_cast<EVP_PKEY*>(key_.get()), nullptr, nullptr, 0,
                   nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string SshSigner::Sign(absl::string_view name_space,
                            absl::string_view message) const {
  constexpr absl::string_view kHash = "sha512";
  const std::string bytes =
      SignedBytes(name_space, "", kHash, Hash(message, EVP_sha512()));
  std::string value(kEd25519Signature, '\0');
  size_t size = value.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  SLUICE_CHECK(context != nullptr);
  SLUICE_CHECK(EVP_DigestSignInit(context, nullptr, nullptr, nullptr,
                                  static_cast<EVP_PKEY*>(key_.get())) == 1);
  SLUICE_CHECK(EVP_DigestSign(
                   context, reinterpret_cast<unsigned char*>(value.data()),
                   &size, reinterpret_cast<const unsigned char*>(bytes.data()),
                   bytes.size()) == 1);
  EVP_MD_CTX_free(context);
  const std::string blob =
      absl::StrCat(kMagic, SshNumber(1), SshText(public_key_.blob()),
                   SshText(name_space), SshText(""), SshText(kHash),
                   SshText(SshText("ssh-ed25519") + SshText(value)));
  const std::string base64 = absl::Base64Escape(blob);
  std::string out(kBegin);
  for (size_t i = 0; i < base64.size(); i += kArmourColumns) {
    absl::StrAppend(&out, base64.substr(i, kArmourColumns), "\n");
  }
  return absl::StrCat(out, kEnd, "\n");
}

}  // namespace sluice
