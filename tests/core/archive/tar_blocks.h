// Archives put together block by block, also such as no tar program writes; and what a reader makes of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/archive/stream.h"
#include "core/archive/tar_reader.h"

namespace cairn::test {

struct TarBlock {
  std::string name;
  char type = '0';
  uint64_t size = 0;
  std::string link = {};
  std::string prefix = {};
  std::string magic = std::string("ustar\0", 6) + "00";
  uint32_t mode = 0644, uid = 0, gid = 0;
  uint64_t mtime = 0;
  std::vector<std::pair<size_t, std::string>> patches = {};  // offset, bytes; before the checksum is made
};

std::string header(const TarBlock& block);
std::string padded(std::string content);                         // to whole blocks
std::string member(TarBlock block, const std::string& content);  // header with that size, content, padding
std::string pax_record(const std::string& key, const std::string& value);
std::string pax(const std::vector<std::pair<std::string, std::string>>& records, char type = 'x');
std::string end_marker();
std::string octal(uint64_t value, size_t digits);  // and a NUL

struct ReadEntry {
  TarEntry entry;
  std::string content;
};
std::vector<ReadEntry> read_tar(const std::string& bytes, TarReader::Observer* observer = nullptr);

// `bytes` in reads of at most `step`.
std::unique_ptr<ByteSource> in_steps(std::string bytes, size_t step);
std::string repeat(std::string_view text, size_t times);

// Runs a shell command in `directory`; it must succeed.
void run(const std::string& directory, const std::string& command);
bool has_program(const std::string& name);
uint64_t peak_memory();  // bytes this process ever had at once

// The text of the error `body` throws; "" when it throws none.
template <typename Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

}  // namespace cairn::test
