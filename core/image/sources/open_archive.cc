#include "core/image/sources/open_archive.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/archive/compression.h"
#include "core/image/sources/directory_archive.h"
#include "core/image/sources/tar_archive.h"
#include "core/util/error.h"

namespace cairn {

static bool is_compressed(int fd, uint64_t offset, uint64_t file_size) {
  std::array<char, 10> head;
  const uint64_t left = file_size - std::min(offset, file_size);
  const size_t n = read_full(*read_range(fd, offset, std::min<uint64_t>(head.size(), left)), head);
  return detect_compression({head.data(), n}) != Compression::none;
}

std::unique_ptr<Archive> open_random_archive(LoadInput& input, LayerStore& layers) {
  struct stat st;
  if (::fstat(input.fd.get(), &st) != 0) throw_errno("asking what it is");
  if (S_ISDIR(st.st_mode)) return std::make_unique<DirectoryArchive>(std::move(input.fd), layers);
  if (!S_ISREG(st.st_mode)) return nullptr;
  const off_t at = ::lseek(input.fd.get(), 0, SEEK_CUR);
  if (at < 0) throw_errno("asking for its offset");
  const auto offset = static_cast<uint64_t>(at);
  if (is_compressed(input.fd.get(), offset, static_cast<uint64_t>(st.st_size))) return nullptr;
  return TarArchive::open_file(dup_fd(input.fd.get()), offset, layers);
}

}  // namespace cairn
