#include "drivers/sys/mount_table.h"

#include <libmount/libmount.h>

#include <memory>
#include <string_view>

#include "core/util/error.h"

namespace cairn {

namespace fs = std::filesystem;

static std::string text(const char* value) { return value == nullptr ? std::string() : std::string(value); }

std::vector<Mounted> mount_table() {
  const std::unique_ptr<libmnt_table, void (*)(libmnt_table*)> table(mnt_new_table_from_file("/proc/self/mountinfo"),
                                                                     mnt_unref_table);
  const std::unique_ptr<libmnt_iter, void (*)(libmnt_iter*)> iterator(mnt_new_iter(MNT_ITER_FORWARD), mnt_free_iter);
  if (!table || !iterator) throw Error(Errc::io, "reading '/proc/self/mountinfo': is /proc mounted?");
  std::vector<Mounted> out;
  for (libmnt_fs* one = nullptr; mnt_table_next_fs(table.get(), iterator.get(), &one) == 0;)
    out.push_back({text(mnt_fs_get_target(one)), text(mnt_fs_get_fstype(one)), text(mnt_fs_get_source(one)),
                   text(mnt_fs_get_root(one)), text(mnt_fs_get_fs_options(one)), mnt_fs_get_devno(one)});
  return out;
}

bool is_mount_point(const fs::path& canonical) {
  for (const auto& one : mount_table())
    if (one.target == canonical) return true;
  return false;
}

std::vector<Mounted> mounted_below(const std::vector<Mounted>& table, const fs::path& canonical) {
  const std::string prefix = canonical == "/" ? "/" : canonical.string() + "/";
  std::vector<Mounted> out;
  for (const auto& one : table)
    if (one.target == canonical || one.target.string().starts_with(prefix)) out.push_back(one);
  return out;
}

// The kernel shows ',' ':' and '\' inside a path with a backslash before them.
static std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && i + 1 < list.size()) {
      out.back() += {list[i], list[i + 1]};
      ++i;
    } else if (list[i] == separator) {
      out.emplace_back();
    } else {
      out.back() += list[i];
    }
  }
  return out;
}

static std::string unescape(std::string_view item) {
  std::string out;
  for (size_t i = 0; i < item.size(); ++i) {
    if (item[i] == '\\' && i + 1 < item.size()) ++i;
    out += item[i];
  }
  return out;
}

std::vector<std::string> overlay_branches(const std::string& options) {
  std::vector<std::string> lowers, upper;
  for (const auto& option : split(options, ',')) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = option.substr(0, equals), value = option.substr(equals + 1);
    if (key == "upperdir") upper.push_back(unescape(value));
    if (key == "lowerdir" || key == "lowerdir+")
      for (const auto& item : split(value, ':')) lowers.push_back(unescape(item));
  }
  lowers.insert(lowers.end(), upper.begin(), upper.end());
  return lowers;
}

}  // namespace cairn
