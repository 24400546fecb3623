#include "core/archive/compression.h"

#include <bzlib.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

using std::string_view_literals::operator""sv;

constexpr size_t kBuffer = 256 << 10;
constexpr int kMaxZstdWindowLog = 27;                                 // 128 MiB
constexpr uint64_t kMaxXzMemory = (uint64_t{128} << 20) + (2 << 20);  // a window of 128 MiB and the decoder itself

[[noreturn]] void corrupt(Compression kind, const std::string& why) {
  throw Error(Errc::corrupt, "inflating " + std::string(compression_name(kind)) + " data: " + why);
}

// Packed bytes, a buffer at a time.
class Input {
 public:
  explicit Input(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  // False when there is nothing more, now or ever.
  bool fill() {
    if (at_ < size_) return true;
    check_interrupt();
    at_ = 0;
    size_ = source_->read(std::span(buffer_.get(), kBuffer));
    return size_ > 0;
  }
  size_t left() const { return size_ - at_; }
  char* data() const { return buffer_.get() + at_; }
  void used(size_t count) { at_ += count; }
  void left_over(size_t count) { at_ = size_ - count; }

 private:
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<char[]> buffer_{new char[kBuffer]};
  size_t at_ = 0, size_ = 0;
};

uint8_t* bytes_of(char* text) { return reinterpret_cast<uint8_t*>(text); }
uint32_t at_most_4g(size_t size) { return static_cast<uint32_t>(std::min<size_t>(size, 1u << 30)); }

// RFC 1952's member header. ISA-L's own parser trips over extra fields and header checksums.
class GzipHeader {
 public:
  explicit GzipHeader(Input& input) : input_(input) {}
  void read() {
    enum : uint8_t { kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0 };
    if (byte() != 0x1f || byte() != 0x8b) corrupt(Compression::gzip, "invalid header");
    if (byte() != 8) corrupt(Compression::gzip, "unknown method");
    const uint8_t flags = byte();
    if (flags & kReserved) corrupt(Compression::gzip, "invalid header");
    skip(6);  // time, level, system
    if (flags & kExtra) skip(little_endian());
    if (flags & kName) skip_text();
    if (flags & kComment) skip_text();
    const uint32_t want = crc_ & 0xffff;
    if ((flags & kHeaderCrc) && little_endian() != want) corrupt(Compression::gzip, "invalid checksum of the header");
  }

 private:
  uint8_t byte() {
    if (!input_.fill()) corrupt(Compression::gzip, "unexpected EOF");
    const auto out = static_cast<uint8_t>(*input_.data());
    input_.used(1);
    crc_ = crc32_gzip_refl(crc_, &out, 1);
    return out;
  }
  unsigned little_endian() {
    const unsigned low = byte();
    return low | static_cast<unsigned>(byte()) << 8;
  }
  void skip(unsigned count) {
    while (count-- > 0) byte();
  }
  void skip_text() {
    while (byte() != 0) {
    }
  }

  Input& input_;
  uint32_t crc_ = 0;
};

class GzipSource : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> source) : input_(std::move(source)) {}

  size_t read(std::span<char> into) override {
    while (!ended_ && !into.empty()) {
      if (!in_member_) {
        if (!started_ || more_members())
          start_member();
        else
          ended_ = true;
      } else if (const size_t n = inflate(into)) {
        return n;
      }
    }
    return 0;
  }

 private:
  void start_member() {
    GzipHeader(input_).read();
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP_NO_HDR_VER;
    started_ = in_member_ = true;
  }

  // 0 when more has to be read, or at the end of a member.
  size_t inflate(std::span<char> into) {
    const bool more = input_.fill();
    state_->next_in = bytes_of(input_.data());
    state_->avail_in = at_most_4g(input_.left());
    state_->next_out = bytes_of(into.data());
    state_->avail_out = at_most_4g(into.size());
    const uint32_t room = state_->avail_out;
    const int result = isal_inflate(state_.get());
    input_.left_over(state_->avail_in);
    if (result == ISAL_INCORRECT_CHECKSUM) corrupt(Compression::gzip, "invalid checksum");
    if (result < 0) corrupt(Compression::gzip, "damaged");
    const size_t n = room - state_->avail_out;
    in_member_ = state_->block_state != ISAL_BLOCK_FINISH;
    if (n == 0 && !more && in_member_) corrupt(Compression::gzip, "unexpected EOF");
    return n;
  }

  // What may follow a member: another one, or zeros to the end of the stream (tape blocks).
  bool more_members() {
    if (!input_.fill()) return false;
    if (*input_.data() != '\0') return true;
    do {
      const size_t left = input_.left();
      if (std::any_of(input_.data(), input_.data() + left, [](char c) { return c != '\0'; }))
        corrupt(Compression::gzip, "invalid header after the last member");
      input_.used(left);
    } while (input_.fill());
    return false;
  }

  Input input_;
  std::unique_ptr<inflate_state> state_{new inflate_state};
  bool started_ = false, in_member_ = false, ended_ = false;
};

// Any number of frames, skippable ones among them.
class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<ByteSource> source) : input_(std::move(source)) {
    if (!stream_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }

  size_t read(std::span<char> into) override {
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    while (out.pos == 0 && out.size > 0) {
      const bool more = input_.fill();
      if (!more && at_frame_end_) break;
      ZSTD_inBuffer in{input_.data(), input_.left(), 0};
      const size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
      input_.used(in.pos);
      if (ZSTD_isError(result)) refuse(result);
      at_frame_end_ = result == 0;
      if (!more && out.pos == 0 && !at_frame_end_) corrupt(Compression::zstd, "unexpected EOF");
    }
    return out.pos;
  }

 private:
  [[noreturn]] static void refuse(size_t result) {
    if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge)
      throw Error(Errc::unsupported, "inflating zstd data: it needs a window of more than 128 MiB");
    corrupt(Compression::zstd, ZSTD_getErrorName(result));
  }

  Input input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_{ZSTD_createDStream(), ZSTD_freeDStream};
  bool at_frame_end_ = false;
};

class XzSource : public ByteSource {
 public:
  explicit XzSource(std::unique_ptr<ByteSource> source) : input_(std::move(source)) {
    if (lzma_stream_decoder(&stream_, kMaxXzMemory, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
  }
  ~XzSource() override { lzma_end(&stream_); }
  XzSource(const XzSource&) = delete;

  size_t read(std::span<char> into) override {
    stream_.next_out = bytes_of(into.data());
    stream_.avail_out = into.size();
    while (!ended_ && stream_.avail_out == into.size() && !into.empty()) {
      const bool more = input_.fill();
      stream_.next_in = bytes_of(input_.data());
      stream_.avail_in = input_.left();
      const lzma_ret result = lzma_code(&stream_, more ? LZMA_RUN : LZMA_FINISH);
      input_.left_over(stream_.avail_in);
      ended_ = result == LZMA_STREAM_END;
      if (result != LZMA_OK && !ended_) refuse(result);
    }
    return into.size() - stream_.avail_out;
  }

 private:
  [[noreturn]] static void refuse(lzma_ret result) {
    switch (result) {
      case LZMA_MEM_ERROR:
        throw std::bad_alloc();
      case LZMA_MEMLIMIT_ERROR:
        throw Error(Errc::unsupported, "inflating xz data: it needs a window of more than 128 MiB");
      case LZMA_OPTIONS_ERROR:
        throw Error(Errc::unsupported, "inflating xz data: it uses options this liblzma does not know");
      case LZMA_BUF_ERROR:
        corrupt(Compression::xz, "unexpected EOF");
      default:
        corrupt(Compression::xz, "damaged");
    }
  }

  Input input_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class Bzip2Source : public ByteSource {
 public:
  explicit Bzip2Source(std::unique_ptr<ByteSource> source) : input_(std::move(source)) { start(); }
  ~Bzip2Source() override { BZ2_bzDecompressEnd(&stream_); }
  Bzip2Source(const Bzip2Source&) = delete;

  size_t read(std::span<char> into) override {
    stream_.next_out = into.data();
    stream_.avail_out = at_most_4g(into.size());
    const unsigned room = stream_.avail_out;
    while (stream_.avail_out == room && room > 0) {
      const bool more = input_.fill();
      if (at_end_ && !more) break;
      if (at_end_) {
        BZ2_bzDecompressEnd(&stream_);
        start();
        stream_.next_out = into.data();
        stream_.avail_out = room;
      }
      inflate(more);
    }
    return room - stream_.avail_out;
  }

 private:
  void start() {
    stream_ = {};
    at_end_ = false;
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }

  void inflate(bool more) {
    const unsigned room = stream_.avail_out;
    stream_.next_in = input_.data();
    stream_.avail_in = at_most_4g(input_.left());
    const int result = BZ2_bzDecompress(&stream_);
    input_.left_over(stream_.avail_in);
    at_end_ = result == BZ_STREAM_END;
    if (result == BZ_MEM_ERROR) throw std::bad_alloc();
    if (result != BZ_OK && !at_end_) corrupt(Compression::bzip2, "damaged");
    if (!more && !at_end_ && stream_.avail_out == room) corrupt(Compression::bzip2, "unexpected EOF");
  }

  Input input_;
  bz_stream stream_{};
  bool at_end_ = false;
};

}  // namespace

std::string_view compression_name(Compression kind) noexcept {
  constexpr std::string_view names[] = {"plain", "gzip", "zstd", "xz", "bzip2"};
  return names[static_cast<size_t>(kind)];
}

Compression detect_compression(std::string_view first) noexcept {
  if (first.starts_with("\x1f\x8b\x08"sv)) return Compression::gzip;
  if (first.starts_with("BZh"sv)) return Compression::bzip2;
  if (first.starts_with("\xfd"
                        "7zXZ\0"sv))
    return Compression::xz;
  if (first.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
  // A skippable frame, which has a size after the magic number.
  if (first.size() >= 8 && (first[0] & 0xf0) == 0x50 && first.substr(1, 3) == "\x2a\x4d\x18"sv)
    return Compression::zstd;
  return Compression::none;
}

std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> source) {
  std::string first(10, '\0');
  first.resize(read_full(*source, first));
  const Compression kind = detect_compression(first);
  auto whole = concatenate(std::move(first), std::move(source));
  switch (kind) {
    case Compression::gzip:
      return std::make_unique<GzipSource>(std::move(whole));
    case Compression::zstd:
      return std::make_unique<ZstdSource>(std::move(whole));
    case Compression::xz:
      return std::make_unique<XzSource>(std::move(whole));
    case Compression::bzip2:
      return std::make_unique<Bzip2Source>(std::move(whole));
    case Compression::none:
      break;
  }
  return whole;
}

// ---- packing ----

struct GzipSink::State {
  explicit State(ByteSink& sink) : out(sink) {
    isal_deflate_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.level = 1;
    stream.level_buf = level_buffer.data();
    stream.level_buf_size = static_cast<uint32_t>(level_buffer.size());
  }

  // Packs all of `plain`.
  void pack() {
    stream.next_in = bytes_of(plain.data());
    stream.avail_in = static_cast<uint32_t>(plain.size());
    do {
      stream.next_out = bytes_of(packed.data());
      stream.avail_out = static_cast<uint32_t>(packed.size());
      if (const int result = isal_deflate(&stream); result != COMP_OK)
        throw Error(Errc::io, "packing gzip data: ISA-L gives up with " + std::to_string(result));
      const size_t n = packed.size() - stream.avail_out;
      if (n > 0) out.write(std::span(packed).first(n));
    } while (stream.avail_in > 0 || stream.avail_out == 0 ||
             (stream.end_of_stream && stream.internal_state.state != ZSTATE_END));
    plain.clear();
  }

  ByteSink& out;
  std::string plain;  // ISA-L's output depends on the pieces it is given: these are always of one size
  isal_zstream stream;
  std::vector<uint8_t> level_buffer = std::vector<uint8_t>(ISAL_DEF_LVL1_DEFAULT);
  std::vector<char> packed = std::vector<char>(kBuffer);
  bool finished = false;
};

GzipSink::GzipSink(ByteSink& out) : state_(std::make_unique<State>(out)) {}
GzipSink::~GzipSink() = default;

void GzipSink::write(std::span<const char> bytes) {
  auto& plain = state_->plain;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kBuffer - plain.size()));
    bytes = bytes.subspan(part.size());
    plain.append(part.data(), part.size());
    if (plain.size() == kBuffer) state_->pack();
  }
}

void GzipSink::finish() {
  if (std::exchange(state_->finished, true)) return;
  state_->stream.end_of_stream = 1;
  state_->pack();
}

}  // namespace cairn
