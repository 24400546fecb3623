#include "tests/drivers/devicemapper/made_pool.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/util/error.h"
#include "tests/support/temp_dir.h"

namespace cairn::devicemapper {

namespace fs = std::filesystem;

void run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0)
    throw Error(Errc::unsupported, "running '" + command + "': it failed, or is not installed");
}

void MadePool::add(uint64_t device, const fs::path& image, const fs::path& data) {
  constexpr uint64_t kStride = 7;  // neighbours do not lie side by side
  std::ifstream in(image, std::ios::binary);
  if (!fs::exists(data)) test::write_file(data, "");
  fs::resize_file(data, std::max<uintmax_t>(fs::file_size(data), 512 << 20));
  std::fstream out(data, std::ios::binary | std::ios::in | std::ios::out);
  const uint64_t blocks = fs::file_size(data) / block_bytes_;
  const std::string zeros(block_bytes_, '\0');
  std::string block = zeros;
  for (uint64_t at = 0; in; ++at) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto n = static_cast<size_t>(in.gcount());
    block.replace(n, std::string::npos, block_bytes_ - n, '\0');
    if (block == zeros) continue;
    const uint64_t to = next_++ * kStride % blocks;
    devices_[device][at] = to;
    out.seekp(static_cast<std::streamoff>(to * block_bytes_));
    out.write(block.data(), static_cast<std::streamsize>(block.size()));
  }
}

void MadePool::write_metadata(const fs::path& file) const {
  std::ostringstream xml;
  uint64_t last = 0;
  for (const auto& [id, mappings] : devices_)
    for (const auto& [at, data] : mappings) last = std::max(last, data);
  xml << "<superblock uuid=\"\" time=\"3\" transaction=\"7\" flags=\"0\" version=\"2\" data_block_size=\""
      << block_bytes_ / 512 << "\" nr_data_blocks=\"" << last + 1 << "\">\n";
  for (const auto& [id, mappings] : devices_) {
    xml << "<device dev_id=\"" << id << "\" mapped_blocks=\"" << mappings.size() << "\" transaction=\"" << id % 7
        << "\" creation_time=\"" << id % 3 << "\" snap_time=\"" << id % 4 << "\">\n";
    for (const auto& [at, data] : mappings)
      xml << "<single_mapping origin_block=\"" << at << "\" data_block=\"" << data << "\" time=\"" << at % 3
          << "\"/>\n";
    xml << "</device>\n";
  }
  xml << "</superblock>\n";
  const fs::path text = file.string() + ".xml";
  test::write_file(text, xml.str());
  test::write_file(file, "");
  fs::resize_file(file, 16 << 20);
  run("thin_restore -i '" + text.string() + "' -o '" + file.string() + "'");
  fs::remove(text);
}

MetadataFile::MetadataFile(const fs::path& file) : bytes(test::read_file(file)) {}

void MetadataFile::write(const fs::path& file) const { test::write_file(file, bytes); }

uint64_t MetadataFile::number(size_t at, size_t size) const {
  uint64_t out = 0;
  for (size_t i = size; i-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

void MetadataFile::put(size_t at, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i, value >>= 8) bytes[at + i] = static_cast<char>(value & 0xff);
}

uint64_t MetadataFile::root_of(uint64_t device) const {
  const uint64_t devices = root_of_devices();
  for (size_t i = 0; i < number(devices * kBlock + 16, 4); ++i)
    if (number(key(devices, i)) == device) return number(value(devices, i));
  throw Error(Errc::not_found, "no such device");
}

// CRC-32C bit by bit, as its definition has it.
void MetadataFile::seal(uint64_t block) {
  uint32_t sum = ~0u;
  for (size_t i = 4; i < kBlock; ++i) {
    sum ^= static_cast<unsigned char>(bytes[block * kBlock + i]);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0x82f63b78 : 0);
  }
  put(block * kBlock, sum ^ (block == 0 ? 160774 : 121107), 4);
}

std::vector<uint64_t> MetadataFile::nodes() const {
  std::vector<uint64_t> out;
  MetadataFile other = *this;
  for (uint64_t block = 1; block < bytes.size() / kBlock; ++block) {
    if (number(block * kBlock + 8) != block) continue;
    other.seal(block);
    if (other.number(block * kBlock, 4) == number(block * kBlock, 4)) out.push_back(block);
  }
  return out;
}

}  // namespace cairn::devicemapper
