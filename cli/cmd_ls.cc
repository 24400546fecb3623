#include <fmt/format.h>
#include <sys/sysmacros.h>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/age.h"
#include "cli/output/json.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "cli/tree_path.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  bool details = false;
  std::string where;
};

std::string type_word(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "char-device";
    case S_IFBLK:
      return "block-device";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "file";
  }
}

bool is_device(const struct stat& st) { return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode); }

Json json_of(const TreeNode& node) {
  const struct stat& st = node.st();
  Json out{{"name", node.name()},
           {"type", type_word(st.st_mode)},
           {"mode", fmt::format("{:04o}", st.st_mode & 07777)},
           {"uid", st.st_uid},
           {"gid", st.st_gid},
           {"size", st.st_size},
           {"links", st.st_nlink},
           {"mtime", utc_rfc3339(st.st_mtim)}};
  if (S_ISLNK(st.st_mode)) out["target"] = node.link_target();
  if (is_device(st)) out["device"] = fmt::format("{}:{}", major(st.st_rdev), minor(st.st_rdev));
  Json xattrs = Json::object();
  for (const auto& [name, value] : node.xattrs())
    xattrs[name] = fmt::format("{:02x}", fmt::join(std::vector<unsigned char>(value.begin(), value.end()), ""));
  out["xattrs"] = xattrs;
  return out;
}

Row details_of(const TreeNode& node, const std::string& name) {
  const struct stat& st = node.st();
  std::string shown = printable(name, std::string::npos);
  if (S_ISLNK(st.st_mode)) shown += " -> " + printable(node.link_target(), std::string::npos);
  return {mode_string(st.st_mode),
          std::to_string(st.st_nlink),
          std::to_string(st.st_uid),
          std::to_string(st.st_gid),
          is_device(st) ? fmt::format("{},{}", major(st.st_rdev), minor(st.st_rdev)) : std::to_string(st.st_size),
          local_minute(st.st_mtim.tv_sec),
          shown};
}

Exit run(const Flags& flags, const Globals& globals) {
  const auto [object, path] = split_object_path(flags.where);
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const Subject subject = objects.find(object);
  const Tree tree = objects.tree(subject);
  // `ls LINK` shows where a link leads, `ls -l LINK` the link, as ls(1) does.
  const bool follow = !(flags.details || globals.json) || path.ends_with('/');
  const auto node = find_in(tree, subject, path, follow ? Tree::Last::follow : Tree::Last::keep);
  std::vector<TreeNode> nodes;
  if (node && node->is_dir())
    nodes = node->children();
  else if (node)
    nodes.push_back(*node);
  if (globals.json) {
    Json out = Json::array();
    for (const auto& one : nodes) out.push_back(json_of(one));
    print(json_document(out));
    return Exit::done;
  }
  std::vector<Row> rows;
  std::string names;
  for (const auto& one : nodes) {
    const std::string name = node->is_dir() ? one.name() : path;
    if (flags.details)
      rows.push_back(details_of(one, name));
    else
      names += printable(name, std::string::npos) + "\n";
  }
  print(flags.details ? format_table(rows) : names);
  return Exit::done;
}

}  // namespace

Command ls_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("ls", "List a directory of an image, container or layer");
  app->add_flag("-l", flags->details, "Mode, links, owner, group, size, time and target");
  app->add_option("where", flags->where, "Image, container or layer, and a path in it; without a path its root")
      ->type_name("X:PATH")
      ->required();
  app->footer(
      "Nothing is mounted and nothing is written; any driver's store can be read on any kernel. Bytes that cannot be "
      "shown\n"
      "appear as \\xNN. With --json: an array of objects with name, type, mode, uid, gid, size, links, mtime, target,\n"
      "device and xattrs (values in hex).\n\n"
      "Examples:\n"
      "  cairn ls busybox:/bin\n"
      "  cairn --root /mnt/disk/var/lib/docker ls -l web:/etc/passwd");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
