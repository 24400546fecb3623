#include <unistd.h>

#include "core/archive/apply.h"
#include "core/archive/attributes.h"
#include "core/archive/changes.h"
#include "core/archive/layer_dirs.h"
#include "core/util/error.h"

namespace cairn {
namespace {

// Gives a directory back the times that its layer set, after a name was put into it.
class KeptTimes {
 public:
  explicit KeptTimes(std::shared_ptr<const LayerDir> dir) : dir_(std::move(dir)) {
    if (::fstat(dir_->fd.get(), &st_) != 0) throw_errno("reading the status of '" + printable(dir_->path) + "'");
  }
  void restore() const { set_times({dir_->fd.get(), ".", dir_->fd.get()}, st_.st_atim, st_.st_mtim); }

 private:
  std::shared_ptr<const LayerDir> dir_;
  struct stat st_;
};

class ParentLinker {
 public:
  ParentLinker(const Tree& below, DiffTarget& target)
      : below_(below), target_(target), dirs_(target.root_fd(), [](const std::string&) {}) {}
  void link(const DeferredLink& link);

 private:
  std::shared_ptr<const LayerDir> folder(const std::string& path);
  void copy_up(const std::string& path);

  const Tree& below_;
  DiffTarget& target_;
  LayerDirs dirs_;
};

// The directory that `path` lies in; nullptr where the layer has none.
std::shared_ptr<const LayerDir> ParentLinker::folder(const std::string& path) {
  std::string missing;
  auto dir = dirs_.open_existing(folder_of(path), &missing);
  if ((dir ? dir->path : missing) != folder_of(path))
    throw Error(Errc::invalid, "a directory on the way to '" + printable(path) + "' became a symbolic link");
  return dir;
}

void ParentLinker::link(const DeferredLink& link) {
  const auto to = folder(link.name);
  if (!to) throw Error(Errc::invalid, "its directory is not in the layer");
  const KeptTimes times_of_to(to);
  auto from = folder(link.target);
  const auto times_of_from = from ? std::optional<KeptTimes>(from) : std::nullopt;
  if (!from || !exists_at(from->fd.get(), base_of(link.target))) copy_up(link.target);
  if (!from) from = folder(link.target);
  if (::linkat(from->fd.get(), base_of(link.target).c_str(), to->fd.get(), base_of(link.name).c_str(), 0) != 0)
    throw_errno("making the link");
  if (times_of_from) times_of_from->restore();
  times_of_to.restore();
}

void ParentLinker::copy_up(const std::string& path) {
  const auto node = below_.empty() ? std::nullopt : below_.find(path);
  if (!node || node->is_dir())
    throw Error(Errc::invalid, "neither this layer nor its parents have the target as a file");
  std::vector<Change> changes;
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
    if (!dirs_.open_existing(path.substr(0, slash)))
      changes.push_back({ChangeKind::modified, "/" + path.substr(0, slash)});
  changes.push_back({ChangeKind::modified, "/" + path});
  apply_tree(below_, changes, target_, Links::none, Root::leave);
}

}  // namespace

void link_parents_files(const Tree& below, const std::vector<DeferredLink>& links, DiffTarget& target) {
  ParentLinker linker(below, target);
  for (const auto& link : links)
    while_doing([&] { return "linking '" + printable(link.name) + "' to '" + printable(link.target) + "'"; },
                [&] { linker.link(link); });
}

}  // namespace cairn
