#include "tests/support/fake_driver.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/util/error.h"

namespace cairn::test {

namespace fs = std::filesystem;

namespace {

// A layer is finished when the file `parent` names its parent, or nothing.
class FakeTarget : public DiffTarget {
 public:
  FakeTarget(FakeDriver& driver, const LayerId& id)
      : driver_(driver), id_(id), layer_(driver.diff_path(id).parent_path()), diff_(open_dir(driver.diff_path(id))) {}
  ~FakeTarget() override {
    if (!finished_) driver_.remove(id_);
  }
  int root_fd() const override { return diff_.get(); }
  void hide(int dir_fd, const std::string& name) override {
    if (::mknodat(dir_fd, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) throw_errno("hiding '" + name + "'");
  }
  void make_opaque(int dir_fd) override {
    if (::fsetxattr(dir_fd, "trusted.overlay.opaque", "y", 1, 0) != 0) throw_errno("making a directory opaque");
  }
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override {
    if (parent && !driver_.exists(*parent))
      throw Error(Errc::not_found, "finishing '" + id_.str() + "': no '" + parent->str() + "'");
    if (parent) spell_out_opaque_root(driver_.tree(*parent).root());
    if (parent)
      for (const auto& path : implied_dirs) complete(path, driver_.tree(*parent).root());
    create_file_at(AT_FDCWD, layer_ / "parent", parent ? parent->str() : "", 0644);
    finished_ = true;
  }

 private:
  static bool opaque(int dir_fd) { return ::fgetxattr(dir_fd, "trusted.overlay.opaque", nullptr, 0) > 0; }

  void spell_out_opaque_root(const TreeNode& parent) {
    if (!opaque(diff_.get())) return;
    for (const auto& node : parent.children()) {
      const auto own = stat_at(diff_.get(), node.name());
      if (!own) hide(diff_.get(), node.name());
      if (own && S_ISDIR(own->st_mode)) make_opaque(open_dir_at(diff_.get(), node.name()).get());
    }
  }

  void complete(const std::string& path, TreeNode node) {
    Fd own = dup_fd(diff_.get());
    for (const auto& part : fs::path(path)) {
      if (part == ".") continue;
      const auto next = node.child(part.string());
      own = open_dir_at(own.get(), part.string());
      if (!next || !next->is_dir() || opaque(own.get())) return;
      node = *next;
    }
    for (const auto& [name, value] : node.xattrs()) ::fsetxattr(own.get(), name.c_str(), value.data(), value.size(), 0);
    const timespec times[2] = {node.st().st_atim, node.st().st_mtim};
    if (::fchown(own.get(), node.st().st_uid, node.st().st_gid) != 0 ||
        ::fchmod(own.get(), node.st().st_mode & 07777) != 0 || ::futimens(own.get(), times) != 0)
      throw_errno("completing '" + path + "'");
  }

  FakeDriver& driver_;
  LayerId id_;
  fs::path layer_;
  Fd diff_;
  bool finished_ = false;
};

}  // namespace

FakeDriver::FakeDriver(const fs::path& root) : home_path_(root / "fake") {
  fs::create_directories(home_path_);
  home_ = open_dir(home_path_);
}

DriverStatus FakeDriver::probe() const {
  DriverStatus status;
  status.mountable = false;
  status.why_not = "the fake mounts nothing";
  return status;
}

bool FakeDriver::exists(const LayerId& id) const { return exists_at(home_.get(), id.str() + "/parent"); }

std::vector<LayerId> FakeDriver::list() const {
  std::vector<LayerId> out;
  for (const auto& name : list_dir(home_.get())) out.emplace_back(name);
  return out;
}

std::unique_ptr<DiffTarget> FakeDriver::begin(const LayerId& id) {
  mkdir_at(home_.get(), id.str(), 0755);
  mkdir_at(home_.get(), id.str() + "/diff", 0755);
  return std::make_unique<FakeTarget>(*this, id);
}

void FakeDriver::remove(const LayerId& id) { remove_tree_at(home_.get(), id.str()); }

Tree FakeDriver::tree(const LayerId& id) const {
  std::vector<Branch> branches;
  for (std::string next = id.str(); !next.empty(); next = read_file_at(home_.get(), next + "/parent"))
    branches.push_back({std::make_shared<const Fd>(open_dir(diff_path(LayerId(next)))), WhiteoutStyle::overlay});
  return Tree(std::move(branches));
}

int64_t FakeDriver::layer_size(const LayerId& id, int64_t content_bytes) const {
  if (!exists(id)) throw Error(Errc::not_found, "measuring '" + id.str() + "': no such layer");
  return content_bytes;
}

uint64_t FakeDriver::disk_usage(const LayerId& id) const {
  uint64_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(diff_path(id)))
    if (entry.is_regular_file() && !entry.is_symlink()) sum += entry.file_size();
  return sum;
}

void FakeDriver::mount(const LayerId& id, Access, const fs::path&) {
  throw Error(Errc::unsupported, "mounting '" + id.str() + "': the fake mounts nothing");
}

}  // namespace cairn::test
