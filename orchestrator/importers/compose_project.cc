#include "orchestrator/importers/compose_project.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/importers/compose_merge.h"
#include "orchestrator/importers/text.h"

namespace sluice::importers {
namespace {

constexpr size_t kMaxFiles = 200;
constexpr int kMaxIncludes = 16;

std::vector<std::string> Keys(const std::map<std::string, ValuePtr>& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

}  // namespace

std::string ComposeProject::Text(const Value& scalar,
                                 std::set<std::string>* unset) const {
  std::string out, why;
  if (Interpolate(scalar.text, environment_, &out, unset, &why)) return out;
  problems_.Error(scalar.place, why);
  return "";
}

ComposeProject::File* ComposeProject::Open(const std::string& path,
                                           Place from) {
  for (File& file : files_) {
    if (file.path == path) return file.root == nullptr ? nullptr : &file;
  }
  if (files_.size() >= kMaxFiles) {
    problems_.Error(from, absl::StrCat("more than ", kMaxFiles,
                                       " files; is there a circle?"));
    return nullptr;
  }
  const int number = static_cast<int>(sources_.files.size());
  absl::StatusOr<std::string> text = read_(path);
  if (!text.ok()) {
    problems_.Error(from, std::string(text.status().message()));
    return nullptr;
  }
  sources_.files.push_back({path, *text});
  File& file = files_.emplace_back();
  file.path = path;
  file.text = *std::move(text);
  if (!LooksLikeText(file.text, number, "a Compose file in YAML", problems_)) {
    return nullptr;
  }
  const Lines lines(file.text, number);
  if (!CheckUtf8(lines, problems_).empty()) return nullptr;
  file.root = ReadYaml(file.text, lines, problems_);
  if (file.root == nullptr) return nullptr;
  if (!file.root->is_map() && file.root->kind != Value::Kind::kNull) {
    problems_.Error({number, 1, 1},
                    "this is no Compose file; it has to have services:");
    file.root = nullptr;
    return nullptr;
  }
  const ValuePtr services = file.root->Get("services");
  if (services != nullptr && services->is_map()) {
    for (const Value::Entry& entry : services->entries) {
      if (entry.value->is_map()) {
        file.services[entry.key] = entry.value;
      } else {
        problems_.Error(entry.place,
                        absl::StrCat("service '", entry.key,
                                     "' says nothing; give it an image:, or "
                                     "remove it"));
      }
    }
  } else if (services == nullptr && !file.root->entries.empty() &&
             file.root->entries[0].value->Find("image") != nullptr) {
    problems_.Error({number, 1, 1},
                    "a Compose file of the first format, without services:; "
                    "put everything under 'services:'");
  }
  return &file;
}

ValuePtr ComposeProject::Resolve(File& file, const std::string& service,
                                 Place from, std::vector<std::string>* chain) {
  const std::string step = absl::StrCat(BaseName(file.path), ":", service);
  const auto at = file.services.find(service);
  if (at == file.services.end()) {
    problems_.Error(
        from, absl::StrCat("there is no service '", service, "' in ",
                           BaseName(file.path),
                           manifest::DidYouMean(service, Keys(file.services))));
    return nullptr;
  }
  if (std::find(chain->begin(), chain->end(), step) != chain->end() ||
      chain->size() > kMaxIncludes) {
    problems_.Error(from,
                    absl::StrCat("services extend each other in a circle: ",
                                 absl::StrJoin(*chain, " extends "),
                                 "; remove one extends:"));
    return nullptr;
  }
  chain->push_back(step);
  const ValuePtr mine = at->second;
  const ValuePtr extends = mine->Get("extends");
  if (extends == nullptr) return mine;
  std::set<std::string> unset;
  std::string base_name, base_file;
  if (extends->is_scalar()) base_name = Text(*extends, &unset);
  if (const ValuePtr named = extends->Get("service")) {
    base_name = Text(*named, &unset);
  }
  if (const ValuePtr path = extends->Get("file")) {
    base_file = Text(*path, &unset);
  }
  if (base_name.empty()) {
    problems_.Error(extends->place,
                    "extends: names no service; write extends: {service: …}");
    return nullptr;
  }
  File* from_file = base_file.empty()
                        ? &file
                        : Open(Beside(file.path, base_file), extends->place);
  if (from_file == nullptr) return nullptr;
  const ValuePtr base = Resolve(*from_file, base_name, extends->place, chain);
  if (base == nullptr) return nullptr;
  return MergeService(Without(base, "extends"), Without(mine, "extends"));
}

void ComposeProject::Include(const File& file, int depth) {
  const ValuePtr include = file.root->Get("include");
  if (include == nullptr) return;
  std::set<std::string> unset;
  const auto add = [&](const Value& path) {
    AddFile(Beside(file.path, Text(path, &unset)), path.place, depth + 1);
  };
  for (const ValuePtr& item : include->items) {
    ValuePtr path = item;
    if (item->is_map()) path = item->Get("path");
    if (path != nullptr && path->is_scalar()) add(*path);
    if (path == nullptr || !path->is_list()) continue;
    for (const ValuePtr& one : path->items) add(*one);
  }
}

void ComposeProject::AddFile(const std::string& path, Place from, int depth) {
  if (depth > kMaxIncludes) {
    problems_.Error(from, "files include each other in a circle; remove one");
    return;
  }
  File* file = Open(path, from);
  if (file == nullptr) return;
  Include(*file, depth);
  if (const ValuePtr name = file->root->Get("name")) {
    std::set<std::string> unset;
    if (depth == 0) name_ = Text(*name, &unset);
  }
  for (const auto& [name, value] : file->services) {
    std::vector<std::string> chain;
    const ValuePtr service = Resolve(*file, name, value->place, &chain);
    if (service == nullptr) continue;
    ValuePtr& merged = services_[name];
    merged = merged == nullptr ? service : MergeService(merged, service);
  }
}

void ComposeProject::ReadEnvironment(const ComposeOptions& options) {
  std::vector<std::string> paths = options.env_files;
  if (paths.empty()) paths.push_back(Beside(options.files[0], ".env"));
  for (const std::string& path : paths) {
    absl::StatusOr<std::string> text = read_(path);
    if (!text.ok()) {
      // The one beside the files need not be there.
      if (!options.env_files.empty()) {
        problems_.Error({0, 0, 0}, std::string(text.status().message()));
      }
      continue;
    }
    const int number = static_cast<int>(sources_.files.size());
    sources_.files.push_back({path, *text});
    if (!LooksLikeText(*text, number, "NAME=value lines", problems_)) continue;
    ReadEnvFile(*text, number, problems_, &environment_);
  }
}

Environment ComposeProject::EnvFile(const Value& path) {
  std::set<std::string> unset;
  const std::string& from = sources_.files[path.place.file].name;
  const absl::StatusOr<std::string> text =
      read_(Beside(from, Text(path, &unset)));
  Environment values;
  if (!text.ok() || text->size() > kMaxBytes) return values;
  // Its mistakes are the service's, not the project's.
  manifest::Problems ignored;
  ReadEnvFile(*text, 0, ignored, &values);
  return values;
}

bool ComposeProject::Load(const ComposeOptions& options) {
  // Mistakes without a place are about the first file: it is number 0.
  Open(options.files[0], {0, 0, 0});
  if (sources_.files.empty()) sources_.files.push_back({options.files[0], ""});
  ReadEnvironment(options);
  for (const std::string& path : options.files) AddFile(path, {0, 0, 0}, 0);
  if (services_.empty() && problems_.errors() == 0) {
    problems_.Error({0, 1, 1},
                    "there are no services in these files; name the files "
                    "that have them");
  }
  return !services_.empty();
}

}  // namespace sluice::importers
