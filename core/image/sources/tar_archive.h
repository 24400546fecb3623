// A plain tar in a file: an index of its members is made first, contents are read where they lie.
#pragma once

#include <map>

#include "core/image/sources/archive.h"
#include "core/image/sources/member_links.h"

namespace cairn {

class TarArchive : public RandomArchive {
 public:
  // The archive begins at `offset`. nullptr if members do not lie there in one piece (sparse files).
  static std::unique_ptr<TarArchive> open_file(Fd fd, uint64_t offset, LayerStore& layers);

  std::optional<std::string> text(const std::string& member) const override;
  std::vector<std::string> directories() const override;
  uint64_t size_of(const std::string& member) const override;

 protected:
  std::unique_ptr<ByteSource> open(const std::string& member) const override;

 private:
  struct Extent {
    uint64_t offset, size;
  };
  TarArchive(Fd fd, LayerStore& layers) : RandomArchive(layers), fd_(std::move(fd)) {}
  bool index(uint64_t offset, uint64_t file_size);
  void add(const TarEntry& entry, uint64_t offset);
  const Extent* find(const std::string& member) const;

  Fd fd_;
  std::map<std::string, Extent> files_;
  MemberLinks links_;
};

}  // namespace cairn
