#include "core/image/sources/text_archive.h"

#include "core/util/error.h"

namespace cairn {

TextArchive::TextArchive(ByteSource& outer) {
  TarReader tar(outer);
  uint64_t kept = 0;
  while (const TarEntry* entry = tar.next()) {
    check_member_count(texts_.size() + links_.size());
    if (entry->type == TarType::symlink || entry->type == TarType::hard_link) links_.add(*entry);
    if (entry->type != TarType::file) continue;
    const std::string name = member_name(entry->name);
    links_.forget(name);
    texts_.erase(name);
    if (entry->size > kMaxText) continue;
    std::string text(entry->size, '\0');
    size_t filled = 0;
    while (filled < text.size()) {
      const size_t n = tar.read(std::span(text).subspan(filled));
      if (n == 0) break;
      filled += n;
    }
    text.resize(filled);
    if (!looks_like_json(text)) continue;
    kept += text.size();
    check_kept_texts(kept);
    texts_.emplace(name, std::move(text));
  }
}

std::optional<std::string> TextArchive::text(const std::string& member) const {
  const auto found = texts_.find(links_.resolve(member));
  return found == texts_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<LayerRecord> TextArchive::register_layers(const std::optional<ChainId>&, const std::vector<ArchiveLayer>&) {
  throw Error(Errc::unsupported, "reading layers: only the archive's texts were kept");
}

}  // namespace cairn
