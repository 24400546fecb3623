#include "core/archive/tar_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>

#include "core/archive/base64.h"
#include "core/archive/tar_header.h"
#include "core/util/error.h"

namespace cairn {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string ascii_only(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return out;
}

// Octal digits that fit a field and its NUL.
bool fits(TarField field, int64_t value) { return value >= 0 && value >> (3 * (field.size - 1)) == 0; }

class HeaderBlock {
 public:
  void text(TarField field, std::string_view value) {
    std::memcpy(bytes_.data() + field.at, value.data(), std::min(value.size(), field.size));
  }
  // A cut name must not end in '/': some readers would take the file for a directory.
  void name(TarField field, std::string_view value) {
    if (value.size() > field.size) value = value.substr(0, value.find_last_not_of('/', field.size - 1) + 1);
    text(field, value);
  }
  // What does not fit is 0 here; a PAX record has it.
  void octal(TarField field, int64_t value) {
    if (!fits(field, value)) value = 0;
    for (size_t i = field.size - 1; i-- > 0; value >>= 3) bytes_[field.at + i] = static_cast<char>('0' + (value & 7));
  }
  // There is no PAX record for devices: GNU's base-256 for what octal cannot hold.
  void device(TarField field, uint32_t value) {
    if (fits(field, value)) return octal(field, value);
    bytes_[field.at] = static_cast<char>(0x80);
    for (size_t i = 0; i < sizeof value; ++i) bytes_[field.at + field.size - 1 - i] = static_cast<char>(value >> 8 * i);
  }
  void append_to(std::string& out) {
    using std::string_view_literals::operator""sv;
    text(tar_field::magic, "ustar\0"sv);
    text(tar_field::version, "00");
    octal({tar_field::checksum.at, 7}, tar_checksum(bytes_));
    bytes_[tar_field::checksum.at + 7] = ' ';
    out.append(bytes_.data(), bytes_.size());
  }

 private:
  std::array<char, kTarBlock> bytes_{};
};

using Records = std::map<std::string, std::string>;

// "length key=value\n", where the length counts its own digits.
void append_record(std::string& out, const std::string& key, const std::string& value) {
  const size_t bare = key.size() + value.size() + 3;
  size_t length = bare + std::to_string(bare).size();
  length = bare + std::to_string(length).size();
  out.append(std::to_string(length)).append(" ").append(key).append("=").append(value).append("\n");
}

// An attribute whose name has a '=' has no SCHILY record; libarchive's spelling escapes it.
void add_xattr(Records& records, const std::string& name, const std::string& value) {
  if (name.find('=') == std::string::npos) {
    records["SCHILY.xattr." + name] = value;
    return;
  }
  std::string key = "LIBARCHIVE.xattr.", coded;
  for (const char c : name) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '=' && c != '%')
      key += c;
    else
      key.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
  append_base64(coded, value);
  while (coded.ends_with('=')) coded.pop_back();
  records[key] = coded;
}

// Of a time with a fraction. Before 1970 the fraction counts away from zero, as the seconds do.
std::string decimal(const timespec& time) {
  constexpr long kSecond = 1'000'000'000;
  const bool before = time.tv_sec < 0;
  const std::string nanoseconds = std::to_string(before ? kSecond - time.tv_nsec : time.tv_nsec);
  return (before ? "-" : "") + std::to_string(before ? -(time.tv_sec + 1) : time.tv_sec) + "." +
         std::string(9 - nanoseconds.size(), '0') + nanoseconds;
}

Records records_for(const TarEntry& entry, int64_t size, TarTimes times) {
  Records records;
  const auto text = [&](const char* key, const std::string& value, TarField field) {
    if (value.size() > field.size || !is_ascii(value)) records[key] = value;
  };
  const auto number = [&](const char* key, int64_t value, TarField field) {
    if (!fits(field, value)) records[key] = std::to_string(value);
  };
  text("path", entry.name, tar_field::name);
  text("linkpath", entry.link_target, tar_field::link_target);
  number("uid", entry.uid, tar_field::uid);
  number("gid", entry.gid, tar_field::gid);
  number("size", size, tar_field::size);
  number("mtime", entry.mtime.tv_sec, tar_field::mtime);
  if (times == TarTimes::nanoseconds && entry.mtime.tv_nsec > 0) records["mtime"] = decimal(entry.mtime);
  for (const auto& [name, value] : entry.xattrs) add_xattr(records, name, value);
  return records;
}

void append_pax_member(std::string& out, const std::string& entry_name, const Records& records) {
  std::string body;
  for (const auto& [key, value] : records) append_record(body, key, value);
  if (body.size() > TarLimits().meta_bytes)
    throw Error(Errc::unsupported, "writing '" + printable(entry_name) + "' to a tar: its extended attributes need " +
                                       std::to_string(body.size()) + " bytes, which no reader would accept");
  const size_t slash = entry_name.rfind('/') + 1;  // 0 when there is none
  const std::string path = clean_path(entry_name.substr(0, slash) + "PaxHeaders.0/" + entry_name.substr(slash));
  HeaderBlock block;
  block.name(tar_field::name, ascii_only(path));
  for (const auto field : {tar_field::mode, tar_field::uid, tar_field::gid, tar_field::mtime}) block.octal(field, 0);
  block.octal(tar_field::size, static_cast<int64_t>(body.size()));
  block.text(tar_field::type, "x");
  block.append_to(out);
  out += body;
  out.append(-body.size() % kTarBlock, '\0');
}

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

void check(const TarEntry& entry) {
  const auto refuse = [&](const char* why) {
    throw Error(Errc::invalid, "writing '" + printable(entry.name) + "' to a tar: " + why);
  };
  if (entry.type == TarType::other || entry.type == TarType::global_header) refuse("not a type that can be written");
  if (has_nul(entry.name) || has_nul(entry.link_target)) refuse("a name with a NUL byte");
  if (entry.name.empty()) refuse("no name");
  if (entry.size > INT64_MAX) refuse("too large");
  for (const auto& [name, value] : entry.xattrs)
    if (has_nul(name)) refuse("an extended attribute with a NUL byte in its name");
}

}  // namespace

void TarWriter::begin(const TarEntry& entry) {
  check(entry);
  std::string out = pad();
  const auto size = entry.type == TarType::file ? static_cast<int64_t>(entry.size) : 0;
  const Records records = records_for(entry, size, times_);
  if (!records.empty()) append_pax_member(out, entry.name, records);
  HeaderBlock block;
  block.name(tar_field::name, ascii_only(entry.name));
  block.octal(tar_field::mode, entry.mode & (modes_ == TarModes::with_type ? 0177777 : 07777));
  block.octal(tar_field::uid, entry.uid);
  block.octal(tar_field::gid, entry.gid);
  block.octal(tar_field::size, size);
  block.octal(tar_field::mtime, entry.mtime.tv_sec);
  const char type = static_cast<char>(entry.type);
  block.text(tar_field::type, {&type, 1});
  block.name(tar_field::link_target, ascii_only(entry.link_target));
  if (names_ == TarNames::root && entry.uid == 0) block.text(tar_field::user_name, "root");
  if (names_ == TarNames::root && entry.gid == 0) block.text(tar_field::group_name, "root");
  block.device(tar_field::device_major, entry.device_major);
  block.device(tar_field::device_minor, entry.device_minor);
  block.append_to(out);
  out_.write(out);
  left_ = static_cast<uint64_t>(size);
  padding_ = -left_ % kTarBlock;
}

void TarWriter::write(std::span<const char> bytes) {
  if (bytes.size() > left_) throw Error(Errc::invalid, "writing a tar: an entry's content is longer than announced");
  out_.write(bytes);
  left_ -= bytes.size();
}

void TarWriter::finish() {
  std::string out = pad();
  out.append(2 * kTarBlock, '\0');
  out_.write(out);
}

// The zeros after the last entry, in one write with what follows them.
std::string TarWriter::pad() {
  if (left_ > 0)
    throw Error(Errc::invalid,
                "writing a tar: an entry's content is " + std::to_string(left_) + " bytes shorter than announced");
  std::string out(padding_, '\0');
  padding_ = 0;
  return out;
}

}  // namespace cairn
