#include "cli/output/template.h"

#include <algorithm>

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

std::vector<TemplatePart> split_template(std::string_view text) {
  std::vector<TemplatePart> out;
  for (size_t at = 0;;) {
    const size_t open = text.find("{{", at);
    std::string literal = unescape(text.substr(at, open == text.npos ? text.npos : open - at));
    if (open == text.npos) {
      out.push_back({std::move(literal), std::nullopt});
      return out;
    }
    const size_t close = text.find("}}", open);
    if (close == text.npos) throw Error(Errc::invalid, "'{{' without '}}'");
    out.push_back({std::move(literal), std::string(trimmed(text.substr(open + 2, close - open - 2)))});
    at = close + 2;
  }
}

// ".", ".A", ".A.B"; nullopt for anything else.
static std::optional<std::vector<std::string>> path_of(std::string_view text) {
  std::vector<std::string> out;
  if (text == ".") return out;
  while (!text.empty()) {
    if (text.front() != '.') return std::nullopt;
    const size_t end = std::min(text.find('.', 1), text.size());
    const std::string name(text.substr(1, end - 1));
    const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (!is_name) return std::nullopt;
    out.push_back(name);
    text.remove_prefix(end);
  }
  return out.empty() ? std::nullopt : std::optional(out);
}

DocumentTemplate::DocumentTemplate(std::string_view text) {
  while_doing([&] { return "reading the format '" + printable(text) + "'"; },
              [&] {
                for (auto& [literal, action] : split_template(text == "json" ? "{{json .}}" : text)) {
                  Part part{std::move(literal), action.has_value(), false, {}};
                  if (action) read_action(*action, part);
                  parts_.push_back(std::move(part));
                }
              });
}

void DocumentTemplate::read_action(std::string_view action, Part& part) {
  part.json = action.starts_with("json ");
  auto path = path_of(part.json ? trimmed(action.substr(5)) : action);
  if (!path)
    throw Error(Errc::invalid,
                "of Go's templates only {{.Field}}, {{.Field.Field}} and {{json .Field}} are known, not '{{" +
                    printable(action) + "}}'; {{json .}} gives it all, to be cut by another program");
  part.path = *std::move(path);
}

// nullptr if it is not there.
static const Json* find_field(const Json& document, const std::vector<std::string>& path) {
  const Json* at = &document;
  for (const auto& name : path) {
    const auto found = at->is_object() ? at->find(name) : at->end();
    if (!at->is_object() || found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

static const Json& field_of(std::initializer_list<const Json*> documents, const std::vector<std::string>& path) {
  for (const Json* document : documents)
    if (const Json* found = find_field(*document, path)) return *found;
  std::string shown;
  for (const auto& name : path) shown += "." + name;
  throw Error(Errc::not_found,
              "looking for '{{" + shown + "}}': there is no such field; {{json .}} shows those there are");
}

// As Go prints values; nesting is bounded by read_json().
static std::string in_words(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "<no value>";
  std::string out;
  if (value.is_array()) {
    for (const auto& one : value) out += (out.empty() ? "" : " ") + in_words(one);
    return "[" + out + "]";
  }
  if (!value.is_object()) return value.dump();
  if (!value.empty() && value.begin().key() == kGoStructure && value.begin()->is_null()) {
    for (auto it = std::next(value.begin()); it != value.end(); ++it)
      out += (it == std::next(value.begin()) ? "" : " ") + in_words(*it);
    return "{" + out + "}";
  }
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [key, one] : value.items()) members.emplace_back(key, in_words(one));
  std::sort(members.begin(), members.end());
  for (const auto& [key, text] : members) out += (out.empty() ? "" : " ") + key + ":" + text;
  return "map[" + out + "]";
}

std::string DocumentTemplate::render(Documents words, Documents json) const {
  std::string out;
  for (const auto& part : parts_) {
    out += part.literal;
    if (!part.action) continue;
    const Json& value = field_of(part.json ? json : words, part.path);
    std::string text = part.json ? json_line(value) : printable(in_words(value), std::string::npos);
    if (part.json) text.pop_back();
    out += text;
  }
  return out + "\n";
}

std::string DocumentTemplate::render(const Json& document) const { return render({&document}, {&document}); }

std::string DocumentTemplate::render(const TemplateData& data) const {
  try {
    return render({&data.structures}, {&data.document, &data.zeros});
  } catch (const Error& e) {
    if (e.code() != Errc::not_found) throw;
    return render({&data.document, &data.structures}, {&data.document, &data.zeros});
  }
}

}  // namespace cairn
