// The simplest driver that keeps Driver's contract: ROOT/fake/ID/{diff,parent}, merged in user space. It mounts
// nothing.
#pragma once

#include <filesystem>

#include "core/interfaces/driver.h"

namespace cairn::test {

class FakeDriver : public Driver {
 public:
  explicit FakeDriver(const std::filesystem::path& root);  // makes root/fake

  std::string_view name() const noexcept override { return "fake"; }
  DriverStatus probe() const override;
  bool layers_stand_alone() const noexcept override { return false; }
  bool exists(const LayerId& id) const override;  // finished ones
  std::vector<LayerId> list() const override;
  void create(const LayerId& id, const std::optional<LayerId>& parent) override { begin(id)->finish(parent, {"."}); }
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  void remove(const LayerId& id) override;
  Tree tree(const LayerId& id) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;  // Σ st_size of regular files, each name
  void mount(const LayerId& id, Access access, const std::filesystem::path& target) override;  // unsupported
  int home_fd() const override { return home_.get(); }

  std::filesystem::path diff_path(const LayerId& id) const { return home_path_ / id.str() / "diff"; }

 private:
  std::filesystem::path home_path_;
  Fd home_;
};

}  // namespace cairn::test
