// manifests/sluice.schema.json and the tables of manifests/README.md are
// written from the reader's own table of fields. SLUICE_UPDATE_GOLDEN=1 writes
// them anew. A small validator here, of what our schema uses, holds the schema
// against the reader by every golden case.

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/fields.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice::manifest {
namespace {

using Json = nlohmann::json;

std::filesystem::path Root() { return SLUICE_SOURCE_DIR; }

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

bool Updating() { return std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr; }

Json FromYaml(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (const YAML::Node& item : node) list.push_back(FromYaml(item));
      return list;
    }
    case YAML::NodeType::Map: {
      Json map = Json::object();
      for (const auto& entry : node) {
        map[entry.first.Scalar()] = FromYaml(entry.second);
      }
      return map;
    }
    case YAML::NodeType::Scalar: {
      const std::string& text = node.Scalar();
      int64_t number = 0;
      if (node.Tag() == "!") return text;
      if (text == "true" || text == "false") return text == "true";
      if (absl::SimpleAtoi(text, &number)) return number;
      return text;
    }
    default:
      return nullptr;
  }
}

class Validator {
 public:
  explicit Validator(const std::string& schema) : root_(Json::parse(schema)) {}

  bool Accepts(const Json& value) const { return Valid(root_, value); }

 private:
  bool HasType(const std::string& type, const Json& value) const {
    return type == "object"    ? value.is_object()
           : type == "array"   ? value.is_array()
           : type == "string"  ? value.is_string()
           : type == "integer" ? value.is_number_integer()
           : type == "boolean" ? value.is_boolean()
                               : false;
  }

  bool Valid(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    if (schema.contains("$ref")) {
      const std::string name =
          schema["$ref"].get<std::string>().substr(sizeof("#/$defs/") - 1);
      if (!Valid(root_["$defs"].at(name), value)) return false;
    }
    if (schema.contains("type")) {
      const Json& type = schema["type"];
      const bool good = type.is_array()
                            ? std::any_of(type.begin(), type.end(),
                                          [&](const Json& one) {
                                            return HasType(one, value);
                                          })
                            : HasType(type, value);
      if (!good) return false;
    }
    if (schema.contains("const") && schema["const"] != value) return false;
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) ==
            schema["enum"].end()) {
      return false;
    }
    return ValidText(schema, value) && ValidParts(schema, value) &&
           ValidChoices(schema, value);
  }

  static bool ValidText(const Json& schema, const Json& value) {
    if (value.is_number_integer()) {
      const int64_t number = value;
      return number >= schema.value("minimum", INT64_MIN) &&
             number <= schema.value("maximum", INT64_MAX);
    }
    if (!value.is_string()) return true;
    const std::string text = value;
    if (schema.contains("pattern") &&
        !std::regex_search(text,
                           std::regex(schema["pattern"].get<std::string>()))) {
      return false;
    }
    return text.size() >= schema.value("minLength", size_t{0}) &&
           text.size() <= schema.value("maxLength", size_t{1} << 20);
  }

  bool ValidParts(const Json& schema, const Json& value) const {
    if (value.is_array()) {
      if (value.size() < schema.value("minItems", size_t{0})) return false;
      if (!schema.contains("items")) return true;
      return std::all_of(value.begin(), value.end(), [&](const Json& item) {
        return Valid(schema["items"], item);
      });
    }
    if (!value.is_object()) return true;
    if (value.size() < schema.value("minProperties", size_t{0}) ||
        value.size() > schema.value("maxProperties", size_t{1} << 20)) {
      return false;
    }
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) return false;
    }
    for (const auto& [key, part] : value.items()) {
      if (schema.contains("propertyNames") &&
          !Valid(schema["propertyNames"], key)) {
        return false;
      }
      if (!ValidProperty(schema, key, part)) return false;
    }
    return true;
  }

  bool ValidProperty(const Json& schema, const std::string& key,
                     const Json& part) const {
    const Json none = Json::object();
    const Json& properties =
        schema.contains("properties") ? schema["properties"] : none;
    if (properties.contains(key)) return Valid(properties[key], part);
    if (schema.contains("patternProperties")) {
      for (const auto& [pattern, inner] : schema["patternProperties"].items()) {
        if (std::regex_search(key, std::regex(pattern))) {
          return Valid(inner, part);
        }
      }
    }
    return !schema.contains("additionalProperties") ||
           Valid(schema["additionalProperties"], part);
  }

  bool ValidChoices(const Json& schema, const Json& value) const {
    for (const char* word : {"anyOf", "oneOf"}) {
      if (!schema.contains(word)) continue;
      const auto matching = std::count_if(
          schema[word].begin(), schema[word].end(),
          [&](const Json& choice) { return Valid(choice, value); });
      if (word[0] == 'a' ? matching == 0 : matching != 1) return false;
    }
    return true;
  }

  Json root_;
};

TEST(Schema, IsWhatTheTableOfFieldsSays) {
  const std::filesystem::path path = Root() / "manifests/sluice.schema.json";
  if (Updating()) std::ofstream(path) << ManifestSchema();
  EXPECT_EQ(ReadAll(path), ManifestSchema())
      << "write it anew: SLUICE_UPDATE_GOLDEN=1 unit-manifest";
}

TEST(Schema, RefersOnlyToWhatItDefines) {
  const Json schema = Json::parse(ManifestSchema());
  const std::function<void(const Json&)> look = [&](const Json& at) {
    if (at.is_object() && at.contains("$ref")) {
      const std::string ref = at["$ref"];
      ASSERT_TRUE(absl::StartsWith(ref, "#/$defs/")) << ref;
      EXPECT_TRUE(schema["$defs"].contains(ref.substr(8))) << ref;
    }
    for (const Json& part : at) {
      if (part.is_structured()) look(part);
    }
  };
  look(schema);
}

// Every golden case without errors is accepted, and so are the manifests we
// ship. The other way round the reader knows more: it knows the whole.
TEST(Schema, AcceptsWhatTheReaderAccepts) {
  const Validator validator(ManifestSchema());
  int accepted = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(Root() / "tests/golden/manifest")) {
    std::string text = ReadAll(entry.path());
    const size_t end = text.find("=== ");
    const bool good = absl::StrContains(text, "\n0 errors,") ||
                      absl::StrContains(text, "=== out\n0 errors,");
    if (!good) continue;
    text = text.substr(0, end);
    if (absl::StartsWith(text, "\xef\xbb\xbf")) text.erase(0, 3);
    ++accepted;
    EXPECT_TRUE(validator.Accepts(FromYaml(YAML::Load(text)))) << entry.path();
  }
  EXPECT_GE(accepted, 10);
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(Root() / "manifests")) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_TRUE(validator.Accepts(FromYaml(YAML::LoadFile(entry.path()))))
        << entry.path();
  }
}

TEST(Schema, RefusesMistakesOfForm) {
  const Validator validator(ManifestSchema());
  for (const char* text : {
           "sluice: 2",
           "estaet: x",
           "hosts: {a: {}}",
           "hosts: {A_1: {address: 10.0.0.1}}",
           "hosts: {a: {address: db.example}}",
           "systems: {s: {hosts: [a], soak: 5}}",
           "systems: {s: {hosts: [a], enough: 0}}",
           "systems: {s: {hosts: [a], priority: urgent}}",
           "systems: {s: {hosts: [a], needs: [b]}}",
           "systems: {s: {hosts: [a], needs: [{b:p: sometimes}]}}",
           "systems: {s: {hosts: [a], health: [{htp: web}]}}",
           "systems: {s: {hosts: [a], health: [{http: {path: /}}]}}",
           "systems: {s: {hosts: [a], protected: yes}}",
           "stages: [{systems: [a]}]",
           "joint: [[a]]",
       }) {
    EXPECT_FALSE(validator.Accepts(FromYaml(YAML::Load(text)))) << text;
  }
}

// A table of a shape's fields, as it stands in the README.
std::string FieldTable(const std::vector<Field>& fields) {
  std::string table =
      "| field | what it is | default | value |\n| --- | --- | --- | --- |\n";
  for (const Field& field : fields) {
    std::string type = field.type;
    if (absl::EndsWith(type, "[]")) {
      type = absl::StrCat(type.substr(0, type.size() - 2), ", or a list");
    } else if (absl::StartsWith(type, "{")) {
      type = absl::StrCat("name: ", type.substr(1, type.size() - 2));
    }
    absl::StrAppend(&table, "| `", field.name, "` | ", field.help, " | ",
                    field.required               ? "required"
                    : field.default_text[0] != 0 ? field.default_text
                                                 : "—",
                    " | ", type, " |\n");
  }
  return table;
}

std::string Table(const std::string& name) {
  for (const CheckKind& kind : CheckKinds()) {
    if (absl::StrCat("check ", kind.name) == name) return FieldTable(kind.args);
  }
  if (name == "checks") {
    std::string table =
        "| kind | passes when | short form stands for | arguments |\n"
        "| --- | --- | --- | --- |\n";
    for (const CheckKind& kind : CheckKinds()) {
      std::string args;
      for (const Field& field : kind.args) {
        absl::StrAppend(&args, args.empty() ? "" : ", ", "`", field.name, "`");
        if (!field.required) {
          absl::StrAppend(&args, " (", field.default_text, ")");
        }
      }
      absl::StrAppend(&table, "| `", kind.name, "` | ", kind.help, " | ",
                      kind.short_form != nullptr
                          ? absl::StrCat("`", kind.short_form, "`")
                          : "—",
                      " | ", args, " |\n");
    }
    return table;
  }
  return FieldTable(FindShape(name).fields);
}

TEST(Readme, HasEveryFieldWithItsDefault) {
  const std::filesystem::path path = Root() / "manifests/README.md";
  const std::string text = ReadAll(path);
  std::string written;
  std::vector<std::string> tables;
  const std::string begin = "<!-- fields: ", end = "<!-- end -->\n";
  size_t at = 0;
  while (true) {
    const size_t mark = text.find(begin, at);
    if (mark == std::string::npos) break;
    const size_t line = text.find('\n', mark) + 1;
    const std::string name = text.substr(
        mark + begin.size(), text.find(" -->", mark) - mark - begin.size());
    tables.push_back(name);
    const size_t close = text.find(end, line);
    ASSERT_NE(close, std::string::npos) << name;
    absl::StrAppend(&written, text.substr(at, line - at), Table(name));
    at = close;
  }
  absl::StrAppend(&written, text.substr(at));
  if (Updating()) std::ofstream(path) << written;
  EXPECT_EQ(ReadAll(path), written)
      << "write it anew: SLUICE_UPDATE_GOLDEN=1 unit-manifest";
  for (const Shape& shape : Shapes()) {
    EXPECT_NE(std::find(tables.begin(), tables.end(), shape.name), tables.end())
        << "no table of " << shape.name << " in the README";
  }
  EXPECT_NE(std::find(tables.begin(), tables.end(), "checks"), tables.end());
}

}  // namespace
}  // namespace sluice::manifest
