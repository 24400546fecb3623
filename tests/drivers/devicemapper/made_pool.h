// A thin pool made without the kernel: metadata by thin_restore, from what a test says, and data block by block.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace cairn::devicemapper {

class MadePool {
 public:
  using Mappings = std::map<uint64_t, uint64_t>;  // thin block -> data block

  explicit MadePool(uint64_t block_bytes = 64 << 10) : block_bytes_(block_bytes) {}
  uint64_t block_bytes() const { return block_bytes_; }
  std::map<uint64_t, Mappings>& devices() { return devices_; }

  // The blocks of `image` that are not zero, scattered over `data`, become a device.
  void add(uint64_t device, const std::filesystem::path& image, const std::filesystem::path& data);
  // Throws Errc::unsupported where thin_restore is not installed.
  void write_metadata(const std::filesystem::path& file) const;

 private:
  uint64_t block_bytes_, next_ = 0;
  std::map<uint64_t, Mappings> devices_;
};

// The blocks of a pool's metadata, to be damaged.
class MetadataFile {
 public:
  static constexpr size_t kBlock = 4096;
  explicit MetadataFile(const std::filesystem::path& file);
  void write(const std::filesystem::path& file) const;

  std::string bytes;
  uint64_t number(size_t at, size_t size = 8) const;
  void put(size_t at, uint64_t value, size_t size = 8);
  uint64_t root_of_devices() const { return number(320); }
  uint64_t root_of_details() const { return number(328); }
  static constexpr size_t key(uint64_t block, size_t i) { return block * kBlock + 32 + 8 * i; }
  size_t value(uint64_t block, size_t i) const {  // of 8 bytes
    return key(block, number(block * kBlock + 20, 4)) + 8 * i;
  }
  uint64_t root_of(uint64_t device) const;  // where the tree of devices has one level
  void seal(uint64_t block);                // a checksum that is right
  std::vector<uint64_t> nodes() const;      // all blocks that are nodes of trees
};

void run(const std::string& command);  // throws Errc::unsupported if it fails

}  // namespace cairn::devicemapper
