#include "graphdb/imagedb/imagedb.h"

#include <unistd.h>

#include "core/util/error.h"
#include "core/util/ids.h"
#include "core/util/replace_file.h"
#include "graphdb/util/files.h"

namespace cairn {

static constexpr const char* kParent = "parent";

std::vector<ImageId> ImageDb::list() const {
  std::vector<ImageId> out;
  const auto dir = place_.try_dir(place_.image("imagedb/content/sha256"));
  if (!dir) return out;
  for (const auto& name : list_dir(dir->get()))
    if (const auto digest = Digest::from_hex(name)) out.emplace_back(*digest);
  return out;
}

std::string ImageDb::config(const ImageId& id) const {
  const auto root = place_.try_root_fd();
  auto text = root ? try_read_regular_at(*root, content(id.hex())) : std::nullopt;
  if (!text) throw Error(Errc::not_found, "reading image '" + id.str() + "': there is no such image");
  if (Digest::of(*text) != id.value)
    throw Error(Errc::corrupt, "reading image '" + id.str() + "': the configuration's bytes have another hash; '" +
                                   content(id.hex()) + "' is damaged, load or pull the image again");
  return std::move(*text);
}

ImageId ImageDb::put(const std::string& config) {
  if (config.empty()) throw Error(Errc::invalid, "storing an image: its configuration is empty");
  const ImageId id(Digest::of(config));
  const int root = place_.root_fd();
  const auto st = stat_at(root, content(id.hex()));
  if (st && S_ISREG(st->st_mode) && try_read_regular_at(root, content(id.hex())) == config) return id;
  while_doing([&] { return "storing image '" + id.str() + "'"; },
              [&] { replace_file_at(root, content(id.hex()), config, 0600); });
  return id;
}

std::optional<ImageId> ImageDb::parent(const ImageId& id) const {
  const auto root = place_.try_root_fd();
  const auto text = root ? try_read_regular_at(*root, metadata(id.hex()) + "/parent", 4096) : std::nullopt;
  return text ? ImageId::parse(*text) : std::nullopt;
}

void ImageDb::set_parent(const ImageId& id, const ImageId& parent) {
  while_doing([&] { return "naming a parent of image '" + id.str() + "'"; },
              [&] {
                config(id);
                put_beside(id, kParent, parent.str());
              });
}

void ImageDb::put_beside(const ImageId& id, const std::string& name, const std::string& content) {
  const int root = place_.root_fd();
  if (try_read_regular_at(root, metadata(id.hex()) + "/" + name) == content) return;
  if (ensure_dir_at(root, metadata(id.hex()), 0700))
    fsync_fd(place_.dir(metadata("")).get(), "imagedb/metadata/sha256");
  replace_file_at(root, metadata(id.hex()) + "/" + name, content, 0600);
}

std::map<std::string, std::string> ImageDb::notes(const ImageId& id) const {
  std::map<std::string, std::string> out;
  const auto dir = place_.try_dir(metadata(id.hex()));
  if (!dir) return out;
  for (const auto& name : list_dir(dir->get())) {
    const auto st = stat_at(dir->get(), name);
    if (name != kParent && valid_name(name) && st && S_ISREG(st->st_mode))
      out.emplace(name, read_regular_at(dir->get(), name, 4096));
  }
  return out;
}

void ImageDb::put_note(const ImageId& id, const std::string& name, const std::string& content) {
  while_doing([&] { return "noting '" + printable(name) + "' of image '" + id.str() + "'"; },
              [&] {
                if (!valid_name(name) || name == kParent) throw Error(Errc::invalid, "no engine has such a note");
                put_beside(id, name, content);
              });
}

void ImageDb::remove(const ImageId& id) {
  const Fd contents = place_.dir(content(""));
  if (::unlinkat(contents.get(), id.hex().c_str(), 0) != 0 && errno != ENOENT)
    throw_errno("removing image '" + id.str() + "'");
  fsync_fd(contents.get(), "imagedb/content/sha256");
  const Fd notes = place_.dir(metadata(""));
  remove_tree_at(notes.get(), id.hex());
  for (const auto& name : list_dir(notes.get())) {
    if (!is_hex64(name)) continue;
    const std::string file = name + "/parent";
    if (try_read_regular_at(notes.get(), file, 4096) == id.str() && ::unlinkat(notes.get(), file.c_str(), 0) != 0)
      throw_errno("removing the parent of image 'sha256:" + name + "'");
  }
}

}  // namespace cairn
