#include "common/sshsig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

std::string Vector(const std::string& name) {
  std::ifstream file(
      absl::StrCat(SLUICE_SOURCE_DIR, "/tests/vectors/sshsig/", name),
      std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::Status Check(const std::string& key, const std::string& signature,
                   const std::string& name_space = "decision@sluice") {
  return SshVerifier().Verify(Vector(key), name_space, Vector("body"),
                              Vector(signature));
}

TEST(SshSignatures, AreJudgedAsEveryVectorSays) {
  int good = 0;
  int bad = 0;
  for (const absl::string_view line :
       absl::StrSplit(Vector("cases.txt"), '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    ASSERT_EQ(words.size(), 7u) << line;
    const absl::Status status = SshVerifier().Verify(
        Vector(words[1]), words[2], Vector(words[3]), Vector(words[4]));
    const bool wanted = words[5] == "ours=good";
    EXPECT_EQ(status.ok(), wanted) << words[0] << ": " << status;
    ++(wanted ? good : bad);
  }
  EXPECT_GE(good, 10);
  EXPECT_GE(bad, 19);
}

TEST(SshSignatures, SayWhyTheyAreRefused) {
  EXPECT_THAT(Check("rsa.pub", "rsa-sha1.sig").message(),
              HasSubstr("algorithm that is not accepted"));
  EXPECT_THAT(Check("ed25519.pub", "wrong-namespace.sig").message(),
              HasSubstr("another purpose than decision@sluice"));
  EXPECT_THAT(Check("other.pub", "ed25519.sig").message(),
              HasSubstr("by another key"));
  EXPECT_THAT(Check("sk-ed25519.pub", "sk-ed25519-untouched.sig").message(),
              HasSubstr("nobody touched"));
  EXPECT_THAT(Check("sk-ecdsa.pub", "sk-ecdsa-untouched.sig").message(),
              HasSubstr("nobody touched"));
  EXPECT_EQ(Check("ed25519.pub", "truncated.sig").code(),
            absl::StatusCode::kInvalidArgument);
}

// Every byte of what the key signed or what says who signed matters.
TEST(SshSignatures, HoldForNoOtherBytes) {
  for (const std::string name : {"ed25519", "ecdsa", "rsa", "sk-ecdsa"}) {
    const std::string signature = Vector(name + ".sig");
    std::string body = Vector("body");
    const std::string key = Vector(name + ".pub");
    const SshVerifier verifier;
    for (size_t i = 0; i < body.size(); i += 37) {
      body[i] ^= 1;
      EXPECT_FALSE(
          verifier.Verify(key, "decision@sluice", body, signature).ok());
      body[i] ^= 1;
    }
    int accepted = 0;
    for (size_t i = 0; i < signature.size(); ++i) {
      std::string changed = signature;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      accepted +=
          verifier.Verify(key, "decision@sluice", body, changed).ok() ? 1 : 0;
    }
    // The hardware key's counter is signed too.
    EXPECT_EQ(accepted, 0) << name;
    for (size_t size = 0; size < signature.size() - 1; ++size) {
      EXPECT_FALSE(
          verifier
              .Verify(key, "decision@sluice", body, signature.substr(0, size))
              .ok());
    }
  }
}

TEST(SshSignatures, OfAHostsOwnKeyAreAsGood) {
  const SshSigner signer = SshSigner::Make();
  const std::string line = signer.public_key().Line();
  const std::string signature = signer.Sign(signed_as::kEvidence, "evidence\n");
  const SshVerifier verifier;
  EXPECT_TRUE(
      verifier.Verify(line, signed_as::kEvidence, "evidence\n", signature)
          .ok());
  EXPECT_FALSE(
      verifier.Verify(line, signed_as::kLogin, "evidence\n", signature).ok());
  const auto again = SshSigner::FromPem(signer.Pem());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->public_key(), signer.public_key());
  EXPECT_EQ(*SignerOf(signature), signer.public_key());
  EXPECT_FALSE(SshSigner::FromPem("no key").ok());
}

TEST(SshKeys, KeepOneFormAndOpenSshsFingerprint) {
  for (const std::string name :
       {"ed25519", "ecdsa", "rsa", "sk-ed25519", "sk-ecdsa"}) {
    const std::string line = Vector(name + ".pub");
    const auto key = SshPublicKey::Parse(line);
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(line, absl::StrCat(key->Line(), " ", name, "\n"));
    EXPECT_EQ(*SshPublicKey::Parse(key->Line()), *key);
    EXPECT_EQ(key->Fingerprint().size(), 50u);
  }
}

TEST(SshKeys, AreRefusedWhenTheyAreWeakOrDressedUp) {
  const std::string good = Vector("ed25519.pub");
  const std::vector<std::string> words = absl::StrSplit(good, ' ');
  for (const std::string& line : {
           std::string(),
           std::string("ssh-ed25519"),
           absl::StrCat("ssh-rsa ", words[1]),
           absl::StrCat("command=\"x\" ", good),
           absl::StrCat(good, good),
           absl::StrCat("ssh-dss ", words[1]),
           absl::StrCat("ssh-ed25519 ", words[1].substr(0, 40)),
           absl::StrCat("ssh-ed25519  ", words[1]),
           std::string(100'000, 'A'),
       }) {
    EXPECT_FALSE(SshPublicKey::Parse(line).ok()) << line.substr(0, 60);
  }
  // A 1024-bit RSA key, e = 65537.
  std::string blob("\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01\0\0\0\x81\0", 23);
  blob += std::string(128, '\xc3');
  EXPECT_FALSE(SshPublicKey::Parse("ssh-rsa " + absl::Base64Escape(blob)).ok());
}

}  // namespace
}  // namespace sluice
