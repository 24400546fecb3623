#include "graphdb/layerdb/record.h"

#include "graphdb/util/files.h"

namespace cairn {

constexpr size_t kMaxText = 4096;
constexpr const char* kImage = "cairn-image";  // our own, beside what engines read

// Content of NAME/file; nullopt if absent. Engines trim everything but `size`.
static std::optional<std::string> read_text(int dir_fd, const std::string& name, const std::string& file) {
  const std::string path = name + "/" + file;
  std::optional<std::string> text;
  try {
    text = try_read_regular_at(dir_fd, path, kMaxText);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    throw BadRecord("layer-file-invalid", e.what());
  }
  if (text && trimmed(*text).empty())
    throw BadRecord("layer-file-empty", "reading '" + printable(path) + "': the file is empty");
  return text;
}

static std::string require_text(int dir_fd, const std::string& name, const std::string& file) {
  auto text = read_text(dir_fd, name, file);
  if (!text)
    throw BadRecord("layer-file-missing", "reading '" + printable(name + "/" + file) + "': there is no such file");
  return *text;
}

[[noreturn]] static void refuse(const std::string& name, const std::string& file, const std::string& text,
                                const std::string& wanted) {
  throw BadRecord("layer-file-invalid",
                  "reading '" + printable(name + "/" + file) + "': '" + printable(text, 80) + "' is no " + wanted);
}

template <typename Id>
static Id digest_in(const std::string& name, const std::string& file, const std::string& text) {
  const auto id = Id::parse(trimmed(text));
  if (!id) refuse(name, file, text, "sha256 digest");
  return *id;
}

static LayerId id_in(const std::string& name, const std::string& file, const std::string& text) {
  const std::string id = trimmed(text);
  if (!LayerId::valid(id)) refuse(name, file, text, "driver layer's name");
  return LayerId(id);
}

static bool directory_exists(int dir_fd, const std::string& name) {
  const auto st = stat_at(dir_fd, name);
  if (st && !S_ISDIR(st->st_mode))
    throw BadRecord("layer-unreadable", "reading '" + printable(name) + "': it is no directory");
  return st.has_value();
}

std::optional<LayerRecord> read_layer(int dir_fd, const ChainId& chain) {
  const std::string name = chain.hex();
  if (!directory_exists(dir_fd, name)) return std::nullopt;
  const auto diff = digest_in<DiffId>(name, "diff", require_text(dir_fd, name, "diff"));
  const std::string size_text = require_text(dir_fd, name, "size");
  const auto size = parse_int64(size_text);
  if (!size) refuse(name, "size", size_text, "decimal number");
  LayerRecord record{chain, diff, std::nullopt, id_in(name, "cache-id", require_text(dir_fd, name, "cache-id")), *size};
  if (const auto parent = read_text(dir_fd, name, "parent"))
    record.parent = digest_in<ChainId>(name, "parent", *parent);
  return record;
}

// The trimmed text of NAME/file; "" where it is absent or damaged.
static std::string text_left(int dir_fd, const std::string& name, const std::string& file) {
  try {
    return trimmed(read_text(dir_fd, name, file).value_or(""));
  } catch (const BadRecord&) {
    return "";
  }
}

std::optional<MountRecord> read_mount(int dir_fd, const std::string& name) {
  if (!valid_name(name) || !directory_exists(dir_fd, name)) return std::nullopt;
  MountRecord record{name, id_in(name, "mount-id", require_text(dir_fd, name, "mount-id")), std::nullopt, std::nullopt};
  if (const auto init = read_text(dir_fd, name, "init-id")) record.init_id = id_in(name, "init-id", *init);
  if (const auto parent = read_text(dir_fd, name, "parent"))
    record.parent = digest_in<ChainId>(name, "parent", *parent);
  record.image = ImageId::parse(text_left(dir_fd, name, kImage));  // damaged, it hides nothing an engine sees
  return record;
}

static std::optional<LayerId> id_left(int dir_fd, const std::string& name, const std::string& file) {
  const std::string text = text_left(dir_fd, name, file);
  return LayerId::valid(text) ? std::optional(LayerId(text)) : std::nullopt;
}

std::optional<LayerId> read_cache_id(int dir_fd, const std::string& name) { return id_left(dir_fd, name, "cache-id"); }

LayerRemains read_remains(int dir_fd, const ChainId& chain) {
  const std::string name = chain.hex();
  return {DiffId::parse(text_left(dir_fd, name, "diff")), ChainId::parse(text_left(dir_fd, name, "parent")),
          read_cache_id(dir_fd, name), parse_int64(text_left(dir_fd, name, "size"))};
}

MountRemains read_mount_remains(int dir_fd, const std::string& name) {
  if (!valid_name(name)) return {};
  return {id_left(dir_fd, name, "mount-id"), id_left(dir_fd, name, "init-id"),
          ChainId::parse(text_left(dir_fd, name, "parent"))};
}

void write_layer(int dir_fd, const LayerRecord& record) {
  create_file_at(dir_fd, "size", std::to_string(record.size), 0644);
  create_file_at(dir_fd, "diff", record.diff.str(), 0644);
  create_file_at(dir_fd, "cache-id", record.cache_id.str(), 0644);
  if (record.parent) create_file_at(dir_fd, "parent", record.parent->str(), 0644);
}

void write_mount(int dir_fd, const MountRecord& record) {
  create_file_at(dir_fd, "mount-id", record.mount_id.str(), 0644);
  if (record.init_id) create_file_at(dir_fd, "init-id", record.init_id->str(), 0644);
  if (record.parent) create_file_at(dir_fd, "parent", record.parent->str(), 0644);
  if (record.image) create_file_at(dir_fd, kImage, record.image->str(), 0644);
}

}  // namespace cairn
