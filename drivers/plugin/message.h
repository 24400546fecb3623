// The JSON of the graph driver plugin protocol, as Go's decoder takes it: letter case of keys is ignored, null is as
// good as absent. Nesting costs no stack.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json/go_json.h"
#include "core/util/ids.h"

namespace cairn::plugin {

constexpr size_t kMaxMessage = 1 << 20;
constexpr const char* kMediaType = "application/vnd.docker.plugins.v1.2+json";

class Message {
 public:
  // Errc::corrupt for anything but an object.
  explicit Message(std::string text);
  Message(const Message&) = delete;

  // Zero values where the field is absent; Errc::corrupt where it is of another type.
  std::string text(std::string_view field) const;
  bool flag(std::string_view field) const;
  int64_t number(std::string_view field) const;
  std::vector<std::string> texts(std::string_view field) const;
  std::optional<Message> object(std::string_view field) const;
  bool filled(std::string_view field) const;  // an object or array with something in it

  LayerId layer() const { return LayerId(text("ID")); }
  std::optional<LayerId> parent() const;

 private:
  std::string_view raw(std::string_view field) const;                        // "" where there is none
  std::string_view raw(std::string_view field, go_json::Kind wanted) const;  // of this kind

  std::string text_;
  std::vector<go_json::Member> members_;  // refer to text_
};

}  // namespace cairn::plugin
