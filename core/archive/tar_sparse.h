// Which pieces of a sparse file an archive holds, in GNU's four spellings, and the way through them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace cairn {

// Everything of a file that is in no piece is a hole.
struct SparsePiece {
  uint64_t offset, length;
};

// All of these throw Errc::corrupt ("invalid tar header: ...").
class SparseMap {
 public:
  void reset(uint64_t max_pieces);  // an empty map
  void add(uint64_t offset, uint64_t length);

  // Old GNU: an array of 4 (header) or 21 (extension block) entries and the byte that says "another block follows".
  bool add_gnu_array(std::string_view fields);
  // PAX 0.1: "offset,length,offset,length".
  void add_list(std::string_view list);
  // PAX 1.0: lines of numbers in front of the data; `next_block` gives its blocks.
  void add_lines(const std::function<std::span<const char>()>& next_block);

  size_t count() const { return pieces_.size(); }
  // Ordered, inside the file, and exactly as much as the archive has data.
  void check(uint64_t file_size, uint64_t data_size);

  // At the present position: bytes of hole, or (if 0) bytes of data; both 0 at the end of the file.
  uint64_t hole() const;
  uint64_t data() const;
  void advance(uint64_t bytes);  // at most one of these

 private:
  std::vector<SparsePiece> pieces_;
  uint64_t max_pieces_ = 0;
  size_t current_ = 0;  // the piece at or after position_
  uint64_t position_ = 0, file_size_ = 0;
};

}  // namespace cairn
