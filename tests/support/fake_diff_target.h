// The simplest DiffTarget: a plain directory with overlay's marks, which a Tree of style overlay reads back.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"

namespace cairn::test {

class FakeDiffTarget : public DiffTarget {
 public:
  explicit FakeDiffTarget(const std::filesystem::path& directory);  // made if missing
  int root_fd() const override { return root_.get(); }
  void hide(int dir_fd, const std::string& name) override;  // char device 0/0
  void make_opaque(int dir_fd) override;                    // trusted.overlay.opaque=y
  void finish(const std::optional<LayerId>&, const std::vector<std::string>&) override {}

 private:
  Fd root_;
};

// A tree of plain directories with overlay's marks, uppermost first.
Tree overlay_tree(const std::vector<std::filesystem::path>& branches);
Tree plain_tree(const std::filesystem::path& directory);

}  // namespace cairn::test
