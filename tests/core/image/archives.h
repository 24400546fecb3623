// Image archives for tests: members first, then packed the way a test wants them.
#pragma once

#include <string>
#include <vector>

#include "core/image/load.h"
#include "tests/support/tar_builder.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {

using Members = std::vector<RawEntry>;

RawEntry member(const std::string& name, const std::string& content);
RawEntry link_member(const std::string& name, const std::string& target, char type = '2');
void append(Members& to, const Members& more);

// A layer with one file.
std::string layer_tar(const std::string& path, const std::string& content);
// The same, too large to be kept in memory by whoever reads a stream.
std::string large_layer_tar(const std::string& path, char fill);
std::string gzip(const std::string& bytes);
std::string diff_id(const std::string& tar);  // "sha256:…"

std::string image_config(const std::vector<std::string>& layer_tars, const std::string& extra = R"("os":"linux")");
// One item of manifest.json with its configuration and layers NAME/layer.tar.
struct DockerImage {
  std::string config;
  std::vector<std::pair<std::string, std::string>> layers;  // name, bytes
  std::vector<std::string> tags;
  std::string parent;
};
Members docker_archive(const std::vector<DockerImage>& images);
std::string manifest_json(const std::vector<DockerImage>& images);

// Blobs of an OCI layout; the functions return the descriptor.
std::string add_blob(Members& layout, const std::string& bytes, const std::string& rest = "");
std::string add_oci_image(Members& layout, const std::string& config, const std::vector<std::string>& blobs,
                          const std::string& rest = "");
std::string index_json(const std::vector<std::string>& descriptors);
std::string named(const std::string& name);  // a descriptor's `rest`: annotations with a ref name

std::string tar_of(const Members& members);
enum class Packing { file, gzip, pipe, directory };
LoadInput pack(const Members& members, Packing packing, const TempDir& dir);

}  // namespace cairn::test
