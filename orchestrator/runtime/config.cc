#include "orchestrator/runtime/config.h"

#include <sys/un.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"

namespace sluice::runtime {
namespace {

constexpr size_t kMaxFile = 1 << 20;
constexpr size_t kMaxListen = 32;
constexpr size_t kMaxWords = 64;
constexpr absl::Duration kShortestHeartbeat = absl::Milliseconds(100);
constexpr absl::Duration kLongestHeartbeat = absl::Seconds(10);

class Reader {
 public:
  Reader(absl::string_view name, absl::string_view directory)
      : name_(name), directory_(directory) {}

  absl::StatusOr<Config> Read(const YAML::Node& root) {
    if (!root.IsMap()) return At(root, "write one 'key: value' a line");
    std::set<std::string> seen;
    for (const auto& entry : root) {
      const std::string key = entry.first.Scalar();
      if (!seen.insert(key).second) {
        return At(entry.first,
                  absl::StrCat("'", key, "' stands here twice; remove one"));
      }
      SLUICE_RETURN_IF_ERROR(ReadOne(key, entry.first, entry.second));
    }
    for (const char* needed :
         {"manifest", "journal", "listen", "certificate", "key", "authority"}) {
      if (!seen.contains(needed)) {
        return absl::InvalidArgumentError(
            absl::StrCat(name_, ": '", needed, "' is missing; add a line '",
                         needed, ": …' (`sluice init` writes the whole file)"));
      }
    }
    if (config_.issuer.empty() != config_.issuer_key.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name_, ": 'issuer' and 'issuer-key' belong together; name both"));
    }
    return config_;
  }

 private:
  absl::Status At(const YAML::Node& node, absl::string_view what) const {
    const YAML::Mark mark = node.Mark();
    return absl::InvalidArgumentError(absl::StrCat(
        name_, ":", mark.line + 1, ":", mark.column + 1, ": ", what));
  }

  absl::Status ReadOne(const std::string& key, const YAML::Node& key_node,
                       const YAML::Node& value) {
    if (key == "manifest") return ReadPath(value, &config_.manifest);
    if (key == "journal") return ReadPath(value, &config_.journal);
    if (key == "certificate") return ReadPath(value, &config_.certificate);
    if (key == "key") return ReadPath(value, &config_.key);
    if (key == "authority") return ReadPath(value, &config_.authority);
    if (key == "issuer") return ReadPath(value, &config_.issuer);
    if (key == "issuer-key") return ReadPath(value, &config_.issuer_key);
    if (key == "heartbeat") return ReadHeartbeat(value);
    if (key == "notify") return ReadNotify(value);
    if (key == "listen") return ReadListen(value);
    return At(key_node,
              absl::StrCat("'", key,
                           "' is not known here; there are manifest, journal, "
                           "listen, certificate, key, authority, issuer, "
                           "issuer-key, heartbeat and notify"));
  }

  std::string Resolve(const std::string& path) const {
    return (std::filesystem::path(std::string(directory_)) / path)
        .lexically_normal()
        .string();
  }

  absl::Status ReadPath(const YAML::Node& value, std::string* out) const {
    if (!value.IsScalar() || value.Scalar().empty()) {
      return At(value, "a file's name is wanted here");
    }
    *out = Resolve(value.Scalar());
    return absl::OkStatus();
  }

  absl::Status ReadHeartbeat(const YAML::Node& value) {
    if (!value.IsScalar() ||
        !absl::ParseDuration(value.Scalar(), &config_.heartbeat) ||
        config_.heartbeat < kShortestHeartbeat ||
        config_.heartbeat > kLongestHeartbeat) {
      return At(value, "a time from 100ms to 10s is wanted here, such as 1s");
    }
    return absl::OkStatus();
  }

  absl::Status ReadWords(const YAML::Node& value, size_t most,
                         absl::string_view what,
                         std::vector<std::string>* out) const {
    if (!value.IsSequence() || value.size() == 0 || value.size() > most) {
      return At(value, what);
    }
    for (const YAML::Node& word : value) {
      if (!word.IsScalar() || word.Scalar().empty()) return At(word, what);
      out->push_back(word.Scalar());
    }
    return absl::OkStatus();
  }

  absl::Status ReadNotify(const YAML::Node& value) {
    SLUICE_RETURN_IF_ERROR(ReadWords(
        value, kMaxWords,
        "a list is wanted here, the program and its arguments: [/usr/bin/mail, "
        "-s, sluice, duty]",
        &config_.notify));
    if (absl::StrContains(config_.notify[0], '/')) {
      config_.notify[0] = Resolve(config_.notify[0]);
    }
    return absl::OkStatus();
  }

  absl::Status ReadListen(const YAML::Node& value) {
    SLUICE_RETURN_IF_ERROR(
        ReadWords(value, kMaxListen,
                  "a list of addresses is wanted here: [\"10.77.0.1:7443\", "
                  "\"unix:operator.sock\"]",
                  &config_.listen));
    constexpr absl::string_view kUnix = "unix:";
    for (std::string& address : config_.listen) {
      if (!absl::StartsWith(address, kUnix)) continue;
      const std::string path = Resolve(address.substr(kUnix.size()));
      if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return At(value, absl::StrCat("the socket's whole path, ", path,
                                      ", is longer than the ",
                                      sizeof(sockaddr_un::sun_path) - 1,
                                      " bytes that Linux allows; name "
                                      "a shorter one"));
      }
      address = absl::StrCat(kUnix, path);
    }
    return absl::OkStatus();
  }

  const absl::string_view name_;
  const absl::string_view directory_;
  Config config_;
};

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          absl::string_view what) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFile + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad() || std::filesystem::is_directory(path)) {
    return absl::NotFoundError(
        absl::StrCat(what, " ", path, ": it cannot be read (",
                     strerror(errno == 0 ? EISDIR : errno),
                     "); give the right name and the right to read it"));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFile) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " ", path, ": it is longer than 1 MiB; name the right file"));
  }
  return text;
}

absl::StatusOr<Config> ParseConfig(const std::string& text,
                                   absl::string_view name,
                                   absl::string_view directory) {
  try {
    return Reader(name, directory).Read(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":", error.mark.line + 1, ":", error.mark.column + 1,
                     ": this is no YAML: ", error.msg));
  }
}

absl::StatusOr<Config> ReadConfig(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(std::string text,
                          ReadSmallFile(path, "configuration"));
  const std::string directory =
      std::filesystem::absolute(path).parent_path().string();
  return ParseConfig(text, path, directory);
}

}  // namespace sluice::runtime
