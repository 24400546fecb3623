#include "tests/core/image/archives.h"

#include <unistd.h>

#include <filesystem>
#include <thread>

#include "core/archive/compression.h"
#include "core/util/error.h"

namespace cairn::test {

namespace fs = std::filesystem;

RawEntry member(const std::string& name, const std::string& content) {
  RawEntry out;
  out.name = name;
  out.content = content;
  return out;
}

RawEntry link_member(const std::string& name, const std::string& target, char type) {
  RawEntry out;
  out.name = name;
  out.type = type;
  out.link = target;
  return out;
}

void append(Members& to, const Members& more) { to.insert(to.end(), more.begin(), more.end()); }

std::string layer_tar(const std::string& path, const std::string& content) {
  return TarBuilder().file(path, content).str();
}

std::string large_layer_tar(const std::string& path, char fill) { return layer_tar(path, std::string(100'000, fill)); }

std::string gzip(const std::string& bytes) {
  StringSink out;
  GzipSink packed(out);
  packed.write(bytes);
  packed.finish();
  return out.text;
}

std::string diff_id(const std::string& tar) { return Digest::of(tar).str(); }

static std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& element : list) out += (out.empty() ? "" : ",") + element;
  return out;
}

static std::string quoted(const std::string& text) { return '"' + text + '"'; }

std::string image_config(const std::vector<std::string>& layer_tars, const std::string& extra) {
  std::vector<std::string> ids;
  for (const auto& tar : layer_tars) ids.push_back(quoted(diff_id(tar)));
  return "{" + extra + R"(,"rootfs":{"type":"layers","diff_ids":[)" + joined(ids) + "]}}";
}

static std::string config_name(const DockerImage& image) { return Digest::of(image.config).hex() + ".json"; }

std::string manifest_json(const std::vector<DockerImage>& images) {
  std::vector<std::string> items;
  for (const auto& image : images) {
    std::vector<std::string> tags, layers;
    for (const auto& tag : image.tags) tags.push_back(quoted(tag));
    for (const auto& layer : image.layers) layers.push_back(quoted(layer.first + "/layer.tar"));
    items.push_back("{\"Config\":" + quoted(config_name(image)) +
                    ",\"RepoTags\":" + (tags.empty() ? "null" : "[" + joined(tags) + "]") + ",\"Layers\":[" +
                    joined(layers) + "]" + (image.parent.empty() ? "" : ",\"Parent\":" + quoted(image.parent)) + "}");
  }
  return "[" + joined(items) + "]\n";
}

Members docker_archive(const std::vector<DockerImage>& images) {
  Members out;
  for (const auto& image : images) {
    for (const auto& [name, bytes] : image.layers)
      if (!bytes.empty()) out.push_back(member(name + "/layer.tar", bytes));
    out.push_back(member(config_name(image), image.config));
  }
  out.push_back(member("manifest.json", manifest_json(images)));
  return out;
}

std::string add_blob(Members& layout, const std::string& bytes, const std::string& rest) {
  const Digest digest = Digest::of(bytes);
  layout.push_back(member("blobs/sha256/" + digest.hex(), bytes));
  return R"({"digest":")" + digest.str() + R"(","size":)" + std::to_string(bytes.size()) + rest + "}";
}

std::string add_oci_image(Members& layout, const std::string& config, const std::vector<std::string>& blobs,
                          const std::string& rest) {
  std::vector<std::string> layers;
  for (const auto& blob : blobs) layers.push_back(add_blob(layout, blob));
  const auto config_descriptor = add_blob(layout, config);
  return add_blob(
      layout, R"({"schemaVersion":2,"config":)" + config_descriptor + R"(,"layers":[)" + joined(layers) + "]}", rest);
}

std::string index_json(const std::vector<std::string>& descriptors) {
  return R"({"schemaVersion":2,"manifests":[)" + joined(descriptors) + "]}";
}

std::string named(const std::string& name) {
  return R"(,"annotations":{"org.opencontainers.image.ref.name":")" + name + "\"}";
}

std::string tar_of(const Members& members) {
  TarBuilder tar;
  for (const auto& entry : members) tar.add(entry);
  return tar.str();
}

static void unpack(const Members& members, const fs::path& into) {
  fs::create_directories(into);
  for (const auto& entry : members) {
    const fs::path path = into / entry.name;
    fs::create_directories(path.parent_path());
    if (entry.type == '0') write_file(path, entry.content);
    if (entry.type == '1') fs::create_hard_link(into / entry.link, path);
    if (entry.type == '2') fs::create_symlink(entry.link, path);
  }
}

// A thread feeds the pipe; a reader that stops early ends it.
static Fd pipe_of(std::string bytes) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("making a pipe");
  std::thread([fd = Fd(ends[1]), bytes = std::move(bytes)] {
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
      if (n <= 0) return;
      done += static_cast<size_t>(n);
    }
  }).detach();
  return Fd(ends[0]);
}

LoadInput pack(const Members& members, Packing packing, const TempDir& dir) {
  const fs::path path = dir / ("archive-" + std::to_string(static_cast<int>(packing)));
  fs::remove_all(path);
  switch (packing) {
    case Packing::pipe:
      return {pipe_of(tar_of(members)), "a pipe"};
    case Packing::directory:
      unpack(members, path);
      break;
    case Packing::file:
      write_file(path, tar_of(members));
      break;
    case Packing::gzip:
      write_file(path, gzip(tar_of(members)));
      break;
  }
  return open_load_input(path);
}

}  // namespace cairn::test
