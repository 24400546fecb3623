#include "graphdb/util/json.h"

#include <strings.h>

#include <nlohmann/json.hpp>

#include "core/util/error.h"

namespace cairn {

using nlohmann::json;

constexpr size_t kMaxDepth = 200;
constexpr size_t kMaxValues = 1'000'000;

// Length of the well-formed UTF-8 sequence `text` begins with, 0 if there is none.
static size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

static std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t n = utf8_length(text);
    if (n == 0) out += "\xef\xbf\xbd";
    else out += text.substr(0, n);
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

static void check_bounds(std::string_view text, const std::string& what) {
  size_t depth = 0, values = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    else if (c == '[' || c == '{') ++depth, ++values;
    else if ((c == ']' || c == '}') && depth > 0) --depth;
    else if (c == ',') ++values;
    if (depth > kMaxDepth || values > kMaxValues)
      throw Error(Errc::corrupt, "reading '" + printable(what) + "': JSON " +
                                     (depth > kMaxDepth ? "nested too deeply" : "of too many values"));
  }
}

json parse_json(std::string_view text, const std::string& what) {
  if (text.empty()) throw Error(Errc::corrupt, "reading '" + printable(what) + "': the file is empty");
  check_bounds(text, what);
  try {
    return json::parse(replace_invalid_utf8(text));
  } catch (const json::exception& e) {
    throw Error(Errc::corrupt, "reading '" + printable(what) + "': invalid JSON: " + printable(e.what()));
  }
}

json parse_json_object(std::string_view text, const std::string& what) {
  json value = parse_json(text, what);
  if (!value.is_object()) throw Error(Errc::corrupt, "reading '" + printable(what) + "': no JSON object");
  return value;
}

const json* json_member(const json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const std::string exact(key);
  if (const auto it = object.find(exact); it != object.end()) return &*it;
  const json* found = nullptr;
  for (const auto& [name, value] : object.items())
    if (::strcasecmp(name.c_str(), exact.c_str()) == 0) found = &value;
  return found;
}

std::string json_string(const json& object, std::string_view key) {
  const json* value = json_member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::string json_words(const json& object, std::string_view key) {
  const json* value = json_member(object, key);
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  std::string out;
  if (value->is_array())
    for (const auto& word : *value)
      if (word.is_string()) out += (out.empty() ? "" : " ") + word.get<std::string>();
  return out;
}

std::string go_quoted(std::string_view text) {
  static const char* hex = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const size_t n = utf8_length(text);
    const char c = text[0];
    const std::string_view whole = text.substr(0, n);
    if (n == 0) out += "\\ufffd";
    else if (c == '"' || c == '\\') out += {'\\', c};
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&')
      out += {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    else if (whole == "\xe2\x80\xa8") out += "\\u2028";
    else if (whole == "\xe2\x80\xa9") out += "\\u2029";
    else out += whole;
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out + '"';
}

}  // namespace cairn
