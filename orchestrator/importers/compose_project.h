// A Compose project: its files read, `include` and `extends` followed, merged
// in order. Nothing of it is interpreted yet.

#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/importers/environment.h"
#include "orchestrator/importers/importer.h"
#include "orchestrator/importers/yaml_tree.h"

namespace sluice::importers {

class ComposeProject {
 public:
  ComposeProject(const FileReader& read, manifest::Problems& problems)
      : read_(read), problems_(problems) {}

  // Reads everything. False when nothing is left to go on with.
  bool Load(const ComposeOptions& options);

  // By the services' names as written; each a map.
  const std::map<std::string, ValuePtr>& services() const { return services_; }
  const std::string& name() const { return name_; }  // may be empty
  const ManifestSources& sources() const { return sources_; }
  manifest::Problems& problems() const { return problems_; }

  // The scalar's text with its variables put in; "" after an error. Names that
  // are not set go to `unset`.
  std::string Text(const Value& scalar, std::set<std::string>* unset) const;
  // What a variable that is named without a value stands for.
  const Environment& environment() const { return environment_; }
  // The variables of a service's env_file: entries, those that can be read.
  Environment EnvFile(const Value& path);

 private:
  struct File {
    std::string path;
    std::string text;
    ValuePtr root;
    std::map<std::string, ValuePtr> services;  // before `extends`
  };

  // nullptr after an error. Each file is read once.
  File* Open(const std::string& path, Place from);
  void ReadEnvironment(const ComposeOptions& options);
  void AddFile(const std::string& path, Place from, int depth);
  void Include(const File& file, int depth);
  // A service with what it extends; nullptr after an error.
  ValuePtr Resolve(File& file, const std::string& service, Place from,
                   std::vector<std::string>* chain);

  const FileReader& read_;
  manifest::Problems& problems_;
  ManifestSources sources_;
  std::deque<File> files_;
  std::map<std::string, ValuePtr> services_;
  Environment environment_;
  std::string name_;
};

}  // namespace sluice::importers
