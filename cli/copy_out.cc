#include "cli/copy_out.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/exit.h"
#include "core/archive/apply.h"
#include "core/archive/changes.h"
#include "core/archive/generate.h"
#include "core/archive/tar_reader.h"
#include "core/archive/tar_writer.h"
#include "core/util/interrupt.h"

namespace cairn {

CopySource parse_copy_source(const std::string& path) {
  const std::string clean = std::filesystem::path("/" + path).lexically_normal().string();
  CopySource out;
  out.contents_only = path.ends_with("/.") || clean == "/";
  out.path = clean.substr(std::min(clean.find_first_not_of('/'), clean.size()));
  if (out.path.ends_with('/')) out.path.pop_back();
  return out;
}

namespace {

constexpr int kDeepest = 4096;

void add_below(const TreeNode& node, const std::string& path, int depth, std::vector<Change>& into) {
  if (depth > kDeepest)
    throw Error(Errc::unsupported, "copying '" + printable(path) + "': directories are nested too deeply");
  check_interrupt();
  for (const auto& child : node.children()) {
    const std::string name = path + "/" + child.name();
    into.push_back({ChangeKind::added, name});
    if (child.is_dir()) add_below(child, name, depth + 1, into);
  }
}

// Everything at and below the source as additions, as apply_tree and write_diff take them. Without the top where that
// is a link that was followed, or the root.
std::vector<Change> additions(const Tree& tree, const CopySource& source) {
  std::vector<Change> out;
  const std::string top = source.path.empty() ? "" : "/" + source.path;
  auto node = tree.find(source.path, Tree::Last::keep);
  if (!node) throw UserError(Errc::not_found, "copying '" + printable(top) + "': no such file or directory");
  const bool followed = source.contents_only && S_ISLNK(node->st().st_mode);
  if (followed) node = tree.find(source.path, Tree::Last::follow);
  if (source.contents_only && (!node || !node->is_dir()))
    throw UserError(Errc::invalid, "copying the contents of '" + printable(top) + "': it is no directory");
  if (!top.empty() && !followed) out.push_back({ChangeKind::added, top});
  if (node->is_dir()) add_below(*node, top, 0, out);
  std::sort(out.begin(), out.end(), [](const Change& a, const Change& b) { return a.path < b.path; });
  return out;
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/') == path.npos ? 0 : path.rfind('/'));
}
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// A directory beside the destination, where the copy is made and from where it is renamed.
class Staging : public DiffTarget {
 public:
  explicit Staging(int beside) : beside_(beside) {
    mkdir_at(beside_, name_, 0700);
    root_ = open_dir_at(beside_, name_);
  }
  ~Staging() override {
    try {
      remove_tree_at(beside_, name_);
    } catch (const Error&) {  // the error that led here is the one to tell
    }
  }
  Staging(const Staging&) = delete;
  int root_fd() const override { return root_.get(); }
  void hide(int, const std::string& name) override {
    throw Error(Errc::invalid, "copying: '" + printable(name) + "' is a deletion");
  }
  void make_opaque(int) override { throw Error(Errc::invalid, "copying: an opaque directory"); }
  void finish(const std::optional<LayerId>&, const std::vector<std::string>&) override {}
  const std::string& name() const { return name_; }

 private:
  int beside_;
  const std::string name_ = ".tmp-cairn-" + random_hex(8);
  Fd root_;
};

struct Place {
  int dir_fd;
  std::string name;
};

void move_into_place(const Place& from, const Place& to, int depth) {
  const auto have = stat_at(from.dir_fd, from.name), there = stat_at(to.dir_fd, to.name);
  if (!have || depth > kDeepest)
    throw Error(Errc::io, "copying '" + printable(from.name) + "': the copy went away meanwhile");
  if (there && S_ISDIR(have->st_mode) && S_ISDIR(there->st_mode)) {
    const Fd source = open_dir_at(from.dir_fd, from.name), target = open_dir_at(to.dir_fd, to.name);
    for (const auto& child : list_dir(source.get()))
      move_into_place({source.get(), child}, {target.get(), child}, depth + 1);
    return;
  }
  if (there && S_ISDIR(have->st_mode) != S_ISDIR(there->st_mode))
    throw UserError(Errc::invalid, "copying '" + printable(from.name) + "' to '" +
                                       printable(path_of(to.dir_fd) + "/" + to.name) +
                                       "': one is a directory and the other is not");
  if (::renameat(from.dir_fd, from.name.c_str(), to.dir_fd, to.name.c_str()) != 0)
    throw_errno("putting '" + printable(to.name) + "' in its place");
}

// Where the copy goes: an open directory, and the name in it ("" for the directory itself).
struct Destination {
  Fd dir;
  std::string name;
};

Destination find_destination(const CopySource& source, bool is_directory, const std::string& destination) {
  return as_named_by_user([&]() -> Destination {
    struct stat st;
    if (::stat(destination.c_str(), &st) == 0 && S_ISDIR(st.st_mode))
      return {open_dir(destination), source.contents_only ? "" : name_of(source.path)};
    if (destination.empty() || (destination.ends_with('/') && !is_directory))
      throw UserError(Errc::not_found, "copying to '" + printable(destination) + "': there is no such directory");
    std::string path = destination;
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const size_t slash = path.rfind('/');
    const std::string folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    return {open_dir(folder), name_of(path)};
  });
}

bool is_directory(const Tree& tree, const CopySource& source) {
  const auto node = tree.find(source.path, source.contents_only ? Tree::Last::follow : Tree::Last::keep);
  return node && node->is_dir();
}

}  // namespace

void copy_out(const Tree& tree, const CopySource& source, const std::string& destination) {
  if (tree.empty())
    throw UserError(Errc::not_found, "copying '/" + printable(source.path) + "': the image has no files");
  const auto changes = additions(tree, source);
  const Destination to = find_destination(source, is_directory(tree, source), destination);
  Staging staging(to.dir.get());
  const bool has_top = !changes.empty() && changes.front().path == "/" + source.path;
  ensure_dirs_at(staging.root_fd(), has_top ? folder_of(source.path) : source.path, 0755);
  apply_tree(tree, changes, staging, Links::none, source.path.empty() ? Root::take : Root::leave);
  const Place from = source.path.empty() ? Place{to.dir.get(), staging.name()} : Place{staging.root_fd(), source.path};
  if (!to.name.empty()) return move_into_place(from, {to.dir.get(), to.name}, 0);
  const Fd top = open_dir_at(from.dir_fd, from.name);
  for (const auto& child : list_dir(top.get())) move_into_place({top.get(), child}, {to.dir.get(), child}, 0);
}

void tar_out(const Tree& tree, const CopySource& source, ByteSink& out) {
  if (source.path.empty()) return write_export(tree, out);
  const auto changes = additions(tree, source);
  const auto whole = generate([&](ByteSink& sink) { write_diff(tree, changes, sink); });
  const size_t cut = source.contents_only ? source.path.size() + 1 : source.path.size() - name_of(source.path).size();
  TarReader reader(*whole);
  TarWriter writer(out);
  while (const TarEntry* entry = reader.next()) {
    if (entry->name.size() <= cut) continue;  // the directory whose contents are wanted
    TarEntry moved = *entry;
    moved.name.erase(0, cut);
    if (moved.type == TarType::hard_link) moved.link_target.erase(0, cut);
    writer.begin(moved);
    for (auto bytes = reader.read_view(); !bytes.empty(); bytes = reader.read_view()) writer.write(bytes);
  }
  writer.finish();
}

}  // namespace cairn
