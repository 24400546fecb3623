#include "core/util/remapped_root.h"

#include <charconv>

namespace cairn {

static std::optional<unsigned> whole_number(std::string_view text) {
  unsigned out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

std::optional<IdBase> remapped_root(std::string_view name) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto uid = whole_number(name.substr(0, dot)), gid = whole_number(name.substr(dot + 1));
  return uid && gid ? std::optional(IdBase{*uid, *gid}) : std::nullopt;
}

std::optional<IdBase> remapped_root(const std::filesystem::path& root) {
  const auto path = std::filesystem::absolute(root).lexically_normal();
  return remapped_root(std::string_view((path.has_filename() ? path : path.parent_path()).filename().native()));
}

}  // namespace cairn
