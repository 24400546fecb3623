#include "cli/output/format.h"

#include <algorithm>

#include "cli/output/json.h"
#include "core/util/error.h"

namespace cairn {

static std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// What a shell passes on of '\t' and '\n' in single quotes.
static std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 't' || next == 'n') {
      out += next == 't' ? '\t' : '\n';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

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
  const auto refuse = [&](const std::string& why) {
    std::string known;
    for (const auto& field : fields_) known += (known.empty() ? "{{." : " {{.") + std::string(field.name) + "}}";
    throw Error(Errc::invalid, "reading the format '" + printable(text) + "': " + why + "; use json, or " + known);
  };
  size_t at = 0;
  for (;;) {
    const size_t open = text.find("{{", at);
    const std::string literal = unescape(text.substr(at, open == text.npos ? text.npos : open - at));
    if (open == text.npos) {
      pieces_.push_back({literal, fields_.size()});
      return;
    }
    const size_t close = text.find("}}", open);
    if (close == text.npos) refuse("'{{' without '}}'");
    const std::string_view action = trimmed(text.substr(open + 2, close - open - 2));
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const Field& f) { return action == "." + std::string(f.name); });
    if (found == fields_.end()) refuse("'{{" + printable(action) + "}}' is not a field of this command");
    pieces_.push_back({literal, static_cast<size_t>(found - fields_.begin())});
    at = close + 2;
  }
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
