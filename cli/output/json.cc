#include "cli/output/json.h"

#include <vector>

#include "core/util/error.h"

namespace cairn {

std::string json_document(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string json_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// Printing and freeing recurse for every level, and an object in insertion order searches all its keys for every new
// one: a hostile document must not end the process or keep it busy for hours.
static void refuse_monsters(const std::string& text, const std::string& what) {
  static constexpr size_t deepest = 500, widest = 20'000;
  std::vector<size_t> members;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      members.push_back(0);
      if (members.size() > deepest) throw Error(Errc::corrupt, "reading " + what + ": nested deeper than 500 levels");
    } else if ((c == '}' || c == ']') && !members.empty()) {
      members.pop_back();
    } else if (c == ',' && !members.empty() && ++members.back() > widest) {
      throw Error(Errc::corrupt, "reading " + what + ": more than 20000 members in one place");
    }
  }
}

Json read_json(const std::string& text, const std::string& what) {
  refuse_monsters(text, what);
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    throw Error(Errc::corrupt, "reading " + what + ": not valid JSON: " + printable(e.what()));
  }
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace cairn
