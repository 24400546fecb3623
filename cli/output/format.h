// --format of the listing commands: "json", "table", "table {{.A}}\t{{.B}}" or "{{.A}} {{.B}}". Of Go's templates only
// the substitution of a field is known; anything else is refused by name.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/table.h"

namespace cairn {

struct Field {
  std::string_view name, heading;  // {"ID", "IMAGE ID"}
};

class Format {
 public:
  // `standard` is the template of the command's own table, used for "" and "table". Throws Errc::invalid.
  Format(std::string_view text, std::span<const Field> fields, std::string_view standard);

  bool is_json() const { return kind_ == Kind::json; }
  bool names(std::string_view field) const;  // the template has it

  // Rows hold one value per field, in the order of `fields`; values are made printable here. JSON is one object a line.
  std::string render(const std::vector<Row>& rows) const;

 private:
  struct Piece {
    std::string literal;
    size_t field;  // follows the literal; fields_.size() for none
  };
  void parse(std::string_view text);
  size_t field_of(const std::optional<std::string>& action) const;
  std::string expand(const Row& values) const;
  std::string render_json(const std::vector<Row>& rows) const;

  enum class Kind { table, json, lines } kind_ = Kind::lines;
  std::vector<Field> fields_;
  std::vector<Piece> pieces_;
};

}  // namespace cairn
