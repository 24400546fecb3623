#include "graphdb/layerdb/transaction.h"

#include "core/util/error.h"
#include "graphdb/layerdb/record.h"
#include "graphdb/util/files.h"

namespace cairn {

DiskTransaction::DiskTransaction(int layerdb_fd, const std::vector<LayerId>& driver_ids)
    : layerdb_(dup_fd(layerdb_fd)), set_(std::in_place, layerdb_fd, driver_ids) {
  make_layer();
}

DiskTransaction::DiskTransaction(int layerdb_fd, WriteSet claimed)
    : layerdb_(dup_fd(layerdb_fd)), set_(std::move(claimed)) {
  if (auto dir = try_open_at(set_->fd(), "layer", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) layer_ = std::move(*dir);
}

void DiskTransaction::make_layer() {
  mkdir_at(set_->fd(), "layer", 0700);
  layer_ = open_dir_at(set_->fd(), "layer");
}

void DiskTransaction::restart(const std::vector<LayerId>& driver_ids) {
  tar_split_.reset();
  set_->keep_no_more();
  remove_tree_at(set_->fd(), "layer");
  set_->intend(driver_ids);
  make_layer();
}

void DiskTransaction::keep(const std::string& content) { set_->keep(content); }
void DiskTransaction::keep_no_more() { set_->keep_no_more(); }

ByteSink& DiskTransaction::tar_split() {
  if (!tar_split_) {
    create_file_at(layer_.get(), "tar-split.json.gz", "", 0644);
    tar_split_fd_ = open_at(layer_.get(), "tar-split.json.gz", O_WRONLY | O_NOFOLLOW);
    tar_split_.emplace(tar_split_fd_.get());
  }
  return *tar_split_;
}

void DiskTransaction::prepare(const LayerRecord& record) {
  if (record_) throw Error(Errc::invalid, "preparing layer '" + record.chain.str() + "': that was done before");
  write_layer(layer_.get(), record);
  record_ = record;
}

static bool is_sound(int sha256_fd, const LayerRecord& wanted) {
  try {
    const auto found = read_layer(sha256_fd, wanted.chain);
    return found && found->diff == wanted.diff && found->parent == wanted.parent;
  } catch (const BadRecord&) {
    return false;
  }
}

bool DiskTransaction::publish() {
  if (!set_ || !record_) throw Error(Errc::invalid, "publishing a layer: it was not prepared, or is published already");
  tar_split_fd_.reset();
  set_->keep_no_more();
  const Fd sha256 = open_dir_at(layerdb_.get(), "sha256");
  const std::string name = record_->chain.hex();
  if (exists_at(sha256.get(), name)) {
    if (is_sound(sha256.get(), *record_)) {
      set_.reset();
      return false;
    }
    rename_at(sha256.get(), name, set_->fd(), "replaced", "layerdb/sha256/" + name);
  }
  rename_at(set_->fd(), "layer", sha256.get(), name, "layerdb/sha256/" + name);
  set_.reset();
  return true;
}

}  // namespace cairn
