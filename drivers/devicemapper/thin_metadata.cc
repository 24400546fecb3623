#include "drivers/devicemapper/thin_metadata.h"

#include <isa-l/crc.h>
#include <unistd.h>

#include <cstring>

#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "drivers/devicemapper/names.h"

namespace cairn::devicemapper {

static constexpr uint32_t kSuperblockSalt = 160774, kNodeSalt = 121107;
static constexpr uint32_t kMappingSize = 8, kDetailsSize = 24;
static constexpr int kDeepest = 16;  // twice what fills the largest metadata there can be

[[noreturn]] static void damaged(uint64_t block, const std::string& why) {
  throw Error(Errc::corrupt, "block " + std::to_string(block) + " of the pool's metadata " + why);
}

template <typename Number>
static Number number_at(const unsigned char* at) {
  Number out = 0;
  for (size_t i = sizeof(Number); i-- > 0;) out = static_cast<Number>(out << 8 | at[i]);
  return out;
}

// A node of a B-tree, checked: `entries` keys, and as many values of `value_size` bytes (of 8, block numbers, unless a
// leaf).
struct ThinMetadata::Node {
  Block block;
  uint64_t number = 0;
  Range keys;
  bool leaf = false;
  size_t entries = 0, max_entries = 0, value_size = 0;

  static constexpr size_t kHeader = 32;
  uint64_t key(size_t i) const { return number_at<uint64_t>(&block[kHeader + 8 * i]); }
  const unsigned char* value(size_t i) const { return &block[kHeader + 8 * max_entries + value_size * i]; }
  Range below(size_t i) const { return {key(i), i + 1 < entries ? key(i + 1) - 1 : keys.last}; }
};

struct ThinMetadata::Walk {
  const std::function<void(const ThinRun&)>& take;
  uint64_t blocks_left;  // a tree has no block twice
  ThinRun run;

  void add(uint64_t at, uint64_t data) {
    if (run.blocks > 0 && at == run.at + run.blocks && data == run.data + run.blocks) {
      ++run.blocks;
      return;
    }
    flush();
    run = {at, data, 1};
  }
  void flush() const {
    if (run.blocks > 0) take(run);
  }
};

ThinMetadata::ThinMetadata(const Fd& fd) : fd_(fd.get()) {
  constexpr uint64_t kMagic = 27022010;
  constexpr uint32_t kNeedsCheck = 1, kMetadataBlock = 8, kLargestBlock = 1 << 21;  // sectors
  const off_t bytes = ::lseek(fd_, 0, SEEK_END);
  if (bytes < 0) throw_errno("reading the size of the pool's metadata");
  blocks_ = static_cast<uint64_t>(bytes) / sizeof(Block);
  const Block block = read(0, kSuperblockSalt);
  if (number_at<uint64_t>(&block[32]) != kMagic) damaged(0, "is no superblock of a thin pool");
  if (number_at<uint32_t>(&block[340]) != kMetadataBlock) damaged(0, "names another block size than 4096");
  if (number_at<uint32_t>(&block[360]) != 0)
    throw Error(Errc::unsupported, "the pool's metadata has features that are not known here");
  const auto sectors = number_at<uint32_t>(&block[336]);
  if (sectors == 0 || sectors > kLargestBlock) damaged(0, "names data blocks of an impossible size");
  needs_check_ = (number_at<uint32_t>(&block[4]) & kNeedsCheck) != 0;
  transaction_id_ = number_at<uint64_t>(&block[48]);
  mappings_ = number_at<uint64_t>(&block[320]);
  details_ = number_at<uint64_t>(&block[328]);
  block_bytes_ = sectors * kSector;
}

// Both kinds of blocks begin with their checksum, 4 bytes of flags, and their own number.
ThinMetadata::Block ThinMetadata::read(uint64_t number, uint32_t salt) const {
  Block block;
  if (number >= blocks_) damaged(number, "is needed, but it has only " + std::to_string(blocks_));
  for (size_t have = 0; have < block.size();) {
    const ssize_t n = ::pread(fd_, &block[have], block.size() - have, static_cast<off_t>(number * block.size() + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("reading block " + std::to_string(number) + " of the pool's metadata");
    if (n == 0) damaged(number, "is cut off");
    have += static_cast<size_t>(n);
  }
  const uint32_t sum = crc32_iscsi(&block[4], static_cast<int>(block.size() - 4), ~0u) ^ salt;
  if (sum != number_at<uint32_t>(block.data())) damaged(number, "has a wrong checksum; 'thin_check' says more");
  if (number_at<uint64_t>(&block[8]) != number) damaged(number, "is one that belongs elsewhere");
  return block;
}

ThinMetadata::Node ThinMetadata::node(uint64_t number, uint32_t value_size, Range keys) const {
  constexpr uint32_t kInternal = 1, kLeaf = 2;
  Node out{read(number, kNodeSalt), number, keys};
  const auto flags = number_at<uint32_t>(&out.block[4]);
  out.leaf = flags == kLeaf;
  out.entries = number_at<uint32_t>(&out.block[16]);
  out.max_entries = number_at<uint32_t>(&out.block[20]);
  out.value_size = number_at<uint32_t>(&out.block[24]);
  if (!out.leaf && flags != kInternal) damaged(number, "is no node of a tree");
  if (out.value_size != (out.leaf ? value_size : sizeof number)) damaged(number, "is a node of another tree");
  if (out.entries > out.max_entries || out.max_entries > (sizeof(Block) - Node::kHeader) / (8 + out.value_size))
    damaged(number, "has more entries than fit in it");
  for (size_t i = 0; i < out.entries; ++i) {
    const uint64_t key = out.key(i);
    if (key < keys.first || key > keys.last || (i > 0 && key <= out.key(i - 1)))
      damaged(number, "has keys out of order");
  }
  return out;
}

// The leaf with `key`, which is its `entry`.
std::optional<ThinMetadata::Node> ThinMetadata::leaf_with(uint64_t key, uint64_t root, uint32_t value_size,
                                                          size_t& entry) const {
  Range keys = kAll;
  for (int depth = 0; depth < kDeepest; ++depth) {
    const Node at = node(root, value_size, keys);
    size_t after = 0;
    while (after < at.entries && at.key(after) <= key) ++after;
    if (after == 0) return std::nullopt;
    entry = after - 1;
    if (at.leaf) return at.key(entry) == key ? std::optional(at) : std::nullopt;
    keys = at.below(entry);
    root = number_at<uint64_t>(at.value(entry));
  }
  damaged(root, "lies deeper in a tree than can be");
}

std::optional<ThinDevice> ThinMetadata::device(uint64_t id) const {
  size_t entry = 0;
  const auto leaf = leaf_with(id, details_, kDetailsSize, entry);
  if (!leaf) return std::nullopt;
  const unsigned char* value = leaf->value(entry);
  return ThinDevice{number_at<uint64_t>(value), number_at<uint64_t>(value + 8), number_at<uint32_t>(value + 16),
                    number_at<uint32_t>(value + 20)};
}

std::optional<uint64_t> ThinMetadata::mappings_of(uint64_t id) const {
  size_t entry = 0;
  const auto leaf = leaf_with(id, mappings_, kMappingSize, entry);
  return leaf ? std::optional(number_at<uint64_t>(leaf->value(entry))) : std::nullopt;
}

// Of a mapping, the lower bits are the time it was made.
static uint64_t data_of(const unsigned char* mapping) { return number_at<uint64_t>(mapping) >> 24; }

std::optional<uint64_t> ThinMetadata::data_block(uint64_t id, uint64_t at) const {
  const auto root = mappings_of(id);
  size_t entry = 0;
  const auto leaf = root ? leaf_with(at, *root, kMappingSize, entry) : std::nullopt;
  return leaf ? std::optional(data_of(leaf->value(entry))) : std::nullopt;
}

void ThinMetadata::each_run(uint64_t id, const std::function<void(const ThinRun&)>& take) const {
  const auto root = mappings_of(id);
  if (!root) return;
  Walk all{take, blocks_, {}};
  walk(*root, kAll, 0, all);
  all.flush();
}

void ThinMetadata::walk(uint64_t number, Range keys, int depth, Walk& walk) const {
  check_interrupt();
  if (depth == kDeepest || walk.blocks_left == 0) damaged(number, "is part of a tree that leads back into itself");
  --walk.blocks_left;
  const Node at = node(number, kMappingSize, keys);
  for (size_t i = 0; i < at.entries; ++i) {
    if (at.leaf)
      walk.add(at.key(i), data_of(at.value(i)));
    else
      this->walk(number_at<uint64_t>(at.value(i)), at.below(i), depth + 1, walk);
  }
}

}  // namespace cairn::devicemapper
