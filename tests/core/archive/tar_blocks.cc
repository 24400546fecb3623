#include "tests/core/archive/tar_blocks.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace cairn::test {

std::string octal(uint64_t value, size_t digits) {
  std::string out(digits + 1, '\0');
  for (size_t i = digits; i-- > 0; value >>= 3) out[i] = static_cast<char>('0' + (value & 7));
  return out;
}

std::string header(const TarBlock& block) {
  std::string out(512, '\0');
  const auto put = [&](size_t at, std::string_view text) { std::memcpy(out.data() + at, text.data(), text.size()); };
  put(0, std::string_view(block.name).substr(0, 100));
  put(100, octal(block.mode, 7));
  put(108, octal(block.uid, 7));
  put(116, octal(block.gid, 7));
  put(124, octal(block.size, 11));
  put(136, octal(block.mtime, 11));
  out[156] = block.type;
  put(157, std::string_view(block.link).substr(0, 100));
  put(257, block.magic);
  put(345, block.prefix);
  for (const auto& [at, bytes] : block.patches) put(at, bytes);
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : out) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + " ");
  return out;
}

std::string padded(std::string content) {
  content.append(-content.size() % 512, '\0');
  return content;
}

std::string member(TarBlock block, const std::string& content) {
  block.size = content.size();
  return header(block) + padded(content);
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size();
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

std::string pax(const std::vector<std::pair<std::string, std::string>>& records, char type) {
  std::string body;
  for (const auto& [key, value] : records) body += pax_record(key, value);
  return member({.name = type == 'g' ? "pax_global_header" : "PaxHeaders.0/x", .type = type}, body);
}

std::string end_marker() { return std::string(1024, '\0'); }

std::vector<ReadEntry> read_tar(const std::string& bytes, TarReader::Observer* observer) {
  const auto source = read_from(bytes);
  TarReader reader(*source, observer);
  std::vector<ReadEntry> out;
  while (const TarEntry* entry = reader.next()) {
    out.push_back({*entry, {}});
    char buffer[1000];
    while (const size_t n = reader.read(buffer)) out.back().content.append(buffer, n);
  }
  return out;
}

std::unique_ptr<ByteSource> in_steps(std::string bytes, size_t step) {
  struct Steps : ByteSource {
    Steps(std::string text, size_t most) : text_(std::move(text)), step_(most) {}
    size_t read(std::span<char> into) override {
      const size_t n = std::min({into.size(), step_, text_.size() - at_});
      std::memcpy(into.data(), text_.data() + at_, n);
      at_ += n;
      return n;
    }
    std::string text_;
    size_t step_, at_ = 0;
  };
  return std::make_unique<Steps>(std::move(bytes), step);
}

std::string repeat(std::string_view text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

void run(const std::string& directory, const std::string& command) {
  if (std::system(("cd '" + directory + "' && { " + command + "\n}").c_str()) != 0)
    throw std::runtime_error("failed: " + command);
}

bool has_program(const std::string& name) { return std::system(("command -v " + name + " >/dev/null").c_str()) == 0; }

uint64_t peak_memory() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace cairn::test
