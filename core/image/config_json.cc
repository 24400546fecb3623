#include "core/image/config_json.h"

namespace cairn {

std::string joined_words(const go_json::Strings& words) {
  std::string out;
  for (size_t i = 0; words && i < words->size(); ++i) out += (i == 0 ? "" : " ") + (*words)[i];
  return out;
}

std::string rootfs_json(std::span<const DiffId> diff_ids) {
  if (diff_ids.empty()) return R"({"type":"layers"})";
  std::string list;
  for (const auto& id : diff_ids) list += (list.empty() ? "" : ",") + go_json::quote(id.str());
  return R"({"type":"layers","diff_ids":[)" + list + "]}";
}

std::string NewImage::json() const {
  go_json::RawObject out = more;
  for (const auto& [key, text] :
       {std::pair{"author", &author}, {"comment", &comment}, {"container", &container}, {"variant", &platform.variant}})
    if (!text->empty()) out[key] = go_json::quote(*text);
  out["architecture"] = go_json::quote(platform.architecture);
  out["os"] = go_json::quote(platform.os);
  out["created"] = go_json::quote(created);
  out["config"] = go_json::encode(config);
  out["container_config"] = go_json::encode(container_config);
  out["rootfs"] = rootfs_json(diff_ids);
  std::string steps;
  for (const auto& step : history) steps += (steps.empty() ? "" : ",") + go_json::encode(step);
  out["history"] = "[" + steps + "]";
  return go_json::encode(out);
}

}  // namespace cairn
