#include "graphdb/legacy/images.h"

#include <algorithm>
#include <map>

#include "core/image/v1_config.h"
#include "core/util/error.h"
#include "graphdb/legacy/restored_json.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

constexpr size_t kMaxJson = 4u << 20;

namespace {

// Reads one graph/<id>; collects what is wrong with it.
class ImageReader {
 public:
  ImageReader(int graph_fd, const std::vector<std::string>& names, LegacyImage& image, std::vector<Damage>& damage)
      : graph_(graph_fd), names_(names), image_(image), damage_(damage) {}

  void read() {
    read_checksum();
    if (!read_json()) return;
    read_parent();
    read_layer_size();
    read_tar_split();
  }

 private:
  void note(const std::string& kind, const std::string& detail) { damage_.push_back({kind, image_.id, detail}); }
  void refuse(const std::string& kind, const std::string& why) {
    note(kind, why);
    if (image_.error.empty()) image_.error = why;
  }
  // What a failing disk keeps back may be all right: nothing is made without it.
  bool refuse_unreadable(const Error& e) {
    if (e.code() == Errc::io) refuse("image-unreadable", e.what());
    return e.code() == Errc::io;
  }

  // nullopt if absent, or damaged, which is reported as `kind`.
  std::optional<std::string> text_of(const std::string& file, const std::string& kind, size_t limit = 4096) {
    try {
      return try_read_regular_at(graph_, image_.id + "/" + file, limit);
    } catch (const Error& e) {
      if (!refuse_unreadable(e)) note(kind, e.what());
      return std::nullopt;
    }
  }

  bool read_json() {
    try {
      const auto text = try_read_regular_at(graph_, image_.id + "/json", kMaxJson);
      if (!text) return restore("json-missing", "its file 'json' is not there");
      if (trimmed(*text).empty()) return restore("json-empty", "its file 'json' is empty");
      const std::string id = JsonObject(*text, "graph/" + image_.id + "/json").string("id");
      json_parent_ = parent_from_v1(*text);
      if (!id.empty() && id != image_.id) note("id-mismatch", "its file 'json' says id '" + printable(id, 80) + "'");
      image_.json = *text;
    } catch (const Error& e) {
      if (refuse_unreadable(e)) return false;
      return restore("json-invalid", e.what());
    }
    return true;
  }

  // From the copy that Docker 1.8.3 and 1.9 keep for registries.
  bool restore(const std::string& kind, const std::string& why) {
    const auto copy = text_of("v1Compatibility", "v1-compatibility-invalid", kMaxJson);
    const auto restored = copy ? restore_json(image_.id, *copy, image_.checksum, names_) : std::nullopt;
    if (!restored) return refuse(kind, why), false;
    image_.json = restored->json;
    json_parent_ = restored->parent.value_or("");
    damage_.push_back({kind, image_.id, why, "rebuilt from its file 'v1Compatibility'; nothing is lost"});
    return true;
  }

  void read_parent() {
    std::string parent = json_parent_;
    // Written by 1.9 where the directory's name and the parent_id differ; it wins, as in Docker's own migration.
    if (const auto text = text_of("parent", "parent-invalid")) {
      const std::string named = trimmed(*text);
      if (named.empty())
        note("parent-empty", "its file 'parent' is empty; what its json names is taken for its parent");
      else if (const auto whole = completed(named))
        parent = *whole;
      else
        parent = named;
    }
    if (parent.empty()) return;
    if (!is_hex64(parent)) return refuse("parent-invalid", "its parent '" + printable(parent, 80) + "' is no image id");
    image_.parent = parent;
  }

  // The one id of the graph that begins so: of a file that was cut off.
  std::optional<std::string> completed(const std::string& beginning) {
    constexpr size_t kEnough = 16;
    if (beginning.size() < kEnough || beginning.size() >= 64) return std::nullopt;
    const auto begins = [&](auto at) { return at != names_.end() && at->starts_with(beginning); };
    const auto found = std::lower_bound(names_.begin(), names_.end(), beginning);
    if (!begins(found) || begins(std::next(found)) || !is_hex64(*found)) return std::nullopt;
    damage_.push_back({"parent-cut", image_.id, "its file 'parent' holds only '" + beginning + "'",
                       "the one image id that begins so; nothing is lost"});
    return *found;
  }

  void read_checksum() {
    if (const auto text = text_of("checksum", "checksum-invalid")) image_.checksum = Digest::parse(trimmed(*text));
  }

  void read_layer_size() {
    const auto text = text_of("layersize", "layersize-invalid");
    if (!text) return;
    const auto size = parse_int64(trimmed(*text));
    if (size && *size >= 0)
      image_.layer_size = size;
    else
      note("layersize-invalid", "its file 'layersize' holds '" + printable(*text, 40) + "', no number of bytes");
  }

  void read_tar_split() {
    constexpr off_t smallest_gzip = 18;
    const std::string name = tar_split_file(graph_, image_.id);
    const auto told = [&](const char* what) { return "its file '" + name + "' is " + what; };
    try {
      const auto st = stat_at(graph_, image_.id + "/" + name);
      if (!st) return;
      const Fd file = open_regular_at(graph_, image_.id + "/" + name);
      char magic[2] = {};
      if (st->st_size == 0) return note("tar-data-empty", told("empty"));
      if (st->st_size < smallest_gzip || read_full(file.get(), magic) != 2 || magic[0] != '\x1f' || magic[1] != '\x8b')
        return note("tar-data-truncated", told("no gzip file"));
      image_.has_tar_split = true;
    } catch (const Error& e) {
      if (!refuse_unreadable(e)) note("tar-data-truncated", e.what());
    }
  }

  int graph_;
  const std::vector<std::string>& names_;  // all of graph/, sorted
  LegacyImage& image_;
  std::string json_parent_;
  std::vector<Damage>& damage_;
};

// Marks images whose chain of parents ends in nothing, in itself or in a damaged image.
class ChainCheck {
 public:
  ChainCheck(std::vector<LegacyImage>& images, std::vector<Damage>& damage) : images_(images), damage_(damage) {
    for (auto& image : images) by_id_.emplace(image.id, &image);
  }

  void run() {
    for (auto& start : images_) {
      const auto path = follow(start);
      for (auto it = path.rbegin(); it != path.rend(); ++it) {
        done_[(*it)->id] = true;
        if ((*it)->error.empty()) check_parent(**it);
      }
    }
  }

 private:
  LegacyImage* parent_of(const LegacyImage& image) {
    const auto parent = image.parent ? by_id_.find(*image.parent) : by_id_.end();
    return parent == by_id_.end() ? nullptr : parent->second;
  }

  void refuse(LegacyImage& image, const std::string& kind, const std::string& why) {
    damage_.push_back({kind, image.id, why});
    image.error = why;
  }

  // `start` and its parents up to one that was checked before. Those that lead back to themselves are marked.
  std::vector<LegacyImage*> follow(LegacyImage& start) {
    std::vector<LegacyImage*> path;
    for (LegacyImage* at = &start; at != nullptr; at = parent_of(*at)) {
      const auto [known, fresh] = done_.emplace(at->id, false);
      if (fresh) {
        path.push_back(at);
        continue;
      }
      if (!known->second)
        for (auto it = std::find(path.begin(), path.end(), at); it != path.end(); ++it)
          if ((*it)->error.empty()) refuse(**it, "parent-cycle", "its parents lead back to it");
      break;
    }
    return path;
  }

  void check_parent(LegacyImage& image) {
    if (!image.parent) return;
    const LegacyImage* parent = parent_of(image);
    if (parent == nullptr)
      refuse(image, "parent-missing", "its parent " + *image.parent + " is not there");
    else if (parent->error.starts_with(kInherited))  // the cause is told once, however long the chain
      refuse(image, "ancestor-damaged", parent->error);
    else if (!parent->error.empty())
      refuse(image, "ancestor-damaged", kInherited + parent->id + " cannot be used: " + parent->error);
  }

  inline static const std::string kInherited = "its ancestor ";
  std::vector<LegacyImage>& images_;
  std::vector<Damage>& damage_;
  std::map<std::string, LegacyImage*> by_id_;
  std::map<std::string, bool> done_;  // false while on the path being followed
};

}  // namespace

std::string tar_split_file(int graph_fd, const std::string& id) {
  const std::string own = ".migration-tardata";
  const bool done = exists_at(graph_fd, id + "/.migration-diffid") && exists_at(graph_fd, id + "/" + own);
  return done ? own : "tar-data.json.gz";
}

std::vector<LegacyImage> read_legacy_images(int root_fd, const DriverLayers& layers,
                                            const std::vector<DriverLayers>& others, std::vector<Damage>& damage) {
  std::vector<LegacyImage> images;
  const auto graph = try_open_dir(root_fd, "graph");
  if (!graph) return images;
  const auto names = list_dir(graph->get());
  for (const auto& name : names) {
    if (name.size() == 16 && name.find_first_not_of("0123456789abcdef") == std::string::npos &&
        exists_at(graph->get(), name + "/json"))
      damage.push_back(
          {"id-unsupported", name, "images of Docker 0.1 with ids of 16 digits are left out, as by Docker 1.10"});
    if (!is_hex64(name)) continue;
    LegacyImage image;
    image.id = name;
    const bool here = layers.has(name);
    if (!here && std::any_of(others.begin(), others.end(), [&](const auto& other) { return other.has(name); }))
      continue;
    ImageReader(graph->get(), names, image, damage).read();
    if (!here) {
      const std::string why = "the driver has no layer of that name";
      damage.push_back({"layer-missing", name, why});
      if (image.error.empty()) image.error = why;
    }
    images.push_back(std::move(image));
  }
  ChainCheck(images, damage).run();
  return images;
}

}  // namespace cairn
