#include "core/archive/tar_split.h"

#include <isa-l/crc64.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "core/archive/base64.h"
#include "core/archive/json_stream.h"
#include "core/archive/pax.h"
#include "core/archive/tar_header.h"
#include "core/json/go_json.h"
#include "core/json/scanner.h"
#include "core/json/utf8.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

constexpr size_t kMaxLine = 64 << 20;
constexpr size_t kFlushAt = 128 << 10;
// Docker writes one segment per gap between contents, however long, and cuts what follows the end marker into 1 MiB.
// A reader keeps a segment in memory and puts them together again in order, so cutting long ones harms none.
constexpr size_t kSegment = 16 << 20, kRemainderSegment = 1 << 20;

// Polynomials over GF(2) modulo the CRC's, as the CRC keeps them: the highest bit is x^0.
constexpr uint64_t kPolynomial = 0xD800000000000000;

uint64_t multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  for (; b != 0; b <<= 1) {
    if (b >> 63) product ^= a;
    a = a >> 1 ^ (a & 1 ? kPolynomial : 0);
  }
  return product;
}

// The CRC after `count` more zero bytes: the register times x^(8*count), instead of feeding them.
uint64_t crc64_zeros(uint64_t crc, uint64_t count) {
  static const auto powers = [] {  // x^(8*2^i)
    std::array<uint64_t, 64> out{};
    out[0] = uint64_t{1} << (63 - 8);
    for (size_t i = 1; i < out.size(); ++i) out[i] = multiply(out[i - 1], out[i - 1]);
    return out;
  }();
  uint64_t reg = ~crc;
  for (size_t i = 0; count != 0; ++i, count >>= 1)
    if (count & 1) reg = multiply(reg, powers[i]);
  return ~reg;
}

std::array<char, 8> big_endian(uint64_t value) {
  std::array<char, 8> out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(value >> (56 - 8 * i));
  return out;
}

// Docker compares cleaned names that keep their leading slash: "/a" and "a" are two.
std::string duplicate_key(std::string_view name) {
  std::string clean = clean_path(name);
  if (!name.starts_with('/')) return clean;
  return clean == "." ? "/" : "/" + clean;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = go_json::utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool needs_no_escape(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
  });
}

void append_name(std::string& out, const std::string& name) {
  if (name.empty()) return;
  if (needs_no_escape(name)) {
    out.append(",\"name\":\"").append(name).append("\"");
  } else if (is_utf8(name)) {
    out.append(",\"name\":").append(go_json::quote(name));
  } else {
    out += ",\"name_raw\":\"";
    append_base64(out, name);
    out += '"';
  }
}

void refuse_duplicate(std::unordered_set<std::string>& seen, std::string_view name) {
  if (!seen.insert(duplicate_key(name)).second)
    throw Error(Errc::corrupt, "tar-split of '" + printable(name) + "': duplicates of file paths not supported");
}

}  // namespace

uint64_t crc64(uint64_t seed, std::span<const char> bytes) {
  return crc64_iso_refl(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

// ---- writing ----

struct TarSplitWriter::State {
  explicit State(ByteSink& sink) : out(sink) {}

  void add_to_segment(std::span<const char> bytes);
  void close_segment();
  void close_file();
  void end_line();
  void flush();

  ByteSink& out;
  std::string text;  // lines not yet given to `out`
  uint64_t position = 0;
  int64_t content_bytes = 0;
  std::unordered_set<std::string> seen;

  bool in_segment = false;
  size_t segment_size = 0, segment_limit = kSegment;
  Base64Stream base64;

  bool in_file = false;
  std::string name;
  uint64_t size = 0, crc = 0;
};

void TarSplitWriter::State::end_line() {
  text.append(",\"position\":").append(std::to_string(position++)).append("}\n");
  if (text.size() >= kFlushAt) flush();
}

void TarSplitWriter::State::flush() {
  out.write(text);
  text.clear();
}

void TarSplitWriter::State::add_to_segment(std::span<const char> bytes) {
  while (!bytes.empty()) {
    if (!in_segment) text += "{\"type\":2,\"payload\":\"";
    in_segment = true;
    const auto part = bytes.first(std::min(bytes.size(), segment_limit - segment_size));
    bytes = bytes.subspan(part.size());
    segment_size += part.size();
    base64.add(text, part);
    if (segment_size == segment_limit) close_segment();
    if (text.size() >= kFlushAt) flush();
  }
}

void TarSplitWriter::State::close_segment() {
  if (!std::exchange(in_segment, false)) return;
  base64.finish(text);
  segment_size = 0;
  text += '"';
  end_line();
}

void TarSplitWriter::State::close_file() {
  if (!std::exchange(in_file, false)) return;
  text += "{\"type\":1";
  append_name(text, name);
  if (size == 0) {
    text += ",\"payload\":null";
  } else {
    text.append(",\"size\":").append(std::to_string(size)).append(",\"payload\":\"");
    append_base64(text, big_endian(crc));
    text += '"';
  }
  end_line();
}

TarSplitWriter::TarSplitWriter(ByteSink& out) : state_(std::make_unique<State>(out)) {}
TarSplitWriter::~TarSplitWriter() = default;

void TarSplitWriter::raw(std::span<const char> bytes) {
  state_->close_file();
  state_->add_to_segment(bytes);
}

void TarSplitWriter::remainder(std::span<const char> bytes) {
  if (state_->segment_limit != kRemainderSegment) {
    state_->close_file();
    state_->close_segment();
    state_->segment_limit = kRemainderSegment;
  }
  state_->add_to_segment(bytes);
}

void TarSplitWriter::entry(const TarEntry& entry) {
  state_->close_file();
  state_->close_segment();
  refuse_duplicate(state_->seen, entry.name);
  if (__builtin_add_overflow(state_->content_bytes, entry.size, &state_->content_bytes))
    throw Error(Errc::corrupt, "tar-split of '" + printable(entry.name) + "': absurd size");
  state_->in_file = true;
  state_->name = entry.name;
  state_->size = entry.size;
  state_->crc = 0;
}

void TarSplitWriter::content(std::span<const char> bytes) { state_->crc = crc64(state_->crc, bytes); }
void TarSplitWriter::hole(uint64_t bytes) { state_->crc = crc64_zeros(state_->crc, bytes); }

void TarSplitWriter::end() {
  state_->close_file();
  state_->close_segment();
  state_->flush();
}

int64_t TarSplitWriter::content_bytes() const { return state_->content_bytes; }

// ---- reading ----

namespace {

struct Fields {
  int64_t type = 0, size = 0;
  std::string name, name_raw;
  std::string payload;
};

std::string from_base64(std::string_view text) {
  std::string out;
  if (!append_from_base64(out, text)) throw Error(Errc::corrupt, "damaged base64");
  return out;
}

int64_t integer(std::string_view raw) {
  const auto value = raw.starts_with('+') ? std::nullopt : parse_decimal(raw);
  if (!value) throw Error(Errc::corrupt, "'" + printable(raw) + "' is no integer");
  return *value;
}

// Any JSON object.
void parse_object(std::string_view text, Fields& into) {
  go_json::Scanner scanner(text);
  scanner.skip_if('{');
  scanner.skip_space();
  if (scanner.skip_if('}')) return;
  do {
    const std::string key = go_json::unquote(scanner.key());
    const std::string_view raw = scanner.value(1);
    const bool null = raw == "null";
    const auto string = [&] {
      if (!null && !raw.starts_with('"')) throw Error(Errc::corrupt, "'" + printable(key) + "' is no string");
      return null ? std::string() : go_json::unquote(raw);
    };
    if (key == "type") into.type = null ? 0 : integer(raw);
    if (key == "size") into.size = null ? 0 : integer(raw);
    if (key == "name") into.name = string();
    if (key == "name_raw") into.name_raw = from_base64(string());
    if (key == "payload") into.payload = from_base64(string());
    scanner.skip_space();
  } while (scanner.skip_if(','));
  if (!scanner.skip_if('}')) scanner.refuse("expected ',' or '}'");
}

// An object spelled as Docker and cairn spell it, without the detours a general parser makes. False, with `into`
// unusable, for any other.
class PlainLine {
 public:
  explicit PlainLine(std::string_view text) : text_(text) {}
  bool parse(Fields& into) {
    if (!skip("{\"type\":") || !number(into.type)) return false;
    if (skip(",\"name\":\"") && !quoted(into.name)) return false;
    if (skip(",\"size\":") && !number(into.size)) return false;
    if (!skip(",\"payload\":") || !(skip("null") || (skip("\"") && base64(into.payload)))) return false;
    int64_t position = 0;
    return skip(",\"position\":") && number(position) && text_ == "}";
  }

 private:
  bool skip(std::string_view token) {
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  bool number(int64_t& into) {
    const size_t digits = std::min(text_.find_first_not_of("0123456789"), text_.size());
    const auto value = parse_decimal(text_.substr(0, digits));
    const bool leading_zero = digits > 1 && text_[0] == '0';
    if (value) into = *value;
    text_.remove_prefix(digits);
    return value && !leading_zero;
  }
  bool quoted(std::string& into) {
    const size_t end = text_.find('"');
    if (end == std::string_view::npos) return false;
    const auto name = text_.substr(0, end);
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c < 0x7f && c != '\\'; })) return false;
    into = name;
    text_.remove_prefix(end + 1);
    return true;
  }
  bool base64(std::string& into) {
    const size_t end = text_.find('"');
    if (end == std::string_view::npos || !append_from_base64(into, text_.substr(0, end))) return false;
    text_.remove_prefix(end + 1);
    return true;
  }

  std::string_view text_;
};

}  // namespace

struct TarSplitReader::State {
  explicit State(ByteSource& source) : objects(source, kMaxLine) {}
  bool next(TarSplitEntry& into);
  bool take(std::string_view object, TarSplitEntry& into);

  JsonObjectStream objects;
  std::unordered_set<std::string> seen;
};

// False for an entry of a kind nobody knows, which readers pass over.
bool TarSplitReader::State::take(std::string_view object, TarSplitEntry& into) {
  Fields fields;
  fields.payload.swap(into.payload);  // keeps its memory
  fields.payload.clear();
  if (!PlainLine(object).parse(fields)) {
    fields = {};
    parse_object(object, fields);
  }
  if (fields.type != 1 && fields.type != 2) return false;
  if (fields.size < 0) throw Error(Errc::corrupt, "a negative size");
  into.kind = fields.type == 1 ? TarSplitEntry::Kind::file : TarSplitEntry::Kind::segment;
  into.name = fields.name_raw.empty() ? std::move(fields.name) : std::move(fields.name_raw);
  into.size = static_cast<uint64_t>(fields.size);
  into.payload = std::move(fields.payload);
  if (into.kind == TarSplitEntry::Kind::file) refuse_duplicate(seen, into.name);
  return true;
}

bool TarSplitReader::State::next(TarSplitEntry& into) {
  while (const auto object = objects.next())
    if (while_doing([&] { return "at byte " + std::to_string(objects.offset()); }, [&] { return take(*object, into); }))
      return true;
  return false;
}

TarSplitReader::TarSplitReader(ByteSource& json_lines) : state_(std::make_unique<State>(json_lines)) {}
TarSplitReader::~TarSplitReader() = default;

bool TarSplitReader::next(TarSplitEntry& into) {
  return while_doing([] { return "reading tar-split data"; }, [&] { return state_->next(into); });
}

// ---- putting together ----

namespace {

// Whether `entry` had no data in the archive whatever its size says. Docker would look for a file; the header in front
// of the entry knows better.
bool stated_size_only(const TarSplitEntry& entry, std::string_view segment) {
  if (entry.payload != std::string(8, '\0') || segment.size() < kTarBlock) return false;
  const char type = segment[segment.size() - kTarBlock + tar_field::type.at];
  return (type >= '1' && type <= '6') || (type == '\0' && entry.name.ends_with('/'));
}

// Segments are small and many, `out` may be a file.
class Gather {
 public:
  explicit Gather(ByteSink& out) : out_(out) {}
  void write(std::span<const char> bytes) {
    if (bytes.size() < kFlushAt / 4) {
      text_.append(bytes.data(), bytes.size());
      if (text_.size() >= kFlushAt) flush();
    } else {
      flush();
      out_.write(bytes);
    }
  }
  void flush() {
    if (!text_.empty()) out_.write(text_);
    text_.clear();
  }

 private:
  ByteSink& out_;
  std::string text_;
};

void copy_content(const TarSplitEntry& entry, const ContentOpener& open, std::span<char> buffer, Gather& out) {
  const auto source = [&] {
    try {
      return open(clean_path(entry.name));
    } catch (const Error& e) {
      if (e.code() != Errc::not_found) throw;
      throw Error(Errc::corrupt, e.what());
    }
  }();
  if (!source) throw Error(Errc::corrupt, "the file is missing");
  uint64_t crc = 0;
  while (const size_t n = source->read(buffer)) {
    check_interrupt();
    crc = crc64(crc, buffer.first(n));
    out.write(buffer.first(n));
  }
  const auto want = big_endian(crc);
  if (entry.payload != std::string_view(want.data(), want.size()))
    throw Error(Errc::corrupt, "file integrity checksum failed for '" + printable(entry.name) + "'");
}

}  // namespace

namespace {

// Calls `segment` and `content` for what the tar is made of, in order; entries without data are left out. Returns the
// sum of entry sizes.
template <typename Segment, typename Content>
int64_t walk(ByteSource& json_lines, Segment&& segment, Content&& content) {
  TarSplitReader reader(json_lines);
  std::string header;
  int64_t content_bytes = 0;
  for (TarSplitEntry entry; reader.next(entry);) {
    if (entry.kind == TarSplitEntry::Kind::segment) {
      segment(entry.payload);
      header.assign(entry.payload, entry.payload.size() - std::min(entry.payload.size(), kTarBlock));
      continue;
    }
    if (__builtin_add_overflow(content_bytes, entry.size, &content_bytes))
      throw Error(Errc::corrupt, "putting a layer's tar together: '" + printable(entry.name) + "' has an absurd size");
    if (entry.size != 0 && !stated_size_only(entry, header)) content(entry);
  }
  return content_bytes;
}

}  // namespace

int64_t reassemble(ByteSource& json_lines, const ContentOpener& open, ByteSink& out) {
  Gather gathered(out);
  std::string buffer(256 << 10, '\0');
  const int64_t content_bytes = walk(
      json_lines, [&](const std::string& bytes) { gathered.write(bytes); },
      [&](const TarSplitEntry& entry) {
        while_doing([&] { return "putting '" + printable(entry.name) + "' back into a layer's tar"; },
                    [&] { copy_content(entry, open, buffer, gathered); });
      });
  gathered.flush();
  return content_bytes;
}

uint64_t reassembled_size(ByteSource& json_lines) {
  uint64_t size = 0;
  walk(
      json_lines, [&](const std::string& bytes) { size += bytes.size(); },
      [&](const TarSplitEntry& entry) { size += entry.size; });
  return size;
}

}  // namespace cairn
