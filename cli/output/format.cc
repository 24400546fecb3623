#include "cli/output/format.h"

#include <algorithm>

#include "cli/output/json.h"
#include "cli/output/template.h"
#include "core/util/error.h"

namespace cairn {

Format::Format(std::string_view text, std::span<const Field> fields, std::string_view standard)
    : fields_(fields.begin(), fields.end()) {
  if (text == "json") {
    kind_ = Kind::json;
    return;
  }
  if (text.empty() || text == "table") {
    kind_ = Kind::table;
    text = standard;
  } else if (text.starts_with("table ") || text.starts_with("table\\t")) {
    kind_ = Kind::table;
    text = text.substr(text[5] == ' ' ? 6 : 7);
  }
  parse(text);
}

void Format::parse(std::string_view text) {
  try {
    for (const auto& [literal, action] : split_template(text)) pieces_.push_back({literal, field_of(action)});
  } catch (const Error& e) {
    std::string known;
    for (const auto& field : fields_) known += (known.empty() ? "{{." : " {{.") + std::string(field.name) + "}}";
    throw Error(e.code(), "reading the format '" + printable(text) + "': " + e.what() + "; use json, or " + known);
  }
}

size_t Format::field_of(const std::optional<std::string>& action) const {
  if (!action) return fields_.size();
  for (size_t i = 0; i < fields_.size(); ++i)
    if (*action == "." + std::string(fields_[i].name)) return i;
  throw Error(Errc::invalid, "'{{" + printable(*action) + "}}' is not a field of this command");
}

bool Format::names(std::string_view field) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    return piece.field < fields_.size() && fields_[piece.field].name == field;
  });
}

std::string Format::expand(const Row& values) const {
  std::string out;
  for (const auto& piece : pieces_) {
    out += piece.literal;
    if (piece.field < fields_.size()) out += printable(values.at(piece.field), std::string::npos);
  }
  return out;
}

std::string Format::render_json(const std::vector<Row>& rows) const {
  std::string out;
  for (const auto& row : rows) {
    Json object = Json::object();
    for (size_t i = 0; i < fields_.size(); ++i) object[std::string(fields_[i].name)] = row.at(i);
    out += json_line(object);
  }
  return out;
}

static Row split_cells(const std::string& line) {
  Row cells;
  for (size_t at = 0, tab = 0; tab != line.npos; at = tab + 1) {
    tab = line.find('\t', at);
    cells.push_back(line.substr(at, tab == line.npos ? line.npos : tab - at));
  }
  return cells;
}

std::string Format::render(const std::vector<Row>& rows) const {
  if (kind_ == Kind::json) return render_json(rows);
  std::string out;
  std::vector<Row> cells;
  if (kind_ == Kind::table) {
    Row headings;
    for (const auto& field : fields_) headings.emplace_back(field.heading);
    cells.push_back(split_cells(expand(headings)));
  }
  for (const auto& row : rows) {
    if (kind_ == Kind::table)
      cells.push_back(split_cells(expand(row)));
    else
      out += expand(row) + "\n";
  }
  return kind_ == Kind::table ? format_table(cells) : out;
}

}  // namespace cairn
