#include "graphdb/catalog/image_config.h"

#include <algorithm>

#include "core/util/error.h"
#include "graphdb/util/json.h"

namespace cairn {

std::optional<ChainId> CatalogImageConfig::chain() const {
  std::optional<ChainId> out;
  for (const auto& diff : diff_ids) out = chain_id(out, diff);
  return out;
}

CatalogImageConfig parse_image_config(const std::string& text, const std::string& what) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Errc::corrupt, "reading '" + printable(what) + "': " + why);
  };
  const JsonObject config(text, what);
  CatalogImageConfig out;
  out.created = config.string("created");
  const auto rootfs = config.object("rootfs");
  if (!rootfs) refuse("the configuration has no \"rootfs\"");
  for (const auto raw : rootfs->elements("diff_ids")) {
    const auto diff = is_json_string(raw) ? DiffId::parse(go_json::unquote(raw)) : std::nullopt;
    if (!diff) refuse(printable(raw, 80) + " is no DiffID");
    out.diff_ids.push_back(*diff);
  }
  for (const auto raw : config.elements("history")) {
    const JsonObject step(raw, what);
    out.history.push_back({step.string("created"), step.string("created_by"), step.string("comment"),
                           step.string("author"), 0, step.flag("empty_layer")});
  }
  const auto layers =
      std::count_if(out.history.begin(), out.history.end(), [](const auto& s) { return !s.empty_layer; });
  if (static_cast<size_t>(layers) > out.diff_ids.size()) refuse("its history has more layers than its \"rootfs\"");
  return out;
}

}  // namespace cairn
