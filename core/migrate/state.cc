#include "core/migrate/state.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/json/closed_prefix.h"
#include "core/util/error.h"
#include "core/util/ids.h"
#include "core/util/replace_file.h"

namespace cairn {

using Json = nlohmann::json;

static constexpr const char* kDir = ".cairn-migration";
static constexpr const char* kMapping = ".migration-v1-images.json";

static Json parse(const std::string& text, const std::string& what) {
  Json out = Json::parse(text, nullptr, false);
  if (!out.is_object()) throw Error(Errc::corrupt, "reading '" + what + "': not a JSON object");
  return out;
}

SourceIdentity identity_of(const MigrationSource& source) {
  std::string ids;
  for (const auto& image : source.graph.images()) ids += image.id + "\n";
  return {source.graph.driver(), source.root.string(), Digest::of(ids), "graph-" + source.graph.driver()};
}

SourceIdentity identity_of(const ContentSource& source) {
  std::string ids;
  for (const auto& id : source.metadata.images().list()) ids += id.str() + "\n";
  return {std::string(source.driver.name()), source.root.string(), Digest::of(ids), "content"};
}

static std::string text_of(const SourceIdentity& source) {
  const Json out = {{"driver", source.driver}, {"path", source.path}, {"ids", source.ids.str()}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// What a starting engine makes and no migration does.
static bool engine_was_in(int root_fd) {
  const auto traces = {"runtimes", "tmp", "execdriver", "buildkit"};
  return std::any_of(traces.begin(), traces.end(), [&](const char* name) { return exists_at(root_fd, name); });
}

MigrationState::MigrationState(int root_fd, const SourceIdentity& source)
    : root_(dup_fd(root_fd)),
      identity_(text_of(source)),
      part_(source.part),
      resumed_(exists_at(root_fd, kDir) && !engine_was_in(root_fd)) {
  const auto there = try_read_file_at(root_.get(), std::string(kDir) + "/source.json");
  if (!there) return;
  const Json theirs = Json::parse(*there, nullptr, false), ours = parse(identity_, "source.json");
  if (!theirs.is_object() || theirs == ours)
    return;  // torn by a power cut: nothing in there is trusted unchecked anyway
  if (theirs.value("path", Json()) != ours["path"] && theirs.value("ids", Json()) != ours["ids"])
    throw Error(Errc::already_exists, "opening the target: it holds an unfinished migration of '" +
                                          printable(theirs.value("path", Json("?")).dump()) +
                                          "'; finish that one, or choose another target");
}

FileLock MigrationState::begin() {
  ensure_dir_at(root_.get(), kDir, 0700);
  const Fd own = dir();
  auto lock = FileLock::attempt(own.get(), FileLock::Kind::exclusive);
  if (!lock)
    throw Error(Errc::in_use,
                "migrating to '" + printable(path_of(root_.get())) + "': another cairn is doing that already");
  replace_file_at(own.get(), "source.json", identity_, 0600);
  return std::move(*lock);
}

// Graphs of two drivers may both have a layer of that id, each its own.
std::string MigrationState::file_of(const std::string& id) const { return part_ + "." + id; }

Fd MigrationState::dir() const { return open_dir_at(root_.get(), kDir); }

std::optional<HashedLayer> MigrationState::load(const std::string& id) const {
  const auto text = try_read_file_at(root_.get(), std::string(kDir) + "/" + file_of(id) + ".json");
  if (!text) return std::nullopt;
  const Json entry = Json::parse(*text, nullptr, false);
  if (!entry.is_object() || !entry.contains("diff") || !entry["diff"].is_string() || !entry.contains("size") ||
      !entry["size"].is_number_integer() || !entry.contains("tar_split") || !entry["tar_split"].is_string())
    return std::nullopt;
  const auto diff = DiffId::parse(entry["diff"].get<std::string>());
  if (!diff) return std::nullopt;
  const std::string split = entry["tar_split"].get<std::string>();
  if (!split.empty()) {  // data may have reached the disk or not: only the hash tells
    const auto fd =
        try_open_at(root_.get(), std::string(kDir) + "/" + file_of(id) + ".tar-split.gz", O_RDONLY | O_NOFOLLOW);
    if (!fd) return std::nullopt;
    Sha256 hash;
    std::string buffer(1 << 20, '\0');
    while (const size_t n = read_some(fd->get(), buffer)) hash.update(std::span(buffer).first(n));
    if (hash.finish().str() != split) return std::nullopt;
  }
  const std::string warning =
      entry.contains("warning") && entry["warning"].is_string() ? entry["warning"].get<std::string>() : "";
  return HashedLayer{*diff, entry["size"].get<int64_t>(), split.empty(), warning};
}

Fd MigrationState::create_tar_split(const std::string& id) {
  return open_at(dir().get(), file_of(id) + ".tar-split.gz", O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
}

Fd MigrationState::open_tar_split(const std::string& id) const {
  return open_at(dir().get(), file_of(id) + ".tar-split.gz", O_RDONLY | O_NOFOLLOW);
}

void MigrationState::save(const std::string& id, const HashedLayer& layer) {
  std::string split;
  if (!layer.from_tar_split) {
    const Fd fd = open_tar_split(id);
    Sha256 hash;
    std::string buffer(1 << 20, '\0');
    while (const size_t n = read_some(fd.get(), buffer)) hash.update(std::span(buffer).first(n));
    split = hash.finish().str();
  }
  const Json entry = {
      {"diff", layer.diff.str()}, {"size", layer.size}, {"tar_split", split}, {"warning", layer.warning}};
  const Fd own = dir();
  const std::string name = file_of(id) + ".json", fresh = name + ".new";
  remove_tree_at(own.get(), fresh);
  create_file_at(own.get(), fresh, entry.dump(-1, ' ', false, Json::error_handler_t::replace), 0600);
  if (::renameat(own.get(), fresh.c_str(), own.get(), name.c_str()) != 0)
    throw_errno("saving the state of layer " + id);
}

void MigrationState::remove() { remove_tree_at(root_.get(), kDir); }

std::map<std::string, ImageId> read_mapping(int root_fd, std::vector<Damage>* damage) {
  std::map<std::string, ImageId> out;
  const auto text = try_read_file_at(root_fd, kMapping, 256u << 20);
  if (!text) return out;
  Json mapping = Json::parse(*text, nullptr, false);
  if (!mapping.is_object()) {  // what is whole of it; what is not is found again
    if (damage)
      damage->push_back({"mapping-invalid", kMapping, "it is cut off or overwritten", "made anew; nothing is lost"});
    mapping = Json::parse(go_json::closed_prefix(*text).value_or("{}"), nullptr, false);
    if (!mapping.is_object()) return out;
  }
  for (const auto& [id, value] : mapping.items()) {
    const auto image = value.is_string() ? ImageId::parse(value.get<std::string>()) : std::nullopt;
    if (image && is_hex64(id)) out.emplace(id, *image);
  }
  return out;
}

void write_mapping(int root_fd, const std::map<std::string, ImageId>& mapping) {
  Json out = Json::object();
  for (const auto& [id, image] : mapping) out[id] = image.str();
  replace_file_at(root_fd, kMapping, out.dump() + "\n", 0600);
}

}  // namespace cairn
