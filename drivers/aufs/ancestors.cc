#include "drivers/aufs/ancestors.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>

#include "core/layer/parents.h"
#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn::aufs {

static constexpr off_t kLongestList = (200 + 1) * kMaxParents;

[[noreturn]] static void throw_damaged(const LayerId& id, const std::string& why) {
  throw Error(Errc::corrupt, "reading 'layers/" + id.str() + "' of aufs: " + why +
                                 "; it would hold the ids of the layers below, nearest first, one a line");
}

std::string ancestors_text(const std::vector<LayerId>& ancestors) {
  std::string out;
  for (const auto& id : ancestors) out += id.str() + "\n";
  return out;
}

std::vector<LayerId> parse_ancestors(const LayerId& id, const std::string& text) {
  std::vector<LayerId> out;
  std::set<std::string> seen{id.str()};
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) throw_damaged(id, "its last line has no end, as after a power cut");
    const std::string line = text.substr(at, end - at);
    if (!LayerId::valid(line)) throw_damaged(id, "'" + printable(line, 80) + "' is no layer's id");
    if (!seen.insert(line).second) throw_damaged(id, "it names '" + line + "', which would lie below itself");
    out.emplace_back(line);
    at = end + 1;
  }
  if (out.size() > kMaxParents)
    throw_damaged(id, "it names " + std::to_string(out.size()) + " layers, and no kernel joins more than 127");
  return out;
}

// nullopt where there is no such file.
static std::optional<std::string> try_read_list(int home, const LayerId& id) {
  const std::string path = "layers/" + id.str();
  const auto st = stat_at(home, path);
  if (!st) return std::nullopt;
  if (!S_ISREG(st->st_mode)) throw_damaged(id, "it is no regular file");
  if (st->st_size > kLongestList) throw_damaged(id, "it is larger than any list of layers");
  return read_file_at(home, path);
}

// The first layer whose list names `id`, and that list.
static std::optional<std::pair<LayerId, std::string>> layer_above(int home, const LayerId& id) {
  const auto layers = try_open_at(home, "layers", O_RDONLY | O_DIRECTORY);
  if (!layers) return std::nullopt;
  for (const auto& name : list_dir(layers->get())) {
    if (!LayerId::valid(name) || name == id.str()) continue;
    const auto st = stat_at(layers->get(), name);
    if (!st || !S_ISREG(st->st_mode) || st->st_size == 0 || st->st_size > kLongestList) continue;
    const std::string text = "\n" + read_file_at(layers->get(), name);
    const size_t at = text.find("\n" + id.str() + "\n");
    if (at != std::string::npos) return std::pair(LayerId(name), text.substr(at + 1));
  }
  return std::nullopt;
}

bool has_children(int home, const LayerId& id) { return layer_above(home, id).has_value(); }

static void check_base(int home, const LayerId& id) {
  const auto above = layer_above(home, id);
  if (above && above->second != id.str() + "\n")
    throw_damaged(id, "it is empty, as after a power cut, but by 'layers/" + above->first.str() +
                          "' other layers lie below this one; what follows it there restores it");
}

static void check_parent(int home, const LayerId& id, const std::vector<LayerId>& ancestors) {
  const LayerId& parent = ancestors.front();
  const auto text = try_read_list(home, parent);
  if (!text)
    throw_damaged(id, "it names the layer '" + parent.str() + "', and 'layers/" + parent.str() + "' is missing");
  if (*text != ancestors_text({ancestors.begin() + 1, ancestors.end()}))
    throw_damaged(id, "what follows the parent '" + parent.str() + "' is not what 'layers/" + parent.str() +
                          "' holds: one of the two is damaged");
}

std::vector<LayerId> ancestors_of(int home, const LayerId& id) {
  const auto text = try_read_list(home, id);
  if (!text && exists_at(home, "diff/" + id.str()))
    throw_damaged(
        id, "the file is missing, but 'diff/" + id.str() + "' is there: the layer was never finished, or lost it");
  if (!text) throw Error(Errc::not_found, "opening the layer '" + id.str() + "': aufs has no such layer");
  auto ancestors = parse_ancestors(id, *text);
  if (ancestors.empty())
    check_base(home, id);
  else
    check_parent(home, id, ancestors);
  return ancestors;
}

// What stands in for `wanted` in a list.
static bool stands_for(int home, const LayerId& named, const LayerId& wanted, const LayerParents& parents) {
  return named == wanted || (!parents.contains(named) && exists_at(home, "diff/" + named.str()));
}

std::optional<Damage> examine_ancestors(int home, const LayerId& id, const LayerParents& parents) {
  const auto wanted = ancestors_in(parents, id);
  const auto damaged = [&](const std::string& what, const std::string& why) {
    return Damage{"aufs-layers-" + what, id.str(), "its list 'layers/" + id.str() + "' " + why};
  };
  try {
    const auto text = try_read_list(home, id);
    if (!text) return damaged("missing", "is not there");
    if (text->empty() && !wanted.empty()) return damaged("empty", "is empty, as after a power cut");
    const auto named = parse_ancestors(id, *text);
    const bool same = std::equal(named.begin(), named.end(), wanted.begin(), wanted.end(),
                                 [&](const LayerId& a, const LayerId& b) { return stands_for(home, a, b, parents); });
    return same ? std::nullopt : std::optional(damaged("mismatch", "names other layers than those it lies on"));
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return Damage{"aufs-layers-invalid", id.str(), e.what()};
  }
}

}  // namespace cairn::aufs
