// The records of a PAX extended header ("25 mtime=1350244992.023\n"): the ones that matter to a layer.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/archive/tar_sparse.h"

namespace cairn {

// Of a key given twice the last counts; an empty value counts as absent (but not an empty xattr).
class PaxRecords {
 public:
  PaxRecords() = default;
  PaxRecords(const PaxRecords&) = delete;  // the views below point into body_

  // Replaces what was there. Throws Errc::corrupt ("invalid tar header: ...").
  void parse(std::string body, uint64_t max_sparse_pieces);
  void clear();

  std::string_view path, link_path, uid, gid, size, mtime, atime;
  std::string_view sparse_major, sparse_minor, sparse_name, sparse_size, sparse_real_size, sparse_count, sparse_map;
  std::vector<SparsePiece> sparse_pieces;  // of format 0.0, which repeats two keys
  bool has_sparse_pieces = false;
  std::map<std::string, std::string> xattrs;  // SCHILY.xattr.*, else LIBARCHIVE.xattr.*

 private:
  void add(std::string_view key, std::string_view value, uint64_t max_sparse_pieces);
  void add_sparse(bool is_offset, std::string_view value, uint64_t max_sparse_pieces);

  std::string body_;
  bool sparse_open_ = false;  // an offset that waits for its length
  std::map<std::string, std::string> libarchive_xattrs_;
};

std::optional<int64_t> parse_decimal(std::string_view text);    // an optional sign, then digits; nothing else
std::optional<timespec> parse_pax_time(std::string_view text);  // "-1.5" is {-2, 500000000}

}  // namespace cairn
