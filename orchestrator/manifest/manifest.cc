#include "orchestrator/manifest/manifest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/model/lint.h"

namespace sluice {
namespace manifest {
namespace {

constexpr size_t kMaxFiles = 200;

// Gives the text of a file by its name, or says why it cannot.
using Open = std::function<bool(const std::string& name, std::string* text,
                                std::string* why)>;

class Loader {
 public:
  Loader(Open open, ManifestResult& result, bool part = false)
      : open_(std::move(open)), result_(result), part_(part) {
    draft_.model.default_gate.approvals[RoleId("incident-commander")] = 1;
  }

  void Run(const std::string& first) {
    pending_.push_back({first, {}});
    for (size_t next = 0; next < pending_.size(); ++next) {
      ReadFile(static_cast<int>(next));
    }
    if (!found_text_ || part_) {
      Finish();
      return;
    }
    if (!broken_off_) CheckWhole();
    CheckReferences(draft_, problems_);
    CheckActing(draft_, problems_);
    CheckAddresses(draft_, problems_);
    // A need of a system that a broken file never came to is no mistake.
    if (!broken_off_) {
      CheckNeeds(draft_, problems_);
      CheckStages(draft_, problems_);
      CheckPeople(draft_, problems_);
    }
    Finish();
  }

 private:
  struct Pending {
    std::string name;
    Place asked;  // where it was included
  };

  void ReadFile(int file) {
    // Copied: reading may include more files and move `pending_`.
    const Pending pending = pending_[file];
    draft_.model.files.push_back(pending.name);
    result_.sources.files.push_back({pending.name, ""});
    std::string& text = result_.sources.files.back().text;
    std::string why;
    if (!open_(pending.name, &text, &why)) {
      problems_.Error(pending.asked, why);
      broken_off_ = true;
      return;
    }
    found_text_ = true;
    const SourceText source(text, file, problems_);
    if (!source.readable()) {
      broken_off_ = true;
      return;
    }
    const Tree tree = ReadTree(source, problems_);
    if (tree.root().broken_off) broken_off_ = true;
    const Context context{source, problems_, draft_};
    if (tree.root().kind == NodeKind::kNull) {
      if (!tree.root().broken_off) {
        problems_.Error({file, 1, 1},
                        "the file is empty; begin with 'sluice: 1' (see "
                        "manifests/README.md)");
        broken_off_ = true;
      }
      return;
    }
    ReadTop(context, tree.root(), file);
  }

  void ReadTop(const Context& context, const Node& root, int file) {
    if (root.kind != NodeKind::kMap) {
      context.Error(root, "",
                    "this is no manifest; begin with 'sluice: 1' (see "
                    "manifests/README.md)");
      broken_off_ = true;
      return;
    }
    const Fields fields(context, root, FindShape("manifest"), "");
    if (!fields.valid()) {
      broken_off_ = true;
      return;
    }
    ReadVersion(fields, file);
    Once(context, fields, "estate");
    Once(context, fields, "title");
    Once(context, fields, "management");
    Once(context, fields, "wanted-by");
    Model& model = draft_.model;
    fields.ReadName("estate", &model.estate);
    fields.ReadText("title", &model.title);
    fields.ReadDuration("wanted-by", absl::ZeroDuration(), absl::Hours(24 * 30),
                        &model.wanted_by);
    ReadIncludes(context, fields, file);
    // Defaults first: they hold wherever the line stands.
    if (const Node* node = fields.Get("defaults")) {
      if (file == 0) {
        ReadDefaults(context, *node);
      } else {
        context.Error(
            *node, "defaults",
            absl::StrCat("they belong in the first file, ", model.files[0],
                         ", and hold everywhere; move them there"));
      }
    }
    using Read = void (*)(const Context&, const Node&);
    const std::pair<const char*, Read> parts[] = {
        {"management", ReadManagement}, {"approvers", ReadApprovers},
        {"hosts", ReadHosts},           {"externals", ReadExternals},
        {"systems", ReadSystems},       {"joint", ReadJoint},
        {"stages", ReadStages},
    };
    for (const auto& [name, read] : parts) {
      if (const Node* node = fields.Get(name)) read(context, *node);
    }
  }

  void ReadVersion(const Fields& fields, int file) {
    const Node* version = fields.Get("sluice");
    if (version != nullptr) {
      if (version->kind != NodeKind::kScalar || version->text != "1") {
        fields.Error("sluice",
                     "this program reads version 1 of the format; write "
                     "'sluice: 1'");
      }
    } else if (file == 0 && !part_ && !fields.node().broken_off) {
      problems_.Error({0, 1, 1},
                      "the format's version is missing; begin with "
                      "'sluice: 1'");
    }
  }

  // What the estate has one of may stand in one file only.
  void Once(const Context& context, const Fields& fields,
            absl::string_view field) {
    if (const Node* node = fields.Get(field)) {
      context.FirstTime(*node, "field", field,
                        absl::StrCat("'", field, "' is here a second time"));
    }
  }

  void ReadIncludes(const Context& context, const Fields& fields, int file) {
    fields.Each("include", [&](const Node& item) {
      std::string name;
      if (!context.ReadText(item, "include", &name)) return;
      const std::filesystem::path path(name);
      if (path.is_absolute()) {
        context.Error(item, "include",
                      absl::StrCat("'", name,
                                   "' is an absolute path; write it "
                                   "relative to this file"));
        return;
      }
      const std::string full =
          (std::filesystem::path(pending_[file].name).parent_path() / path)
              .lexically_normal()
              .string();
      for (const Pending& other : pending_) {
        if (std::filesystem::path(other.name).lexically_normal() == full) {
          context.Error(item, "include",
                        absl::StrCat("'", name,
                                     "' is read already; name each "
                                     "file once"));
          return;
        }
      }
      if (pending_.size() >= kMaxFiles) {
        context.Error(item, "include",
                      absl::StrCat("more than ", kMaxFiles,
                                   " files; put some "
                                   "together"));
        return;
      }
      pending_.push_back({full, context.At(item)});
    });
  }

  void CheckWhole() {
    const Model& model = draft_.model;
    if (model.estate.empty() && draft_.seen.count("field estate") == 0) {
      problems_.Error({0, 1, 1},
                      "the estate has no name; add 'estate: ' and one, as in "
                      "'estate: city-utility'");
    }
    if (draft_.seen.count("field management") == 0) {
      problems_.Error({0, 1, 1},
                      "'management' is missing, so no agent knows whom to "
                      "call; add management: {orchestrators: "
                      "[\"10.77.0.1:7443\"]}");
    }
  }

  void Finish() {
    if (problems_.errors() == 0 && !part_) {
      for (Diagnostic& warning : Lint(draft_.model)) {
        problems_.Warning(warning.place, std::move(warning.message));
      }
    }
    result_.diagnostics = problems_.Take();
    result_.model = std::move(draft_.model);
  }

  Open open_;
  ManifestResult& result_;
  Problems problems_;
  Draft draft_;
  std::vector<Pending> pending_;
  const bool part_;  // of a manifest: not to be judged as a whole
  bool found_text_ = false;
  // Not everything could be read: what seems missing may be there.
  bool broken_off_ = false;
};

bool OpenFile(const std::string& name, std::string* text, std::string* why) {
  std::error_code error;
  const std::filesystem::file_status status =
      std::filesystem::status(name, error);
  if (!std::filesystem::exists(status)) {
    *why = absl::StrCat("there is no file '", name, "'; check the path");
    return false;
  }
  if (!std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_fifo(status) &&
      !std::filesystem::is_character_file(status)) {
    *why = absl::StrCat("'", name, "' is no file; name the manifest itself");
    return false;
  }
  std::ifstream stream(name, std::ios::binary);
  if (!stream) {
    *why = absl::StrCat("'", name, "' cannot be read; check its permissions");
    return false;
  }
  // One byte more than is allowed tells a file that is too large, even one
  // without an end.
  text->resize(SourceText::kMaxBytes + 1);
  stream.read(text->data(), static_cast<std::streamsize>(text->size()));
  text->resize(static_cast<size_t>(stream.gcount()));
  text->shrink_to_fit();
  return true;
}

}  // namespace
}  // namespace manifest

bool ManifestResult::ok() const {
  return std::none_of(diagnostics.begin(), diagnostics.end(),
                      [](const Diagnostic& d) {
                        return d.severity == Diagnostic::Severity::kError;
                      });
}

ManifestResult LoadManifest(const std::string& path) {
  ManifestResult result;
  manifest::Loader(manifest::OpenFile, result).Run(path);
  return result;
}

ManifestResult LoadManifestPart(const std::string& path) {
  ManifestResult result;
  manifest::Loader(manifest::OpenFile, result, /*part=*/true).Run(path);
  return result;
}

ManifestResult ParseManifest(const ManifestSources& sources) {
  ManifestResult result;
  const manifest::Open open = [&](const std::string& name, std::string* text,
                                  std::string* why) {
    for (const ManifestSources::File& file : sources.files) {
      if (file.name != name) continue;
      *text = file.text;
      return true;
    }
    *why = absl::StrCat("there is no file '", name, "' among the texts given");
    return false;
  };
  manifest::Loader(open, result)
      .Run(sources.files.empty() ? std::string("manifest")
                                 : sources.files[0].name);
  return result;
}

}  // namespace sluice
