#include "core/migrate/graph/adopted_image.h"

#include "core/json/go_json.h"
#include "core/migrate/verify.h"
#include "core/util/error.h"

namespace cairn {

static std::vector<std::string> history_of(const std::string& config) {
  std::vector<std::string> out;
  const auto top = go_json::object(config);
  const auto list = top.find("history");
  if (list == top.end() || go_json::kind_of(list->second) != go_json::Kind::array) return out;
  for (const auto& raw : go_json::elements(list->second)) out.emplace_back(raw);
  return out;
}

std::optional<AdoptedImage> adopt_image(MetadataStore& target, const ImageId& id) {
  try {
    const std::string config = target.images().config(id);
    const auto diffs = diff_ids_of(config);
    std::optional<ChainId> chain;
    for (const auto& diff : diffs) chain = chain_id(chain, diff);
    const auto top = chain ? target.layers().find(*chain) : std::nullopt;
    if (!top) return std::nullopt;
    return AdoptedImage{id, diffs, history_of(config), *top};
  } catch (const Error& e) {
    if (e.code() == Errc::interrupted || e.code() == Errc::io) throw;
    return std::nullopt;
  }
}

}  // namespace cairn
