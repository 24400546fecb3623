#include "core/archive/pax.h"

#include <algorithm>
#include <limits>

#include "core/archive/base64.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr std::string_view kSchily = "SCHILY.xattr.", kLibarchive = "LIBARCHIVE.xattr.";

struct KnownKey {
  std::string_view key;
  std::string_view PaxRecords::*field;
  bool is_name;
};
constexpr KnownKey kKnownKeys[] = {
    {"path", &PaxRecords::path, true},
    {"linkpath", &PaxRecords::link_path, true},
    {"uid", &PaxRecords::uid, false},
    {"gid", &PaxRecords::gid, false},
    {"size", &PaxRecords::size, false},
    {"mtime", &PaxRecords::mtime, false},
    {"atime", &PaxRecords::atime, false},
    {"GNU.sparse.major", &PaxRecords::sparse_major, false},
    {"GNU.sparse.minor", &PaxRecords::sparse_minor, false},
    {"GNU.sparse.name", &PaxRecords::sparse_name, true},
    {"GNU.sparse.size", &PaxRecords::sparse_size, false},
    {"GNU.sparse.realsize", &PaxRecords::sparse_real_size, false},
    {"GNU.sparse.numblocks", &PaxRecords::sparse_count, false},
    {"GNU.sparse.map", &PaxRecords::sparse_map, false},
};

[[noreturn]] void bad(const std::string& why) { throw Error(Errc::corrupt, "invalid tar header: " + why); }

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// "%41" in libarchive's xattr names. nullopt for a broken escape.
std::optional<std::string> url_decode(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

}  // namespace

std::optional<int64_t> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  int64_t value = 0;  // counted downwards: the negative range is the larger one
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, c - '0', &value))
      return std::nullopt;
  }
  if (negative) return value;
  if (value == std::numeric_limits<int64_t>::min()) return std::nullopt;
  return -value;
}

std::optional<timespec> parse_pax_time(std::string_view text) {
  const size_t dot = std::min(text.find('.'), text.size());
  const auto seconds = parse_decimal(text.substr(0, dot));
  if (!seconds) return std::nullopt;
  long nanoseconds = 0;
  const std::string_view fraction = text.substr(std::min(dot + 1, text.size()));
  if (!std::all_of(fraction.begin(), fraction.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  for (size_t i = 0; i < 9; ++i) nanoseconds = nanoseconds * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  timespec out{.tv_sec = *seconds, .tv_nsec = nanoseconds};
  if (text[0] == '-' && nanoseconds > 0) {
    if (__builtin_sub_overflow(out.tv_sec, 1, &out.tv_sec)) return std::nullopt;
    out.tv_nsec = 1'000'000'000 - nanoseconds;
  }
  return out;
}

void PaxRecords::clear() {
  for (const auto& known : kKnownKeys) this->*known.field = {};
  sparse_pieces.clear();
  has_sparse_pieces = sparse_open_ = false;
  xattrs.clear();
  libarchive_xattrs_.clear();
  body_.clear();
}

void PaxRecords::parse(std::string body, uint64_t max_sparse_pieces) {
  clear();
  body_ = std::move(body);
  for (std::string_view left = body_; !left.empty();) {
    const size_t space = left.find(' ');
    const auto length = parse_decimal(left.substr(0, std::min(space, left.size())));
    if (space == std::string_view::npos || !length || *length < 5 || static_cast<uint64_t>(*length) > left.size() ||
        static_cast<size_t>(*length) < space + 2 || left[static_cast<size_t>(*length) - 1] != '\n')
      bad("a PAX record of a wrong length");
    const auto total = static_cast<size_t>(*length);
    const std::string_view record = left.substr(space + 1, total - space - 2);
    left.remove_prefix(total);
    const size_t equals = record.find('=');
    if (equals == 0 || equals == std::string_view::npos) bad("a PAX record without a key");
    add(record.substr(0, equals), record.substr(equals + 1), max_sparse_pieces);
  }
  if (sparse_open_) bad("a sparse map that lacks a length");
  // bsdtar writes both spellings of the same attributes.
  xattrs.merge(libarchive_xattrs_);
}

void PaxRecords::add(std::string_view key, std::string_view value, uint64_t max_sparse_pieces) {
  if (has_nul(key)) bad("a PAX key with a NUL byte");
  if ((key == "uname" || key == "gname") && has_nul(value)) bad("a PAX name with a NUL byte");
  if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes")
    return add_sparse(key == "GNU.sparse.offset", value, max_sparse_pieces);
  if (key.starts_with(kSchily)) {
    xattrs.insert_or_assign(std::string(key.substr(kSchily.size())), std::string(value));
    return;
  }
  if (key.starts_with(kLibarchive)) {
    // Docker never looks at these, so one that cannot be decoded is no reason to refuse a layer.
    const auto name = url_decode(key.substr(kLibarchive.size()));
    std::string decoded;
    if (name && !has_nul(*name) && append_from_base64(decoded, value, Base64Padding::optional))
      libarchive_xattrs_.insert_or_assign(*name, std::move(decoded));
    return;
  }
  for (const auto& known : kKnownKeys) {
    if (known.key != key) continue;
    if (known.is_name && has_nul(value)) bad("a PAX name with a NUL byte");
    this->*known.field = value;
  }
}

void PaxRecords::add_sparse(bool is_offset, std::string_view value, uint64_t max_sparse_pieces) {
  const auto number = parse_decimal(value);
  if (is_offset == sparse_open_ || !number || *number < 0) bad("a sparse map out of order");
  sparse_open_ = is_offset;
  if (!is_offset) {
    sparse_pieces.back().length = static_cast<uint64_t>(*number);
    return;
  }
  if (sparse_pieces.size() >= max_sparse_pieces) bad("a sparse map of too many pieces");
  has_sparse_pieces = true;
  sparse_pieces.push_back({static_cast<uint64_t>(*number), 0});
}

}  // namespace cairn
