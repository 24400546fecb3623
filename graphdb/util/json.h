// JSON files of engines, read with Go's rules (core/json) and complaints that name the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/go_json.h"

namespace cairn {

// A JSON object as a Go struct is filled from it: letter case of keys is ignored, the last of several wins.
class JsonObject {
 public:
  // Errc::corrupt "reading 'WHAT': …" for anything but an object. `text` outlives this.
  JsonObject(std::string_view text, const std::string& what);

  std::string_view raw(std::string_view field) const;  // "" if absent
  bool has(std::string_view field) const;              // there, and not null
  std::string string(std::string_view field) const;    // "" unless a string
  bool flag(std::string_view field) const;             // true only for true
  int64_t number(std::string_view field) const;        // 0 unless an integer
  std::string words(std::string_view field) const;     // of an array, joined by a space; a string is one word
  std::optional<JsonObject> object(std::string_view field) const;        // nullopt unless an object
  std::vector<std::string_view> elements(std::string_view field) const;  // none unless an array
  const std::vector<go_json::Member>& members() const noexcept { return members_; }

 private:
  std::vector<go_json::Member> members_;
};

bool is_json_string(std::string_view raw) noexcept;

}  // namespace cairn
