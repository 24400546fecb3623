// The names by which aufs says what is gone, and how they are found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::aufs {

inline constexpr std::string_view kWhiteout = ".wh.";  // NAME is gone: .wh.NAME
inline constexpr std::string_view kOpaque = ".wh..wh..opq";
inline constexpr std::string_view kMark = ".wh..wh.aufs";  // the file that a branch's whiteouts are links of

struct Entry {
  std::string name;
  unsigned char type;  // DT_*; never DT_UNKNOWN unless it vanished meanwhile
};
std::vector<Entry> entries_of(int dir_fd);

}  // namespace cairn::aufs
