// An unpacked archive: an OCI layout's directory, or what `tar -x` made of a docker-archive.
#pragma once

#include "core/image/sources/archive.h"

namespace cairn {

class DirectoryArchive : public RandomArchive {
 public:
  DirectoryArchive(Fd dir, LayerStore& layers) : RandomArchive(layers), dir_(std::move(dir)) {}

  std::optional<std::string> text(const std::string& member) const override;
  std::vector<std::string> directories() const override;
  uint64_t size_of(const std::string& member) const override;

 protected:
  std::unique_ptr<ByteSource> open(const std::string& member) const override;

 private:
  std::optional<Fd> find(const std::string& member) const;  // a regular file
  Fd dir_;
};

}  // namespace cairn
