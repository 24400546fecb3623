#include "core/json/go_json.h"

#include <cstdint>

#include "core/json/scanner.h"
#include "core/json/utf8.h"
#include "core/util/ascii.h"
#include "core/util/error.h"

namespace cairn::go_json {

Kind kind_of(std::string_view raw) noexcept {
  switch (raw.empty() ? '0' : raw.front()) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

std::string_view kind_name(Kind kind) noexcept {
  constexpr std::string_view names[] = {"null", "a boolean", "a number", "a string", "an array", "an object"};
  return names[static_cast<size_t>(kind)];
}

void check(std::string_view text) {
  Scanner scanner(text);
  scanner.value();
  scanner.end();
}

std::vector<Member> members(std::string_view text) {
  Scanner scanner(text);
  scanner.skip_space();
  if (!scanner.skip_if('{')) {
    check(text);  // damage is the better message
    scanner.refuse("expected an object");
  }
  std::vector<Member> out;
  scanner.skip_space();
  if (!scanner.skip_if('}')) {
    do {
      const std::string_view key = scanner.key();
      out.push_back({unquote(key), scanner.value(1)});
      scanner.skip_space();
    } while (scanner.skip_if(','));
    if (!scanner.skip_if('}')) scanner.refuse("expected ',' or '}'");
  }
  scanner.end();
  return out;
}

std::vector<std::string_view> elements(std::string_view text) {
  Scanner scanner(text);
  scanner.skip_space();
  if (!scanner.skip_if('[')) {
    check(text);
    scanner.refuse("expected an array");
  }
  std::vector<std::string_view> out;
  scanner.skip_space();
  if (!scanner.skip_if(']')) {
    do {
      out.push_back(scanner.value(1));
      scanner.skip_space();
    } while (scanner.skip_if(','));
    if (!scanner.skip_if(']')) scanner.refuse("expected ',' or ']'");
  }
  scanner.end();
  return out;
}

RawObject object(std::string_view text) {
  RawObject out;
  for (auto& member : members(text)) out.insert_or_assign(std::move(member.key), std::string(member.raw));
  return out;
}

// ASCII letters in lower case; the two characters beyond ASCII that fold into it likewise (long s, Kelvin sign).
static std::string folded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (text.substr(i, 2) == "\xc5\xbf") {
      out += 's';
      i += 1;
    } else if (text.substr(i, 3) == "\xe2\x84\xaa") {
      out += 'k';
      i += 2;
    } else {
      out += lower_case(c);
    }
  }
  return out;
}

bool key_matches(std::string_view key, std::string_view field) { return key == field || folded(key) == folded(field); }

const Member* find_field(const std::vector<Member>& members, std::string_view field) {
  for (auto it = members.rbegin(); it != members.rend(); ++it)
    if (key_matches(it->key, field)) return &*it;
  return nullptr;
}

// The four digits at `at`, or a value that is no UTF-16 unit if "\uXXXX" does not stand there.
static uint32_t utf16_unit(std::string_view raw, size_t at) {
  if (at + 6 > raw.size() || raw[at] != '\\' || raw[at + 1] != 'u') return UINT32_MAX;
  uint32_t unit = 0;
  for (char c : raw.substr(at + 2, 4))
    unit = unit << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  return unit;
}

// Resolves "\uXXXX" at `at`, a surrogate pair as a whole; returns the length read.
static size_t unescape_unicode(std::string_view raw, size_t at, std::string& out) {
  const uint32_t unit = utf16_unit(raw, at);
  if (unit < 0xd800 || unit > 0xdfff) {
    append_utf8(out, unit);
    return 6;
  }
  const uint32_t low = utf16_unit(raw, at + 6);
  if (unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff) {
    append_utf8(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    return 12;
  }
  out += kReplacement;
  return 6;
}

std::string unquote(std::string_view raw) {
  std::string out;
  const size_t stop = raw.size() - 1;  // the closing quote
  for (size_t i = 1; i < stop;) {
    if (raw[i] == '\\') {
      constexpr std::string_view from = "bfnrt", to = "\b\f\n\r\t";
      const size_t known = from.find(raw[i + 1]);
      if (raw[i + 1] == 'u') {
        i += unescape_unicode(raw, i, out);
        continue;
      }
      out += known == std::string_view::npos ? raw[i + 1] : to[known];
      i += 2;
    } else if (const size_t n = utf8_length(raw.substr(i, stop - i))) {
      out += raw.substr(i, n);
      i += n;
    } else {
      out += kReplacement;
      ++i;
    }
  }
  return out;
}

static std::string escaped(unsigned char c) {
  static const char* hex = "0123456789abcdef";
  return {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
}

static bool is_html(char c) { return c == '<' || c == '>' || c == '&'; }

// U+2028 or U+2029 stands at `at`: line ends to JavaScript.
static bool is_line_separator(std::string_view text, size_t at) {
  return text.substr(at, 3) == "\xe2\x80\xa8" || text.substr(at, 3) == "\xe2\x80\xa9";
}

static void append_line_separator(std::string& out, std::string_view text, size_t at) {
  out += text[at + 2] == '\xa8' ? "\\u2028" : "\\u2029";
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const size_t n = utf8_length(text.substr(i));
    constexpr std::string_view from = "\"\\\n\r\t", to = "\"\\nrt";
    if (const size_t known = from.find(c); known != std::string_view::npos) {
      out += {'\\', to[known]};
    } else if (n == 0) {
      out += "\\ufffd";
    } else if (is_line_separator(text, i)) {
      append_line_separator(out, text, i);
    } else if (n == 1 && (static_cast<unsigned char>(c) < 0x20 || is_html(c))) {
      out += escaped(static_cast<unsigned char>(c));
    } else {
      out += text.substr(i, n);
    }
    i += n == 0 ? 1 : n;
  }
  return out + '"';
}

std::string compact(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  bool in_string = false;
  for (size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (is_html(c)) {
      out += escaped(static_cast<unsigned char>(c));
    } else if (is_line_separator(raw, i)) {
      append_line_separator(out, raw, i);
      i += 2;
    } else if (in_string && c == '\\') {
      out += raw.substr(i, 2);  // what is escaped does not end the string
      ++i;
    } else if (in_string || (c != ' ' && c != '\t' && c != '\r' && c != '\n')) {
      if (c == '"') in_string = !in_string;
      out += c;
    }
  }
  return out;
}

std::string encode(const RawObject& object) {
  std::string out = "{";
  for (const auto& [key, raw] : object) {
    if (out.size() > 1) out += ',';
    out += quote(key) + ':' + compact(raw);
  }
  return out + '}';
}

}  // namespace cairn::go_json
