#include "tests/support/tar_builder.h"

#include <algorithm>
#include <cstdio>

namespace cairn::test {
namespace {

void put_octal(std::string& block, size_t at, size_t width, uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(width - 1), static_cast<unsigned long long>(value));
  block.replace(at, width - 1, std::string(text).substr(0, width - 1));
}

void put_text(std::string& block, size_t at, size_t width, const std::string& text) {
  const size_t n = std::min(width, text.size());
  block.replace(at, n, text.substr(0, n));
}

std::string header_of(const RawEntry& entry, uint64_t size) {
  std::string block(512, '\0');
  put_text(block, 0, 100, entry.name);
  put_octal(block, 100, 8, entry.mode);
  put_octal(block, 108, 8, entry.uid <= 07777777 ? entry.uid : 0);
  put_octal(block, 116, 8, entry.gid <= 07777777 ? entry.gid : 0);
  put_octal(block, 124, 12, size);
  put_octal(block, 136, 12, entry.mtime < 0 ? 0 : static_cast<uint64_t>(entry.mtime));
  block[156] = entry.type;
  put_text(block, 157, 100, entry.link);
  block.replace(257, 8, std::string("ustar\00000", 8));
  if (entry.type == '3' || entry.type == '4') {
    put_octal(block, 329, 8, entry.major);
    put_octal(block, 337, 8, entry.minor);
  }
  block.replace(148, 8, std::string(8, ' '));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  if (entry.bad_checksum) ++sum;
  char text[16];
  std::snprintf(text, sizeof text, "%06o", sum);
  block.replace(148, 7, std::string(text, 7));
  return block;
}

std::string padded(const std::string& content) {
  return content + std::string((512 - content.size() % 512) % 512, '\0');
}

}  // namespace

std::string pax_records(const std::map<std::string, std::string>& records) {
  std::string out;
  for (const auto& [key, value] : records) {
    const std::string body = " " + key + "=" + value + "\n";
    size_t length = body.size() + 1;
    while (std::to_string(length).size() + body.size() != length) ++length;
    out += std::to_string(length) + body;
  }
  return out;
}

TarBuilder& TarBuilder::add(const RawEntry& entry) {
  auto pax = entry.pax;
  if (entry.name.size() > 100) pax.emplace("path", entry.name);
  if (entry.link.size() > 100) pax.emplace("linkpath", entry.link);
  if (entry.uid > 07777777) pax.emplace("uid", std::to_string(entry.uid));
  if (entry.gid > 07777777) pax.emplace("gid", std::to_string(entry.gid));
  if (entry.mtime < 0) pax.emplace("mtime", std::to_string(entry.mtime));
  if (!pax.empty()) {
    const std::string records = pax_records(pax);
    RawEntry extended;
    extended.name = "PaxHeaders.0/x";
    extended.type = 'x';
    tar_ += header_of(extended, records.size()) + padded(records);
  }
  tar_ += header_of(entry, entry.size >= 0 ? static_cast<uint64_t>(entry.size) : entry.content.size()) +
          padded(entry.content);
  return *this;
}

TarBuilder& TarBuilder::file(const std::string& name, const std::string& content, uint32_t mode) {
  RawEntry entry;
  entry.name = name;
  entry.content = content;
  entry.mode = mode;
  return add(entry);
}

TarBuilder& TarBuilder::dir(const std::string& name, uint32_t mode) {
  RawEntry entry;
  entry.name = name;
  entry.type = '5';
  entry.mode = mode;
  return add(entry);
}

TarBuilder& TarBuilder::symlink(const std::string& name, const std::string& target) {
  RawEntry entry;
  entry.name = name;
  entry.type = '2';
  entry.link = target;
  entry.mode = 0777;
  return add(entry);
}

TarBuilder& TarBuilder::link(const std::string& name, const std::string& target) {
  RawEntry entry;
  entry.name = name;
  entry.type = '1';
  entry.link = target;
  return add(entry);
}

TarBuilder& TarBuilder::global(const std::map<std::string, std::string>& records) {
  RawEntry entry;
  entry.name = "pax_global_header";
  entry.type = 'g';
  entry.content = pax_records(records);
  return add(entry);
}

TarBuilder& TarBuilder::bytes(const std::string& raw) {
  tar_ += raw;
  return *this;
}

std::string TarBuilder::str() const { return tar_ + std::string(1024, '\0'); }

}  // namespace cairn::test
