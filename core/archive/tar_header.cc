#include "core/archive/tar_header.h"

#include <algorithm>

namespace cairn {
namespace {

std::optional<int64_t> parse_octal(std::string_view field) {
  const auto blank = [](char c) { return c == ' ' || c == '\0'; };
  while (!field.empty() && blank(field.front())) field.remove_prefix(1);
  while (!field.empty() && blank(field.back())) field.remove_suffix(1);
  uint64_t value = 0;
  for (const char c : tar_string(field)) {
    if (c < '0' || c > '7' || value >> 61 != 0) return std::nullopt;
    value = value << 3 | static_cast<uint64_t>(c - '0');
  }
  return static_cast<int64_t>(value);
}

// Two's complement, big-endian; the first bit only says "base-256", the second is the sign.
std::optional<int64_t> parse_base256(std::string_view field) {
  const bool negative = field[0] & 0x40;
  const unsigned char flip = negative ? 0xff : 0;
  uint64_t value = 0;
  for (size_t i = 0; i < field.size(); ++i) {
    auto byte = static_cast<unsigned char>(static_cast<unsigned char>(field[i]) ^ flip);
    if (i == 0) byte &= 0x7f;
    if (value >> 56 != 0) return std::nullopt;
    value = value << 8 | byte;
  }
  if (value >> 63 != 0) return std::nullopt;
  return static_cast<int64_t>(negative ? ~value : value);
}

struct Sums {
  unsigned as_unsigned = 0;
  int as_signed = 0;
};

Sums sums_of(std::span<const char> block) {
  Sums sums;
  const auto add = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      sums.as_unsigned += static_cast<unsigned char>(block[i]);
      sums.as_signed += static_cast<signed char>(block[i]);
    }
  };
  constexpr size_t at = tar_field::checksum.at, after = at + tar_field::checksum.size;
  add(0, at);
  add(after, kTarBlock);
  sums.as_unsigned += 8 * ' ';
  sums.as_signed += 8 * ' ';
  return sums;
}

bool checksum_holds(std::span<const char> block) {
  const auto stated = parse_octal(tar_field::checksum.of(block));
  const Sums sums = sums_of(block);
  return stated && (*stated == sums.as_unsigned || *stated == sums.as_signed);
}

TarHeader::Dialect dialect_of(std::span<const char> block) {
  using std::string_view_literals::operator""sv;
  const auto magic = tar_field::magic.of(block);
  if (magic == "ustar\0"sv)
    return tar_field::star_trailer.of(block) == "tar\0"sv ? TarHeader::Dialect::star : TarHeader::Dialect::ustar;
  if (magic == "ustar "sv && tar_field::version.of(block) == " \0"sv) return TarHeader::Dialect::gnu;
  return TarHeader::Dialect::v7;
}

// The dialects' own fields. Returns the prefix of the name, nullopt for a bad number.
std::optional<std::string_view> parse_dialect(std::span<const char> block, TarHeader& into) {
  if (into.dialect == TarHeader::Dialect::ustar) return tar_string(tar_field::prefix.of(block));
  if (into.dialect == TarHeader::Dialect::star) {
    into.atime = parse_tar_number(tar_field::star_atime.of(block));
    return into.atime ? std::optional(tar_string(tar_field::star_prefix.of(block))) : std::nullopt;
  }
  const auto atime = tar_field::gnu_atime.of(block), ctime = tar_field::gnu_ctime.of(block);
  const bool has_atime = atime[0] != '\0', has_ctime = ctime[0] != '\0';
  if (has_atime) into.atime = parse_tar_number(atime);
  if ((has_atime && !into.atime) || (has_ctime && !parse_tar_number(ctime))) {
    // Go before 1.8 wrote a ustar prefix where GNU has its times.
    into.atime.reset();
    const auto prefix = tar_string(tar_field::prefix.of(block));
    if (std::all_of(prefix.begin(), prefix.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
      return prefix;
  }
  return std::string_view();
}

}  // namespace

std::string_view tar_string(std::string_view field) {
  return field.substr(0, std::min(field.find('\0'), field.size()));
}

std::optional<int64_t> parse_tar_number(std::string_view field) {
  return field[0] & 0x80 ? parse_base256(field) : parse_octal(field);
}

unsigned tar_checksum(std::span<const char> block) { return sums_of(block).as_unsigned; }

std::optional<TarHeader> parse_tar_header(std::span<const char> block) {
  std::optional<TarHeader> out;
  if (!checksum_holds(block)) return out;
  TarHeader& header = out.emplace();
  bool good = true;
  const auto number = [&](TarField field) {
    const auto value = parse_tar_number(field.of(block));
    good = good && value;
    return value.value_or(0);
  };
  header.dialect = dialect_of(block);
  header.type_flag = block[tar_field::type.at];
  header.size = number(tar_field::size);
  header.mode = number(tar_field::mode);
  header.uid = number(tar_field::uid);
  header.gid = number(tar_field::gid);
  header.mtime = number(tar_field::mtime);
  header.link_target = tar_string(tar_field::link_target.of(block));
  if (header.dialect != TarHeader::Dialect::v7) {
    header.device_major = number(tar_field::device_major);
    header.device_minor = number(tar_field::device_minor);
    const auto prefix = parse_dialect(block, header);
    good = good && prefix;
    if (prefix && !prefix->empty()) header.name.append(*prefix).append("/");
  }
  header.name += tar_string(tar_field::name.of(block));
  if (!good) out.reset();
  return out;
}

}  // namespace cairn
