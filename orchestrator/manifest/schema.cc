// The JSON Schema of the format, written from the table of fields. Editors
// complete and underline by it; the reader remains the judge.

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "orchestrator/manifest/fields.h"

namespace sluice::manifest {
namespace {

using Json = nlohmann::ordered_json;

Json Ref(absl::string_view name) {
  return {{"$ref", absl::StrCat("#/$defs/", name)}};
}

// "name[]", "{host}", or a type's own name.
Json TypeSchema(absl::string_view type) {
  if (absl::EndsWith(type, "[]")) {
    const Json one = Ref(type.substr(0, type.size() - 2));
    return {{"anyOf", {one, {{"type", "array"}, {"items", one}}}}};
  }
  if (absl::StartsWith(type, "{")) {
    const absl::string_view inner = type.substr(1, type.size() - 2);
    return {{"type", "object"},
            {"propertyNames", Ref(inner == "host" ? "host-range" : "name")},
            {"additionalProperties", Ref(inner)}};
  }
  return Ref(type);
}

Json FieldSchema(const Field& field) {
  std::string description = field.help;
  if (field.default_text[0] != '\0') {
    absl::StrAppend(&description, " (default: ", field.default_text, ")");
  }
  Json schema = {{"description", description}};
  schema.update(TypeSchema(field.type));
  return schema;
}

Json ObjectSchema(const std::vector<Field>& fields) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Field& field : fields) {
    properties[field.name] = FieldSchema(field);
    if (field.required) required.push_back(field.name);
  }
  Json schema = {{"type", "object"},
                 {"properties", properties},
                 {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

Json CheckSchema(const CheckKind& kind) {
  Json argument = ObjectSchema(kind.args);
  if (kind.short_form != nullptr) {
    for (const Field& field : kind.args) {
      if (absl::string_view(field.name) != kind.short_form) continue;
      argument = {{"anyOf", {TypeSchema(field.type), argument}}};
      break;
    }
  }
  Json properties = Json::object();
  for (const Field& option : FindShape("check-defaults").fields) {
    properties[option.name] = FieldSchema(option);
  }
  properties[kind.name] = argument;
  properties[kind.name]["description"] = kind.help;
  return {{"type", "object"},
          {"properties", properties},
          {"required", {kind.name}},
          {"additionalProperties", false}};
}

Json CheckSchemas() {
  Json kinds = Json::array();
  for (const CheckKind& kind : CheckKinds()) kinds.push_back(CheckSchema(kind));
  kinds.push_back({{"type", "object"},
                   {"properties", {{"task", Ref("task")}}},
                   {"required", {"task"}},
                   {"additionalProperties", false}});
  return {{"anyOf", kinds}};
}

}  // namespace

std::string ManifestSchema() {
  Json definitions = Json::object();
  for (const Shape& shape : Shapes()) {
    if (absl::string_view(shape.name) == "manifest") continue;
    Json schema = ObjectSchema(shape.fields);
    if (shape.short_type != nullptr) {
      schema = {{"anyOf", {Ref(shape.short_type), schema}}};
    }
    schema["description"] = shape.help;
    definitions[shape.name] = schema;
  }
  definitions["check"] = CheckSchemas();
  for (const ValueType& type : ValueTypes()) {
    definitions[type.name] = Json::parse(type.schema);
  }
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "Sluice manifest"}};
  schema.update(ObjectSchema(FindShape("manifest").fields));
  schema["$defs"] = definitions;
  return schema.dump(2) + "\n";
}

}  // namespace sluice::manifest
