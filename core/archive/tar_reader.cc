#include "core/archive/tar_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "core/archive/pax.h"
#include "core/archive/tar_header.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

constexpr size_t kBuffer = 256 << 10;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max() - (1 << 20);  // room for padding and sums
constexpr std::array<char, 32 << 10> kZeros{};

bool all_zero(std::span<const char> block) { return std::memcmp(block.data(), kZeros.data(), block.size()) == 0; }

// Errors get their place in the archive from TarReader's own functions.
[[noreturn]] void fail(const std::string& why) { throw Error(Errc::corrupt, why); }

size_t padding_of(uint64_t size) { return static_cast<size_t>(-size % kTarBlock); }

bool header_only(TarType type) {
  switch (type) {
    case TarType::hard_link:
    case TarType::symlink:
    case TarType::char_device:
    case TarType::block_device:
    case TarType::directory:
    case TarType::fifo:
      return true;
    default:
      return false;
  }
}

TarType type_of(char flag, const std::string& name) {
  switch (flag) {
    case '\0':
      return name.ends_with('/') ? TarType::directory : TarType::file;  // before POSIX a slash made a directory
    case '0':
    case '7':  // contiguous
    case 'S':
      return TarType::file;  // old GNU sparse
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case 'g':
      return static_cast<TarType>(flag);
    default:
      return TarType::other;
  }
}

}  // namespace

void TarReader::Observer::hole(uint64_t bytes) {
  for (uint64_t n; bytes > 0; bytes -= n) {
    check_interrupt();
    n = std::min<uint64_t>(bytes, kZeros.size());
    content({kZeros.data(), static_cast<size_t>(n)});
  }
}

struct TarReader::State {
  State(ByteSource& from, Observer* with, TarLimits within) : source(from), observer(with), limits(within) {}

  // Bytes of the stream.
  bool fill();
  std::span<const char> some(uint64_t most);
  std::span<const char> block(size_t count = kTarBlock);
  void raw(std::span<const char> bytes) const;
  std::string where() const;

  // Headers. `header_block` is the one last read.
  const TarEntry* next();
  bool read_padding();
  bool read_header_block();
  std::string read_meta(const TarHeader& header);
  bool take_meta(const TarHeader& header);
  void start_entry(const TarHeader& header);
  void set_names(const TarHeader& header);
  void set_metadata(const TarHeader& header);
  void set_size(std::optional<int64_t> size);
  void set_sparse(const TarHeader& header);
  void read_old_gnu_map();
  bool read_pax_map();
  void finish();

  // Content of the current entry.
  std::span<const char> read_view(uint64_t limit);
  uint64_t skip_hole();
  void skip_content();

  ByteSource& source;
  Observer* const observer;
  const TarLimits limits;
  std::unique_ptr<char[]> buffer{new char[kBuffer]};
  size_t begin = 0, end = 0;  // what of it is read and not yet used
  uint64_t used = 0;
  bool ended = false;

  std::array<char, kTarBlock> header_block;
  PaxRecords pax;  // these three belong to the entry that follows them
  std::optional<std::string> gnu_name, gnu_link;

  TarEntry entry;
  uint64_t data_left = 0;  // of the current member, in the archive
  size_t padding = 0;      // after it
  SparseMap sparse;
};

// ---- bytes ----

bool TarReader::State::fill() {
  check_interrupt();
  if (begin > 0) {
    std::memmove(buffer.get(), buffer.get() + begin, end - begin);
    end -= begin;
    begin = 0;
  }
  const size_t n = source.read({buffer.get() + end, kBuffer - end});
  end += n;
  return n > 0;
}

// Up to `most` bytes of what there is; empty only at the end of the stream.
std::span<const char> TarReader::State::some(uint64_t most) {
  if (begin == end && !fill()) return {};
  const size_t n = static_cast<size_t>(std::min<uint64_t>(most, end - begin));
  const std::span<const char> out(buffer.get() + begin, n);
  begin += n;
  used += n;
  return out;
}

// `count` (at most a block) bytes in one piece, fewer only at the end of the stream.
std::span<const char> TarReader::State::block(size_t count) {
  while (end - begin < count && fill()) {
  }
  return count == 0 ? std::span<const char>() : some(count);
}

void TarReader::State::raw(std::span<const char> bytes) const {
  if (observer && !bytes.empty()) observer->raw(bytes);
}

std::string TarReader::State::where() const {
  return "reading " + (entry.name.empty() ? "a tar" : "'" + printable(entry.name) + "' in a tar") + " at byte " +
         std::to_string(used);
}

// ---- headers ----

const TarEntry* TarReader::State::next() {
  if (ended) return nullptr;
  skip_content();
  entry = {};
  pax.clear();
  gnu_name.reset();
  gnu_link.reset();
  while (read_padding() && read_header_block()) {
    const auto header = parse_tar_header(header_block);
    if (!header) fail("invalid tar header: wrong checksum or numbers");
    if (take_meta(*header)) continue;
    start_entry(*header);
    if (observer) observer->entry(entry);
    return &entry;
  }
  finish();
  return nullptr;
}

// False at the end of the stream. Docker takes an archive that ends within padding for complete, and so must we; these
// last bytes go to the observer all the same (Docker's tar-split loses them), for nothing of the stream may be lost.
bool TarReader::State::read_padding() {
  const size_t want = std::exchange(padding, 0);
  const auto bytes = block(want);
  raw(bytes);
  return bytes.size() == want;
}

// False at a clean end of the archive.
bool TarReader::State::read_header_block() {
  for (const bool after_zeros : {false, true}) {
    const auto bytes = block();
    raw(bytes);
    if (bytes.empty()) return false;
    if (bytes.size() < kTarBlock) fail("unexpected EOF in a header");
    if (!all_zero(bytes)) {
      if (after_zeros) fail("invalid tar header: something follows a single block of zeros");
      std::memcpy(header_block.data(), bytes.data(), kTarBlock);
      return true;
    }
  }
  return false;
}

// Content of a member that describes the next one.
std::string TarReader::State::read_meta(const TarHeader& header) {
  if (header.size < 0) fail("invalid tar header: negative size");
  const auto size = static_cast<uint64_t>(header.size);
  if (size > limits.meta_bytes) fail("header field too long");
  std::string out;
  while (out.size() < size) {
    const auto bytes = some(size - out.size());
    if (bytes.empty()) fail("unexpected EOF in an extended header");
    raw(bytes);
    out.append(bytes.data(), bytes.size());
  }
  padding = padding_of(size);
  return out;
}

// False when the header is that of an entry. A global header is an entry, and nothing in it concerns later ones: Go and
// so Docker read it that way.
bool TarReader::State::take_meta(const TarHeader& header) {
  switch (header.type_flag) {
    case 'x':
      pax.parse(read_meta(header), limits.sparse_segments);
      return true;
    case 'g':
      pax.parse(read_meta(header), limits.sparse_segments);
      return false;
    case 'L':
      gnu_name = tar_string(read_meta(header));
      return true;
    case 'K':
      gnu_link = tar_string(read_meta(header));
      return true;
    default:
      return false;
  }
}

void TarReader::State::start_entry(const TarHeader& header) {
  entry.type_flag = header.type_flag;
  set_names(header);
  data_left = 0;
  if (entry.type == TarType::global_header) return;  // its padding is already known
  set_metadata(header);
  std::optional<int64_t> size = header.size;
  if (!pax.size.empty()) size = parse_decimal(pax.size);
  set_size(size);
  if (!header_only(entry.type)) data_left = entry.size;
  padding = padding_of(data_left);
  set_sparse(header);
}

// PAX, then GNU's long names, which win.
void TarReader::State::set_names(const TarHeader& header) {
  entry.name = pax.path.empty() ? header.name : std::string(pax.path);
  if (header.type_flag != 'g') {
    entry.link_target = pax.link_path.empty() ? header.link_target : std::string(pax.link_path);
    if (gnu_name && !gnu_name->empty()) entry.name = std::move(*gnu_name);
    if (gnu_link && !gnu_link->empty()) entry.link_target = std::move(*gnu_link);
  }
  entry.type = type_of(header.type_flag, entry.name);
}

void TarReader::State::set_metadata(const TarHeader& header) {
  const auto narrow = [&](int64_t value, std::string_view record, const char* what) {
    const auto number = record.empty() ? std::optional(value) : parse_decimal(record);
    if (!number || *number < 0 || *number > std::numeric_limits<uint32_t>::max())
      fail(std::string("invalid tar header: impossible ") + what);
    return static_cast<uint32_t>(*number);
  };
  const auto time = [&](timespec value, std::string_view record) {
    const auto parsed = record.empty() ? std::optional(value) : parse_pax_time(record);
    if (!parsed) fail("invalid tar header: impossible time");
    return *parsed;
  };
  entry.mode = static_cast<uint32_t>(header.mode & 07777);
  entry.uid = narrow(header.uid, pax.uid, "uid");
  entry.gid = narrow(header.gid, pax.gid, "gid");
  entry.mtime = time({.tv_sec = header.mtime, .tv_nsec = 0}, pax.mtime);
  entry.atime = time({.tv_sec = header.atime.value_or(0), .tv_nsec = 0}, pax.atime);
  entry.xattrs = std::move(pax.xattrs);
  if (entry.type == TarType::char_device || entry.type == TarType::block_device) {
    entry.device_major = narrow(header.device_major, {}, "device number");
    entry.device_minor = narrow(header.device_minor, {}, "device number");
  }
}

void TarReader::State::set_size(std::optional<int64_t> size) {
  if (size && *size < 0 && header_only(entry.type)) size = 0;
  if (!size || *size < 0) fail("invalid tar header: impossible size");
  if (static_cast<uint64_t>(*size) > kMaxSize) fail("invalid tar header: absurd size");
  entry.size = static_cast<uint64_t>(*size);
}

// What is stated about the size so far is the size in the archive.
void TarReader::State::set_sparse(const TarHeader& header) {
  if (header.type_flag != 'S' && pax.sparse_major.empty() && pax.sparse_minor.empty() && pax.sparse_map.empty() &&
      !pax.has_sparse_pieces)
    return;
  sparse.reset(limits.sparse_segments);
  if (header.type_flag == 'S') {
    if (header.dialect != TarHeader::Dialect::gnu) fail("invalid tar header: a sparse file of unknown format");
    set_size(parse_tar_number(tar_field::gnu_real_size.of(header_block)));
    read_old_gnu_map();
  } else if (!read_pax_map()) {
    return;
  }
  if (header_only(entry.type)) fail("invalid tar header: sparse, but not a file");
  sparse.check(entry.size, data_left);
  entry.sparse = true;
}

void TarReader::State::read_old_gnu_map() {
  bool more = sparse.add_gnu_array(tar_field::gnu_sparse.of(header_block));
  while (more) {
    constexpr TarField kExtension{0, 21 * 24 + 1};
    const auto bytes = block();
    raw(bytes);
    if (bytes.size() < kTarBlock) fail("unexpected EOF in a sparse map");
    more = sparse.add_gnu_array(kExtension.of(bytes));
  }
}

// False when the records are of a version nobody knows; the member is then an ordinary file.
bool TarReader::State::read_pax_map() {
  const bool versioned = !pax.sparse_major.empty() || !pax.sparse_minor.empty();
  const bool lines = pax.sparse_major == "1" && pax.sparse_minor == "0";
  if (versioned && !lines && !(pax.sparse_major == "0" && (pax.sparse_minor == "0" || pax.sparse_minor == "1")))
    return false;
  if (!pax.sparse_name.empty()) entry.name = pax.sparse_name;
  const auto size = pax.sparse_size.empty() ? pax.sparse_real_size : pax.sparse_size;
  if (!size.empty()) set_size(parse_decimal(size));
  if (lines) {
    sparse.add_lines([&] {
      if (data_left < kTarBlock) fail("unexpected EOF in a sparse map");
      const auto bytes = block();
      if (bytes.size() < kTarBlock) fail("unexpected EOF in a sparse map");
      data_left -= kTarBlock;
      return bytes;
    });
    return true;
  }
  for (const auto& piece : pax.sparse_pieces) sparse.add(piece.offset, piece.length);
  if (!pax.has_sparse_pieces) sparse.add_list(pax.sparse_map);
  if (parse_decimal(pax.sparse_count) != static_cast<int64_t>(sparse.count()))
    fail("invalid tar header: a sparse map of another length than stated");
  return true;
}

void TarReader::State::finish() {
  ended = true;
  for (auto bytes = some(kBuffer); !bytes.empty(); bytes = some(kBuffer))
    if (observer) observer->remainder(bytes);
  if (observer) observer->end();
}

// ---- content ----

std::span<const char> TarReader::State::read_view(uint64_t limit) {
  uint64_t most = data_left;
  if (entry.sparse) {
    if (const uint64_t hole = sparse.hole(); hole > 0) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>({hole, limit, kZeros.size()}));
      sparse.advance(n);
      if (observer) observer->hole(n);
      return {kZeros.data(), n};
    }
    most = sparse.data();
  }
  if (most == 0) return {};
  const auto bytes = some(std::min(most, limit));
  if (bytes.empty()) fail("unexpected EOF, " + std::to_string(data_left) + " bytes of content are missing");
  data_left -= bytes.size();
  if (entry.sparse) sparse.advance(bytes.size());
  if (observer) observer->content(bytes);
  return bytes;
}

uint64_t TarReader::State::skip_hole() {
  const uint64_t hole = entry.sparse ? sparse.hole() : 0;
  if (hole == 0) return 0;
  sparse.advance(hole);
  if (observer) observer->hole(hole);
  return hole;
}

void TarReader::State::skip_content() {
  do {
    skip_hole();
  } while (!read_view(kBuffer).empty());
}

TarReader::TarReader(ByteSource& source, Observer* observer, TarLimits limits)
    : state_(std::make_unique<State>(source, observer, limits)) {}
TarReader::~TarReader() = default;

const TarEntry* TarReader::next() {
  return while_doing([&] { return state_->where(); }, [&] { return state_->next(); });
}

std::span<const char> TarReader::read_view() {
  return while_doing([&] { return state_->where(); }, [&] { return state_->read_view(kBuffer); });
}

size_t TarReader::read(std::span<char> into) {
  if (into.empty()) return 0;
  const auto bytes = while_doing([&] { return state_->where(); }, [&] { return state_->read_view(into.size()); });
  if (!bytes.empty()) std::memcpy(into.data(), bytes.data(), bytes.size());
  return bytes.size();
}

uint64_t TarReader::skip_hole() { return state_->skip_hole(); }

void TarReader::skip_content() {
  while_doing([&] { return state_->where(); }, [&] { state_->skip_content(); });
}

uint64_t TarReader::stream_bytes() const { return state_->used; }

// ---- names ----

std::string clean_path(std::string_view name) {
  const bool rooted = name.starts_with('/');
  std::string out;
  size_t fixed = 0;  // bytes of the leading ".." of `out`, which nothing takes back
  while (!name.empty()) {
    const size_t slash = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, slash);
    name.remove_prefix(std::min(slash + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (part == ".." && out.size() > fixed) {
      const size_t parent = out.rfind('/');
      out.resize(parent == std::string::npos ? 0 : parent);
      continue;
    }
    if (part == ".." && rooted) continue;
    if (!out.empty()) out += '/';
    out += part;
    if (part == "..") fixed = out.size();
  }
  return out.empty() ? "." : out;
}

}  // namespace cairn
