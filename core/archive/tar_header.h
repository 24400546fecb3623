// One 512-byte tar header block in any dialect, and the numbers in it. Reads as Go's archive/tar does, since that is
// what decided on every existing layer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cairn {

constexpr size_t kTarBlock = 512;

// Where the fields lie, as {offset, size}.
struct TarField {
  size_t at, size;
  std::string_view of(std::span<const char> block) const { return {block.data() + at, size}; }
};
namespace tar_field {
constexpr TarField name{0, 100}, mode{100, 8}, uid{108, 8}, gid{116, 8}, size{124, 12}, mtime{136, 12},
    checksum{148, 8}, type{156, 1}, link_target{157, 100}, magic{257, 6}, version{263, 2}, device_major{329, 8},
    user_name{265, 32}, group_name{297, 32}, device_minor{337, 8}, prefix{345, 155};
constexpr TarField gnu_atime{345, 12}, gnu_ctime{357, 12}, gnu_sparse{386, 97}, gnu_real_size{483, 12};
constexpr TarField star_prefix{345, 131}, star_atime{476, 12}, star_trailer{508, 4};
}  // namespace tar_field

struct TarHeader {
  enum class Dialect { v7, ustar, star, gnu } dialect = Dialect::v7;
  char type_flag = '0';
  std::string name, link_target;
  int64_t size = 0, mode = 0, uid = 0, gid = 0, mtime = 0, device_major = 0, device_minor = 0;
  std::optional<int64_t> atime;
};

// nullopt when the checksum (the sum of the bytes, unsigned or signed) is wrong or a number is none.
std::optional<TarHeader> parse_tar_header(std::span<const char> block);

// Octal with blanks and NULs around it, or base-256 when the first bit is set (then maybe negative). Empty is 0.
std::optional<int64_t> parse_tar_number(std::string_view field);

// Up to the first NUL.
std::string_view tar_string(std::string_view field);

// Sum of the header's bytes, its checksum field counted as blanks.
unsigned tar_checksum(std::span<const char> block);

}  // namespace cairn
