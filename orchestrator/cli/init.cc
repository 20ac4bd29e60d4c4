#include "orchestrator/cli/init.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/authority.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "orchestrator/cli/drafts.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/own_copy.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestPem = 1 << 16;
constexpr size_t kLargestManifest = 64 << 20;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() != fs::file_type::not_found;
}

// Names become directories: one part of a path and nothing else.
absl::Status CheckName(absl::string_view kind, const std::string& name) {
  if (!name.empty() && name.size() <= 128 && name.front() != '.' &&
      name.find('/') == std::string::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(kind, " '", name,
                   "' cannot be the name of a directory; give it a name of "
                   "letters, digits and hyphens"));
}

absl::Status MakeDirectory(const fs::path& path) {
  if (path.has_parent_path() && !Exists(path.parent_path())) {
    SLUICE_RETURN_IF_ERROR(MakeDirectory(path.parent_path()));
  }
  if (mkdir(path.c_str(), S_IRWXU) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("cannot make '", path.string(), "'"));
}

struct NewFile {
  std::string name;
  std::string bytes;
};

// All files of one directory, the directory's own last step being a rename:
// it is there as a whole or not at all, whenever the program is stopped.
absl::Status WriteDirectory(const fs::path& path,
                            const std::vector<NewFile>& files) {
  const fs::path draft = absl::StrCat(path.string(), ".incomplete");
  std::error_code failed;
  fs::remove_all(draft, failed);
  SLUICE_RETURN_IF_ERROR(MakeDirectory(draft));
  for (const NewFile& file : files) {
    const fs::path whole = draft / file.name;
    SLUICE_RETURN_IF_ERROR(MakeDirectory(whole.parent_path()));
    SLUICE_RETURN_IF_ERROR(WriteNewFile(whole.string(), file.bytes));
  }
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make '", path.string(), "'"));
  }
  return absl::OkStatus();
}

// The sources under the names the orchestrator reads them by: the first as
// manifest.yaml, what it includes where it includes it from.
absl::StatusOr<std::vector<NewFile>> ManifestFiles(
    const ManifestSources& sources) {
  std::vector<NewFile> files;
  if (sources.files.empty()) return files;
  const fs::path base = fs::path(sources.files.front().name).parent_path();
  for (const ManifestSources::File& source : sources.files) {
    std::string name = "manifest.yaml";
    if (!files.empty()) {
      name = fs::path(source.name).lexically_relative(base).string();
      if (name.empty()) name = source.name;
    }
    if (name.front() == '/' || absl::StartsWith(name, "..")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the manifest includes '", source.name,
          "' from outside its own directory, which cannot be handed over to "
          "the orchestrator; move the file beside the manifest"));
    }
    files.push_back({std::move(name), source.text});
  }
  return files;
}

class Initializer {
 public:
  Initializer(const Plan& plan, const ManifestSources& sources,
              const InitOptions& options)
      : plan_(plan), sources_(sources), options_(options), out_(options.out) {}

  absl::StatusOr<InitReport> Run();

 private:
  absl::Status CheckInput();
  absl::StatusOr<Authority> FindAuthority() const;
  absl::Status Orchestrator(const Authority& authority);
  absl::Status Agent(const Authority& authority, const PlannedHost& host);
  absl::Status Operator(const Authority& authority, const std::string& name);
  std::string HostKeys() const {
    std::string text =
        "# The keys that hosts sign their evidence with. Also an "
        "allowed_signers file\n"
        "# for ssh-keygen -Y verify.\n";
    for (const auto& [host, key] : host_keys_) {
      absl::StrAppend(&text, host, " ", key, "\n");
    }
    return text;
  }
  absl::Status KeepHostKeys() const;
  bool Keep(const fs::path& directory) {
    const bool there = Exists(directory);
    report_.kept += there ? 1 : 0;
    return there;
  }
  std::string Uri(absl::string_view rest) const {
    return absl::StrCat("sluice://", plan_.estate.str(), "/", rest);
  }

  const Plan& plan_;
  const ManifestSources& sources_;
  const InitOptions& options_;
  const fs::path out_;
  std::vector<Prefix> addresses_;  // the orchestrator's
  std::set<std::string> operators_;
  std::vector<NewFile> manifest_files_;
  std::map<std::string, std::string> host_keys_;  // by host
  InitReport report_;
};

// Everything that can be found wrong before anything is written.
absl::Status Initializer::CheckInput() {
  SLUICE_RETURN_IF_ERROR(CheckName("estate", plan_.estate.str()));
  for (const PlannedHost& host : plan_.hosts) {
    SLUICE_RETURN_IF_ERROR(CheckName("host", host.id.str()));
  }
  for (const Approver& approver : plan_.approvers) {
    operators_.insert(approver.id.str());
    if (approver.key.empty()) report_.keyless.push_back(approver.id.str());
  }
  for (const std::string& name : operators_) {
    SLUICE_RETURN_IF_ERROR(CheckName("operator", name));
  }
  if (plan_.management.orchestrators.empty()) {
    return absl::InvalidArgumentError(
        "the manifest does not say where the orchestrator will be; add "
        "management: {orchestrators: [\"10.77.0.1:7443\"]}");
  }
  for (const std::string& text : plan_.management.orchestrators) {
    SLUICE_ASSIGN_OR_RETURN(const Endpoint endpoint, Endpoint::Parse(text));
    addresses_.push_back(endpoint.address);
  }
  SLUICE_ASSIGN_OR_RETURN(manifest_files_, ManifestFiles(sources_));
  return absl::OkStatus();
}

absl::StatusOr<Authority> Initializer::FindAuthority() const {
  const fs::path directory = out_ / "authority";
  if (!Exists(directory)) {
    if (options_.add) {
      return absl::NotFoundError(
          absl::StrCat("there is no authority in '", out_.string(),
                       "' to add to; leave --add out to make a new one"));
    }
    SLUICE_ASSIGN_OR_RETURN(Authority made,
                            Authority::Make(plan_.estate.str()));
    SLUICE_RETURN_IF_ERROR(MakeDirectory(out_));
    SLUICE_RETURN_IF_ERROR(WriteDirectory(
        directory, {{"ca.crt", made.credential().certificate_pem},
                    {"ca.key", made.credential().key_pem}}));
    return made;
  }
  if (!options_.add) {
    return absl::AlreadyExistsError(absl::StrCat(
        "there is an authority in '", out_.string(),
        "' already; a new one would make every certificate it signed "
        "worthless. Nothing was changed. Add what is missing with --add, or "
        "name another directory with --out."));
  }
  Credential credential;
  SLUICE_ASSIGN_OR_RETURN(
      credential.certificate_pem,
      ReadWholeFile((directory / "ca.crt").string(), kLargestPem));
  SLUICE_ASSIGN_OR_RETURN(
      credential.key_pem,
      ReadWholeFile((directory / "ca.key").string(), kLargestPem));
  auto loaded = Authority::Load(credential);
  if (!loaded.ok()) return WithContext(loaded.status(), directory.string());
  return loaded;
}

absl::Status Initializer::Orchestrator(const Authority& authority) {
  const fs::path directory = out_ / "orchestrator";
  if (Keep(directory)) {
    for (const NewFile& file : manifest_files_) {
      const auto there =
          ReadWholeFile((directory / file.name).string(), kLargestManifest);
      if (!there.ok() || *there != file.bytes) report_.manifest_differs = true;
    }
    return absl::OkStatus();
  }
  SLUICE_ASSIGN_OR_RETURN(
      const Credential server,
      authority.Issue(
          {.name = absl::StrCat("orchestrator of ", plan_.estate.str()),
           .uri = Uri("orchestrator"),
           .dns = {"orchestrator.sluice"},
           .addresses = addresses_,
           .server = true},
          options_.days));
  SLUICE_ASSIGN_OR_RETURN(const Authority issuer,
                          authority.MakeIssuer(plan_.estate.str()));
  std::vector<NewFile> files = {
      {"issuer.crt", issuer.credential().certificate_pem},
      {"issuer.key", issuer.credential().key_pem},
      {"orchestrator.yaml", OrchestratorYaml(plan_)},
      {"ca.crt", authority.credential().certificate_pem},
      {"server.crt", server.certificate_pem},
      {"server.key", server.key_pem}};
  files.insert(files.end(), manifest_files_.begin(), manifest_files_.end());
  report_.made_orchestrator = true;
  return WriteDirectory(directory, files);
}

absl::Status Initializer::Agent(const Authority& authority,
                                const PlannedHost& host) {
  const fs::path directory = out_ / "agents" / host.id.str();
  if (Keep(directory)) return absl::OkStatus();
  report_.agents.push_back(host.id.str());
  const SshSigner evidence = SshSigner::Make();
  host_keys_[host.id.str()] = evidence.public_key().Line();
  std::vector<NewFile> files = {{"agent.yaml", AgentYaml(plan_, host)},
                                {"evidence.key", evidence.Pem()}};
  if (options_.agent_keys) {
    SLUICE_ASSIGN_OR_RETURN(
        Credential agent,
        authority.Issue({.name = host.id.str(),
                         .uri = Uri(absl::StrCat("agent/", host.id.str()))},
                        options_.days));
    files.push_back({"ca.crt", authority.credential().certificate_pem});
    files.push_back({"agent.crt", std::move(agent.certificate_pem)});
    files.push_back({"agent.key", std::move(agent.key_pem)});
  }
  return WriteDirectory(directory, files);
}

absl::Status Initializer::Operator(const Authority& authority,
                                   const std::string& name) {
  const fs::path directory = out_ / "operators" / name;
  if (Keep(directory)) return absl::OkStatus();
  report_.operators.push_back(name);
  std::vector<NewFile> files = {
      {"hosts.keys", HostKeys()},
      {"ca.crt", authority.credential().certificate_pem}};
  files.insert(files.end(), manifest_files_.begin(), manifest_files_.end());
  files.push_back({"client.yaml", ClientYaml(plan_, name)});
  return WriteDirectory(directory, files);
}

// The list that every operator's is a copy of. Written whole, beside the
// directories: --add puts new hosts to those there are.
absl::Status Initializer::KeepHostKeys() const {
  const fs::path path = out_ / "hosts.keys";
  const std::string draft = absl::StrCat(path.string(), ".incomplete");
  std::error_code failed;
  fs::remove(draft, failed);
  SLUICE_RETURN_IF_ERROR(WriteNewFile(draft, HostKeys()));
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot write '", path.string(), "'"));
  }
  return absl::OkStatus();
}

absl::StatusOr<InitReport> Initializer::Run() {
  SLUICE_RETURN_IF_ERROR(CheckInput());
  if (const auto there =
          ReadWholeFile((out_ / "hosts.keys").string(), kLargestManifest);
      there.ok()) {
    SLUICE_ASSIGN_OR_RETURN(
        const auto keys, ParseHostKeys(*there, (out_ / "hosts.keys").string()));
    for (const auto& [host, key] : keys) host_keys_[host.str()] = key;
  }
  SLUICE_ASSIGN_OR_RETURN(const Authority authority, FindAuthority());
  SLUICE_RETURN_IF_ERROR(Orchestrator(authority));
  for (const PlannedHost& host : plan_.hosts) {
    // A manual point has no agent: its work is a task.
    if (host.grade != Grade::kKernel) continue;
    SLUICE_RETURN_IF_ERROR(Agent(authority, host));
  }
  for (const PlannedHost& host : plan_.hosts) {
    // Whoever acts for a driven one signs its evidence.
    if (host.grade != Grade::kDriven) continue;
    const auto key = host_keys_.find(host.acting.str());
    if (key != host_keys_.end()) host_keys_[host.id.str()] = key->second;
  }
  SLUICE_RETURN_IF_ERROR(KeepHostKeys());
  for (const std::string& name : operators_) {
    SLUICE_RETURN_IF_ERROR(Operator(authority, name));
  }
  return std::move(report_);
}

}  // namespace

absl::StatusOr<InitReport> Init(const Plan& plan,
                                const ManifestSources& sources,
                                const InitOptions& options) {
  return Initializer(plan, sources, options).Run();
}

}  // namespace sluice::cli
