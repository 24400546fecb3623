#include "core/archive/tar_sparse.h"

#include <algorithm>
#include <optional>

#include "core/archive/pax.h"
#include "core/archive/tar_header.h"
#include "core/util/error.h"

namespace cairn {
namespace {

[[noreturn]] void bad(const std::string& why) { throw Error(Errc::corrupt, "invalid tar header: " + why); }

uint64_t number(std::optional<int64_t> value) {
  if (!value || *value < 0) bad("a sparse map with a bad number");
  return static_cast<uint64_t>(*value);
}

}  // namespace

void SparseMap::reset(uint64_t max_pieces) {
  pieces_.clear();
  max_pieces_ = max_pieces;
  current_ = 0;
  position_ = file_size_ = 0;
}

void SparseMap::add(uint64_t offset, uint64_t length) {
  if (pieces_.size() >= max_pieces_) bad("a sparse map of too many pieces");
  pieces_.push_back({offset, length});
}

bool SparseMap::add_gnu_array(std::string_view fields) {
  constexpr size_t kNumber = 12, kEntry = 2 * kNumber;
  const size_t end = fields.size() / kEntry * kEntry;
  for (size_t at = 0; at < end && fields[at] != '\0'; at += kEntry)
    add(number(parse_tar_number(fields.substr(at, kNumber))),
        number(parse_tar_number(fields.substr(at + kNumber, kNumber))));
  return fields[end] != '\0';
}

void SparseMap::add_list(std::string_view list) {
  const auto take = [&] {
    const size_t comma = std::min(list.find(','), list.size());
    const uint64_t value = number(parse_decimal(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
    return value;
  };
  while (!list.empty()) {
    const uint64_t offset = take();
    add(offset, take());
  }
}

void SparseMap::add_lines(const std::function<std::span<const char>()>& next_block) {
  std::span<const char> block;
  const auto take = [&] {
    std::string line;
    for (;;) {
      if (block.empty()) block = next_block();
      const char c = block[0];
      block = block.subspan(1);
      if (c == '\n') return number(parse_decimal(line));
      line += c;
      if (line.size() > 20) bad("a sparse map with a bad number");
    }
  };
  const uint64_t pieces = take();
  if (pieces > max_pieces_) bad("a sparse map of too many pieces");
  for (uint64_t i = 0; i < pieces; ++i) {
    const uint64_t offset = take();
    add(offset, take());
  }
}

void SparseMap::check(uint64_t file_size, uint64_t data_size) {
  uint64_t before = 0, sum = 0;
  for (const auto& piece : pieces_) {
    uint64_t end = 0;
    if (__builtin_add_overflow(piece.offset, piece.length, &end) || end > file_size || piece.offset < before)
      bad("a sparse map with overlapping or misplaced pieces");
    before = end;
    sum += piece.length;
  }
  if (sum != data_size) bad("a sparse map that does not fit the data");
  // Pieces of nothing, with which GNU tar marks the end of a file, would stand still below.
  std::erase_if(pieces_, [](const SparsePiece& piece) { return piece.length == 0; });
  file_size_ = file_size;
}

uint64_t SparseMap::hole() const {
  return (current_ < pieces_.size() ? std::max(pieces_[current_].offset, position_) : file_size_) - position_;
}

uint64_t SparseMap::data() const {
  if (current_ == pieces_.size() || position_ < pieces_[current_].offset) return 0;
  return pieces_[current_].offset + pieces_[current_].length - position_;
}

void SparseMap::advance(uint64_t bytes) {
  position_ += bytes;
  if (current_ < pieces_.size() && position_ == pieces_[current_].offset + pieces_[current_].length) ++current_;
}

}  // namespace cairn
