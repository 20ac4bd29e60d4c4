// Every field that a manifest may have, in one table: the reader refuses what
// is not in it, did-you-mean chooses from it, and the JSON Schema is written
// from it.
//
// A type is the name of a value ("duration"), of a shape ("gate"), a list of
// one ("name[]": a single one may stand without the list), or a map from names
// to one ("{host}").

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::manifest {

struct Field {
  const char* name;
  const char* type;
  bool required;
  const char* default_text;  // what holds when it is left out; may be ""
  const char* help;          // one line
};

struct Shape {
  const char* name;
  const char* help;  // what it is, for the schema
  std::vector<Field> fields;
  // The value type of a single value that may stand for the whole, or nullptr.
  const char* short_type = nullptr;

  const Field* Find(absl::string_view field) const;
  std::vector<std::string> Names() const;
};

// A value type as JSON Schema knows it.
struct ValueType {
  const char* name;
  const char* schema;  // JSON
};

// A kind of check and its arguments. `short_form`: the argument that a single
// value stands for ("tcp: postgres"), or nullptr.
struct CheckKind {
  const char* name;
  const char* short_form;
  const char* help;
  std::vector<Field> args;
};

const std::vector<Shape>& Shapes();
const Shape& FindShape(absl::string_view name);  // REQUIRES: it exists
const std::vector<ValueType>& ValueTypes();
const std::vector<CheckKind>& CheckKinds();
const CheckKind* FindCheckKind(absl::string_view name);

// The JSON Schema of the format, indented by two, ending in a newline.
std::string ManifestSchema();

}  // namespace sluice::manifest
