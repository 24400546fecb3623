#include "core/migrate/switch.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/ids.h"
#include "core/util/replace_file.h"

namespace cairn {

using Json = nlohmann::json;

static constexpr const char* kDir = ".cairn-switch";
static constexpr const char* kRecord = ".cairn-switch/switch.json";
static constexpr const char* kNow = ".cairn-switch/now";

// `to`: the side, "new" or "old", that is to be in place; `done` once it is.
struct StoreSwitch::Record {
  std::set<std::string> parts;
  std::string to;
  bool done = false;
};

static std::string other(const std::string& side) { return side == "new" ? "old" : "new"; }

static std::string link_target(int dir_fd, const std::string& path) {
  std::array<char, PATH_MAX> text;
  const ssize_t n = ::readlinkat(dir_fd, path.c_str(), text.data(), text.size());
  if (n < 0) throw_errno("reading the link '" + printable(path) + "'");
  return {text.data(), static_cast<size_t>(n)};
}

static std::string way_to(const std::string& name) { return std::string(kNow) + "/" + name; }

static bool is_link_to(int root, const std::string& path, const std::string& target) {
  const auto st = stat_at(root, path);
  return st && S_ISLNK(st->st_mode) && link_target(root, path) == target;
}

static void make_link(int root, const std::string& target, const std::string& path) {
  if (::symlinkat(target.c_str(), root, path.c_str()) != 0) throw_errno("making the link '" + printable(path) + "'");
}

static void rename_or_exchange(int root, const std::string& from, const std::string& to, unsigned flags) {
  if (::renameat2(root, from.c_str(), root, to.c_str(), flags) != 0)
    throw_errno("putting '" + printable(from) + "' in the place of '" + printable(to) + "'");
}

// Only once a record says that all is done: `now` tells those who go on how far it came.
static void forget_way(int root) {
  if (::unlinkat(root, kNow, 0) != 0 && errno != ENOENT) throw_errno("removing '" + std::string(kNow) + "'");
}

static void sync_dirs(int root) {
  for (const char* dir : {".cairn-switch/old", ".cairn-switch/new", kDir, "."})
    if (const auto fd = try_open_at(root, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) fsync_fd(fd->get(), dir);
}

std::optional<StoreSwitch::Record> StoreSwitch::read() const {
  const auto root = try_open_at(AT_FDCWD, root_.string(), O_RDONLY | O_DIRECTORY);
  const auto text = root ? try_read_file_at(root->get(), kRecord) : std::nullopt;
  if (!text) return std::nullopt;
  const Json json = Json::parse(*text, nullptr, false);
  const auto bad = [&] {
    return Error(Errc::corrupt, "reading '" + printable((root_ / kRecord).string()) + "': it is not what cairn wrote");
  };
  if (!json.is_object() || !json.value("parts", Json()).is_array() || !json.value("done", Json()).is_boolean())
    throw bad();
  Record record;
  record.to = json.value("to", "");
  record.done = json["done"].get<bool>();
  if (record.to != "new" && record.to != "old") throw bad();
  for (const auto& part : json["parts"]) {
    if (!part.is_string() || !LayerId::valid(part.get<std::string>())) throw bad();
    record.parts.insert(part.get<std::string>());
  }
  return record;
}

void StoreSwitch::write(const Record& record) {
  const Fd root = open_dir(root_.string());
  const Json json = {{"parts", record.parts}, {"to", record.to}, {"done", record.done}};
  replace_file_at(root.get(), kRecord, json.dump() + "\n", 0600);
}

SwitchState StoreSwitch::state() const {
  const auto record = read();
  if (!record) return SwitchState::none;
  if (!record->done) return SwitchState::underway;
  return record->to == "new" ? SwitchState::switched : SwitchState::none;
}

void StoreSwitch::make_staging() {
  const Fd root = open_dir(root_.string());
  for (const char* dir : {kDir, ".cairn-switch/old", ".cairn-switch/new"}) ensure_dir_at(root.get(), dir, 0711);
}

void StoreSwitch::start(const std::set<std::string>& parts) {
  if (const auto record = read(); record && (!record->done || record->to == "new"))
    throw Error(Errc::already_exists,
                "switching '" + printable(root_.string()) +
                    "': an earlier switch is there; --rollback undoes it, --remove-source ends it");
  const Fd root = open_dir(root_.string());
  struct stat of_root;
  if (::fstat(root.get(), &of_root) != 0) throw_errno("looking at '" + printable(root_.string()) + "'");
  for (const auto& name : parts) {
    if (!LayerId::valid(name)) throw Error(Errc::invalid, "switching '" + printable(name) + "': no such part");
    const auto st = stat_at(root.get(), name);
    const std::string doing = "switching '" + printable((root_ / name).string()) + "': ";
    if (st && st->st_dev != of_root.st_dev)
      throw Error(Errc::unsupported, doing + "it is a mount point; migrate --to another root instead");
    if (st && S_ISLNK(st->st_mode) && !link_target(root.get(), name).starts_with('/'))
      throw Error(Errc::unsupported, doing + "it is a relative link; make it absolute first");
  }
  Record record{parts, "new", false};
  forget_way(root.get());
  write(record);
  go(record);
}

void StoreSwitch::finish() {
  if (auto record = read(); record && !record->done) go(*record);
}

void StoreSwitch::roll_back() {
  auto record = read();
  if (!record || !record->done || record->to != "new")
    throw Error(Errc::not_found, "rolling back '" + printable(root_.string()) + "': nothing was switched there");
  forget_way(open_dir(root_.string()).get());
  record->to = "old";
  record->done = false;
  write(*record);
  go(*record);
}

void StoreSwitch::forget_old() {
  const auto record = read();
  if (!record || !record->done || record->to != "new")
    throw Error(Errc::not_found, "removing the old store of '" + printable(root_.string()) + "': nothing was switched");
  const Fd root = open_dir(root_.string());
  remove_tree_at(root.get(), ".cairn-switch/old");
  remove_tree_at(root.get(), kDir);
  fsync_fd(root.get(), root_.string());
}

// What is in place goes to `side`; a link through `now`, which leads there, takes its place.
void StoreSwitch::link_away(const std::string& name, const std::string& side) {
  const Fd root = open_dir(root_.string());
  if (is_link_to(root.get(), name, way_to(name))) return;
  const std::string kept = std::string(kDir) + "/" + side + "/" + name;
  if (is_link_to(root.get(), kept, way_to(name))) ::unlinkat(root.get(), kept.c_str(), 0);  // of an earlier try
  if (!exists_at(root.get(), name)) return make_link(root.get(), way_to(name), name);
  make_link(root.get(), way_to(name), kept);
  rename_or_exchange(root.get(), name, kept, RENAME_EXCHANGE);
}

void StoreSwitch::put_in_place(const std::string& name, const std::string& side) {
  const Fd root = open_dir(root_.string());
  const std::string kept = std::string(kDir) + "/" + side + "/" + name;
  if (is_link_to(root.get(), name, way_to(name))) {
    if (!exists_at(root.get(), kept)) {
      if (::unlinkat(root.get(), name.c_str(), 0) != 0) throw_errno("removing the link '" + printable(name) + "'");
      return;
    }
    rename_or_exchange(root.get(), kept, name, RENAME_EXCHANGE);
  }
  if (is_link_to(root.get(), kept, way_to(name))) ::unlinkat(root.get(), kept.c_str(), 0);
}

void StoreSwitch::go(Record& record) {
  const Fd root = open_dir(root_.string());
  if (!is_link_to(root.get(), kNow, record.to)) {
    if (!exists_at(root.get(), kNow)) make_link(root.get(), other(record.to), kNow);
    for (const auto& name : record.parts) link_away(name, other(record.to));
    sync_dirs(root.get());
    const std::string turn = std::string(kNow) + ".turned";
    ::unlinkat(root.get(), turn.c_str(), 0);
    make_link(root.get(), record.to, turn);
    rename_or_exchange(root.get(), turn, kNow, 0);
    sync_dirs(root.get());
  }
  for (const auto& name : record.parts) put_in_place(name, record.to);
  sync_dirs(root.get());
  record.done = true;
  write(record);
  forget_way(root.get());
}

}  // namespace cairn
