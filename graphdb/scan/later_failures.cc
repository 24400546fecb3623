#include "graphdb/scan/later_failures.h"

#include <unistd.h>

#include <climits>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "graphdb/driver_layers.h"
#include "graphdb/util/files.h"

namespace cairn {

namespace {

class Finder {
 public:
  Finder(int root_fd, const std::string& driver, std::vector<Damage>& damage)
      : root_(root_fd), driver_(driver), on_disk_(root_fd, driver), damage_(damage) {}

  void check_record(const LayerRecord& layer) {
    const std::string object = layer.chain.str();
    if (chain_id(layer.parent, layer.diff) != layer.chain)
      note("layer-chain-mismatch", object, "its 'diff' and 'parent' belong to another chain");
    const auto split =
        stat_at(root_, "image/" + driver_ + "/layerdb/sha256/" + layer.chain.hex() + "/tar-split.json.gz");
    if (!split)
      note("tar-split-missing", object, "it can be run, but neither saved nor pushed");
    else if (split->st_size == 0)
      note("tar-split-empty", object, "it can be run, but neither saved nor pushed");
    check_layer(layer.cache_id, layer.parent.has_value(), "layer " + object);
  }

  void check_mount(const MountRecord& mount) {
    const std::string whose = "container " + mount.name;
    if (mount.init_id) check_layer(*mount.init_id, mount.parent.has_value(), whose);
    check_layer(mount.mount_id, mount.init_id || mount.parent, whose);
  }

 private:
  void note(const std::string& kind, const std::string& object, const std::string& detail) {
    damage_.push_back({kind, object, detail});
  }

  void check_layer(const LayerId& id, bool has_parent, const std::string& whose) {
    if (!on_disk_.has(id.str())) return note("driver-layer-missing", id.str(), whose + " has lost its directory");
    if (driver_ == "overlay2" || driver_ == "fuse-overlayfs") check_overlay2(id.str(), has_parent, whose);
  }

  // nullopt once the damage is noted. Engines take these files as they stand: white space makes them useless.
  std::optional<std::string> text_of(const std::string& id, const std::string& file, const std::string& whose) {
    std::optional<std::string> text;
    const std::string kind = "overlay2-" + file;
    try {
      text = try_read_regular_at(root_, driver_ + "/" + id + "/" + file, 1u << 20);
    } catch (const Error& e) {
      return note(kind + "-invalid", id, e.what()), std::nullopt;
    }
    if (!text) return note(kind + "-missing", id, whose + ": the file '" + file + "' is not there"), std::nullopt;
    if (text->empty()) return note(kind + "-empty", id, whose + ": the file '" + file + "' is empty"), std::nullopt;
    if (trimmed(*text) != *text)
      return note(kind + "-invalid", id, whose + ": the file '" + file + "' has white space around its text"),
             std::nullopt;
    return text;
  }

  bool leads_to_layer(const std::string& link, const std::string& suffix) {
    char target[PATH_MAX];
    const ssize_t n = ::readlinkat(root_, (driver_ + "/l/" + link).c_str(), target, sizeof target);
    if (n < 0 || !std::string_view(target, static_cast<size_t>(n)).ends_with(suffix)) return false;
    struct stat st;
    return ::fstatat(root_, (driver_ + "/l/" + link).c_str(), &st, 0) == 0 && S_ISDIR(st.st_mode);
  }

  void check_overlay2(const std::string& id, bool has_parent, const std::string& whose) {
    if (const auto link = text_of(id, "link", whose)) {
      if (!valid_name(*link))
        note("overlay2-link-invalid", id, whose + ": its short name is '" + printable(*link, 80) + "'");
      else if (!leads_to_layer(*link, "/" + id + "/diff"))
        note("overlay2-link-dangling", id, whose + ": 'l/" + *link + "' does not lead to it");
    }
    if (!has_parent) return;
    const auto lower = text_of(id, "lower", whose);
    if (!lower) return;
    for (size_t from = 0; from <= lower->size();) {
      const size_t end = std::min(lower->find(':', from), lower->size());
      const std::string part = lower->substr(from, end - from);
      from = end + 1;
      if (!part.starts_with("l/") || !valid_name(part.substr(2)))
        return note("overlay2-lower-invalid", id, whose + ": 'lower' names '" + printable(part, 80) + "'");
      if (!leads_to_layer(part.substr(2), "/diff"))
        return note("overlay2-lower-dangling", id, whose + ": 'lower' names '" + part + "', which leads nowhere");
    }
  }

  int root_;
  std::string driver_;
  DriverLayers on_disk_;
  std::vector<Damage>& damage_;
};

}  // namespace

void find_later_failures(int root_fd, const std::string& driver, const LayerMetadata& layers,
                         std::vector<Damage>& damage) {
  Finder finder(root_fd, driver, damage);
  for (const auto& layer : layers.list()) finder.check_record(layer);
  for (const auto& mount : layers.mounts()) finder.check_mount(mount);
}

}  // namespace cairn
