// A thin pool's metadata as the kernel's dm-thin writes it, read without the kernel: which blocks of the pool's data
// make up each thin device. Nothing in it is trusted: blocks are checked for their checksum and their own number, keys
// for their order, and no tree is deeper or larger than the file allows. What is damaged is Errc::corrupt for the
// devices whose trees lead there, and for no other.
//
// Format: blocks of 4096 bytes, little-endian. Block 0 is the superblock, with the roots of two B-trees: device id ->
// details, and device id -> root of the device's own B-tree, thin block -> data block.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/util/fd.h"

namespace cairn::devicemapper {

struct ThinDevice {
  uint64_t mapped_blocks = 0, transaction_id = 0;
  uint32_t creation_time = 0, snapshot_time = 0;  // the pool's own clock: the number of snapshots made
};

struct ThinRun {  // in blocks of the pool
  uint64_t at = 0, data = 0, blocks = 0;
};

class ThinMetadata {
 public:
  explicit ThinMetadata(const Fd& fd);  // a file or a block device, which outlives this

  uint64_t transaction_id() const { return transaction_id_; }
  uint64_t block_bytes() const { return block_bytes_; }  // of the pool's data
  bool needs_check() const { return needs_check_; }      // the kernel met damage; what can be read is read

  std::optional<ThinDevice> device(uint64_t id) const;
  // All that is mapped of a device, ascending; nothing for one that the pool does not have.
  void each_run(uint64_t id, const std::function<void(const ThinRun&)>& take) const;
  std::optional<uint64_t> data_block(uint64_t id, uint64_t at) const;

 private:
  using Block = std::array<unsigned char, 4096>;
  struct Range {
    uint64_t first, last;  // of keys, both included
  };
  struct Node;
  struct Walk;
  static constexpr Range kAll{0, ~uint64_t{0}};
  Block read(uint64_t number, uint32_t salt) const;
  Node node(uint64_t number, uint32_t value_size, Range keys) const;
  std::optional<Node> leaf_with(uint64_t key, uint64_t root, uint32_t value_size, size_t& entry) const;
  void walk(uint64_t number, Range keys, int depth, Walk& walk) const;
  std::optional<uint64_t> mappings_of(uint64_t id) const;

  int fd_;
  uint64_t blocks_ = 0, transaction_id_ = 0, block_bytes_ = 0, mappings_ = 0, details_ = 0;
  bool needs_check_ = false;
};

}  // namespace cairn::devicemapper
