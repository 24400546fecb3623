// An aufs layer in the making: its entries go straight into diff/ID, which is no layer before layers/ID says so.
#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "drivers/aufs/driver.h"

namespace cairn::aufs {

class AufsTarget : public DiffTarget {
 public:
  AufsTarget(Aufs& driver, const LayerId& id);
  ~AufsTarget() override;
  int root_fd() const override { return diff_.get(); }
  // `.wh.NAME`, a further link to the layer's one empty file `.wh..wh.aufs`. Throws Errc::unsupported for a NAME of
  // more than 251 bytes: that name would not fit.
  void hide(int dir_fd, const std::string& name) override;
  void make_opaque(int dir_fd) override;  // `.wh..wh..opq`
  // Throws Errc::unsupported when the layer has other names beginning with `.wh.`: aufs would take them for whiteouts.
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  AufsTarget(Aufs& driver, const LayerId& id, Fd diff) : driver_(driver), id_(id), diff_(std::move(diff)) {}
  void mark(int dir_fd, const std::string& name);
  void make_mark(int dir_fd, const std::string& name);
  void refuse_forged_marks(int dir_fd, const std::string& path) const;
  void spell_out_opaque_root(const TreeNode& parent);
  std::vector<LayerId> lie_on(const LayerId& parent, const std::vector<std::string>& implied_dirs);

  Aufs& driver_;
  LayerId id_;
  Fd diff_;
  std::set<ino_t> marks_;  // inodes of all that hide() and make_opaque() made
  bool finished_ = false;
};

}  // namespace cairn::aufs
