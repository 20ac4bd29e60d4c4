// Certificates for tests, made with the openssl command in a folder of their
// own that goes with them.

#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice::rpc {

struct Pair {
  std::string certificate;
  std::string key;
};

class Authority {
 public:
  Authority() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-ca-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    Run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout ca.key -out ca.crt -days 2 -subj /CN=test");
  }
  ~Authority() { std::filesystem::remove_all(folder_); }

  std::string certificate() const { return Read("ca.crt"); }

  // `names` as in openssl: "URI:sluice://small/agent/db-1".
  Pair Issue(const std::string& names) {
    std::ofstream(folder_ + "/ext") << "subjectAltName=" << names << "\n";
    Run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout one.key -out one.csr -subj /CN=one");
    Run("openssl x509 -req -in one.csr -CA ca.crt -CAkey ca.key "
        "-CAcreateserial -days 2 -extfile ext -out one.crt");
    return {Read("one.crt"), Read("one.key")};
  }

 private:
  void Run(const std::string& command) {
    const std::string whole =
        absl::StrCat("cd ", folder_, " && ", command, " 2>openssl.log");
    ASSERT_EQ(std::system(whole.c_str()), 0) << Read("openssl.log");
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::string folder_;
};

}  // namespace sluice::rpc
