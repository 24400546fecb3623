#include "core/image/sources/tar_archive.h"

#include <algorithm>
#include <set>

#include "core/archive/tar_header.h"
#include "core/util/error.h"

namespace cairn {

std::unique_ptr<TarArchive> TarArchive::open_file(Fd fd, uint64_t offset, LayerStore& layers) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) throw_errno("asking for the size of the archive");
  std::unique_ptr<TarArchive> archive(new TarArchive(std::move(fd), layers));
  return archive->index(offset, static_cast<uint64_t>(st.st_size)) ? std::move(archive) : nullptr;
}

// A reader for every header: contents need not pass through it.
bool TarArchive::index(uint64_t offset, uint64_t file_size) {
  const uint64_t start = offset;
  while (offset < file_size) {
    const auto source = read_range(fd_.get(), offset, file_size - offset);
    TarReader reader(*source);
    const TarEntry* entry =
        while_doing([&] { return "indexing the archive at byte " + std::to_string(offset - start); },
                    [&] { return reader.next(); });
    if (!entry) return true;
    if (entry->sparse) return false;
    const uint64_t content = offset + reader.stream_bytes();
    const bool has_content = entry->type == TarType::file || entry->type == TarType::other;
    const uint64_t size = has_content ? entry->size : 0;
    if (size > file_size - std::min(content, file_size))
      throw Error(Errc::corrupt, "reading '" + printable(entry->name) + "': unexpected EOF, the archive is cut off");
    check_member_count(files_.size() + links_.size());
    add(*entry, content);
    const uint64_t used = content + size - start;
    offset = start + (used + kTarBlock - 1) / kTarBlock * kTarBlock;
  }
  return true;
}

void TarArchive::add(const TarEntry& entry, uint64_t offset) {
  const std::string name = member_name(entry.name);
  if (entry.type == TarType::file) {
    links_.forget(name);
    files_[name] = {offset, entry.size};
  } else if (entry.type == TarType::symlink || entry.type == TarType::hard_link) {
    links_.add(entry);
  }
}

const TarArchive::Extent* TarArchive::find(const std::string& member) const {
  const auto file = files_.find(links_.resolve(member));
  return file == files_.end() ? nullptr : &file->second;
}

std::optional<std::string> TarArchive::text(const std::string& member) const {
  const auto source = open(member);
  if (!source) return std::nullopt;
  return while_doing([&] { return "reading '" + printable(member) + "'"; },
                     [&] { return read_all(*source, kMaxText); });
}

std::vector<std::string> TarArchive::directories() const {
  std::set<std::string> names;
  for (const auto& [name, extent] : files_)
    if (const size_t slash = name.find('/'); slash != std::string::npos) names.insert(name.substr(0, slash));
  return {names.begin(), names.end()};
}

uint64_t TarArchive::size_of(const std::string& member) const {
  const auto* extent = find(member);
  return extent ? extent->size : 0;
}

std::unique_ptr<ByteSource> TarArchive::open(const std::string& member) const {
  const auto* extent = find(member);
  return extent ? read_range(fd_.get(), extent->offset, extent->size) : nullptr;
}

}  // namespace cairn
