#include "common/ssh_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/contract.h"
#include "common/ssh_wire.h"
#include "common/status.h"

namespace sluice {
namespace {

using Kind = SshPublicKey::Kind;
using KeyPtr = std::shared_ptr<void>;

constexpr size_t kMaxLine = 8192;
constexpr size_t kMaxBlob = 4096;
constexpr size_t kEd25519Bytes = 32;
constexpr size_t kPointBytes = 65;  // 04, x, y
constexpr int kLeastRsaBits = 2048;
constexpr int kMostRsaBits = 16384;

struct Type {
  absl::string_view name;
  Kind kind;
};
constexpr Type kTypes[] = {
    {"ssh-ed25519", Kind::kEd25519},
    {"ecdsa-sha2-nistp256", Kind::kEcdsaP256},
    {"ssh-rsa", Kind::kRsa},
    {"sk-ssh-ed25519@openssh.com", Kind::kSkEd25519},
    {"sk-ecdsa-sha2-nistp256@openssh.com", Kind::kSkEcdsa},
};

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* value) const {
    kFree(value);
  }
};
template <class T, auto kFree>
using Owned = std::unique_ptr<T, Freer<kFree>>;
using Number = Owned<BIGNUM, BN_free>;

const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the public key ", why, "; use the line that ssh-keygen wrote"));
}

// A positive integer in its shortest form, the only one that is signed.
Number ReadInteger(absl::string_view bytes) {
  if (bytes.empty() || (bytes[0] & 0x80) != 0) return nullptr;
  if (bytes[0] == 0 && (bytes.size() == 1 || (bytes[1] & 0x80) == 0)) {
    return nullptr;
  }
  return Number(
      BN_bin2bn(Data(bytes), static_cast<int>(bytes.size()), nullptr));
}

KeyPtr FromParameters(const char* algorithm, OSSL_PARAM_BLD* build) {
  const Owned<OSSL_PARAM, OSSL_PARAM_free> parameters(
      OSSL_PARAM_BLD_to_param(build));
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr ||
      EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY,
                        parameters.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return KeyPtr(key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); });
}

KeyPtr MakeEd25519(absl::string_view point) {
  if (point.size() != kEd25519Bytes) return nullptr;
  EVP_PKEY* key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                              Data(point), point.size());
  if (key == nullptr) return nullptr;
  return KeyPtr(key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); });
}

// OpenSSL refuses points that are not on the curve.
KeyPtr MakeP256(absl::string_view curve, absl::string_view point) {
  if (curve != "nistp256" || point.size() != kPointBytes || point[0] != 4) {
    return nullptr;
  }
  const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
  SLUICE_CHECK(build != nullptr);
  SLUICE_CHECK(OSSL_PARAM_BLD_push_utf8_string(
                   build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1);
  SLUICE_CHECK(
      OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                       point.data(), point.size()) == 1);
  return FromParameters("EC", build.get());
}

KeyPtr MakeRsa(absl::string_view exponent, absl::string_view modulus) {
  const Number e = ReadInteger(exponent);
  const Number n = ReadInteger(modulus);
  if (e == nullptr || n == nullptr || BN_num_bits(n.get()) < kLeastRsaBits ||
      BN_num_bits(n.get()) > kMostRsaBits || BN_num_bits(e.get()) > 64 ||
      !BN_is_odd(e.get()) || BN_is_one(e.get())) {
    return nullptr;
  }
  const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
  SLUICE_CHECK(build != nullptr);
  SLUICE_CHECK(
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1);
  SLUICE_CHECK(
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  return FromParameters("RSA", build.get());
}

// r and s as OpenSSL wants them; empty when they are not two integers.
std::string EcdsaDer(absl::string_view signature) {
  SshReader reader(signature);
  const auto r_bytes = reader.Text();
  const auto s_bytes = reader.Text();
  if (!r_bytes.has_value() || !s_bytes.has_value() || !reader.Done()) return "";
  Number r = ReadInteger(*r_bytes);
  Number s = ReadInteger(*s_bytes);
  if (r == nullptr || s == nullptr) return "";
  const Owned<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  SLUICE_CHECK(pair != nullptr);
  SLUICE_CHECK(ECDSA_SIG_set0(pair.get(), r.release(), s.release()) == 1);
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return "";
  std::string out(reinterpret_cast<const char*>(der),
                  static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace

absl::StatusOr<SshPublicKey> SshPublicKey::FromBlob(absl::string_view blob) {
  if (blob.size() > kMaxBlob) return Bad("is longer than any key");
  SshReader reader(blob);
  const auto name = reader.Text();
  const Type* type = nullptr;
  for (const Type& known : kTypes) {
    if (name == known.name) type = &known;
  }
  if (type == nullptr) {
    return Bad(
        "is of a kind that is not accepted here: ed25519, ecdsa-p256, rsa and "
        "their hardware forms are");
  }
  SshPublicKey key;
  key.kind_ = type->kind;
  key.blob_ = std::string(blob);
  std::vector<absl::string_view> parts;
  const bool curve =
      type->kind == Kind::kEcdsaP256 || type->kind == Kind::kSkEcdsa;
  const size_t wanted = (curve || type->kind == Kind::kRsa ? 2u : 1u) +
                        (key.is_hardware() ? 1u : 0u);
  for (size_t i = 0; i < wanted; ++i) {
    const auto part = reader.Text();
    if (part.has_value()) parts.push_back(*part);
  }
  if (parts.size() != wanted || !reader.Done()) {
    return Bad("is cut short, or something follows it");
  }
  if (type->kind == Kind::kRsa) {
    key.key_ = MakeRsa(parts[0], parts[1]);
  } else {
    key.key_ = curve ? MakeP256(parts[0], parts[1]) : MakeEd25519(parts[0]);
  }
  if (key.is_hardware()) key.application_ = std::string(parts.back());
  if (key.key_ == nullptr) {
    return Bad(type->kind == Kind::kRsa
                   ? "is not an RSA key of 2048 to 16384 bits"
                   : "is not a point of its curve");
  }
  return key;
}

absl::StatusOr<SshPublicKey> SshPublicKey::Parse(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  if (line.size() > kMaxLine) return Bad("is longer than any key");
  if (line.find_first_of("\r\n") != absl::string_view::npos) {
    return Bad("is more than one line");
  }
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::MaxSplits(' ', 2));
  std::string blob;
  if (words.size() < 2 || !absl::Base64Unescape(words[1], &blob)) {
    return Bad("is not a type, a space and base64");
  }
  SLUICE_ASSIGN_OR_RETURN(SshPublicKey key, FromBlob(blob));
  // The type stands twice, and the encoding is the one that was written.
  const std::string canonical = key.Line();
  if (canonical != absl::StrCat(words[0], " ", words[1])) {
    return Bad("says another type before its bytes than in them");
  }
  return key;
}

std::string SshPublicKey::Line() const {
  for (const Type& type : kTypes) {
    if (type.kind == kind_) {
      return absl::StrCat(type.name, " ", absl::Base64Escape(blob_));
    }
  }
  return "";
}

std::string SshPublicKey::Fingerprint() const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  SLUICE_CHECK(EVP_Digest(blob_.data(), blob_.size(), digest, &size,
                          EVP_sha256(), nullptr) == 1);
  std::string text = absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(digest), size));
  while (!text.empty() && text.back() == '=') text.pop_back();
  return absl::StrCat("SHA256:", text);
}

bool SshPublicKey::Verifies(absl::string_view bytes,
                            absl::string_view signature,
                            const char* digest) const {
  const bool ed25519 = kind_ == Kind::kEd25519 || kind_ == Kind::kSkEd25519;
  std::string made(signature);
  if (!ed25519 && kind_ != Kind::kRsa) made = EcdsaDer(signature);
  if (made.empty()) return false;
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  SLUICE_CHECK(context != nullptr);
  auto* key = static_cast<EVP_PKEY*>(key_.get());
  const bool good = EVP_DigestVerifyInit_ex(context.get(), nullptr,
                                            ed25519 ? nullptr : digest, nullptr,
                                            nullptr, key, nullptr) == 1 &&
                    EVP_DigestVerify(context.get(), Data(made), made.size(),
                                     Data(bytes), bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace sluice
