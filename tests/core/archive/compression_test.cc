#include "core/archive/compression.h"

#include <gmock/gmock.h>
#include <lzma.h>
#include <zlib.h>

#include <cstring>

#include "core/archive/tar_reader.h"
#include "core/util/error.h"
#include "tests/core/archive/tar_blocks.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

using testing::HasSubstr;
using std::string_literals::operator""s;

constexpr size_t kLimit = 64 << 20;

std::string inflate(const std::string& packed, size_t step = 1 << 20) {
  return read_all(*decompress(in_steps(packed, step)), kLimit);
}

// Text that packs, and noise that does not.
std::string sample(size_t size) {
  std::string out;
  uint32_t seed = 1;
  while (out.size() < size) {
    seed = seed * 1664525 + 1013904223;
    if (out.size() / 10'000 % 2 == 0)
      out += "line " + std::to_string(seed >> 24) + "\n";
    else
      out.append(reinterpret_cast<const char*>(&seed), sizeof seed);
  }
  out.resize(size);
  return out;
}

std::string packed_by(const std::string& command, const std::string& content) {
  const TempDir dir;
  write_file(dir / "in", content);
  run(dir.path().string(), "{ " + command + "; } <in >out");
  return read_file(dir / "out");
}

std::string gzipped(const std::string& content) {
  StringSink out;
  GzipSink sink(out);
  sink.write(content);
  sink.finish();
  return out.text;
}

// ---- what it is ---- P1 to P5, P14 to P18, P109

struct DetectCase {
  const char* name;
  std::string first;
  Compression want;
};
class Detect : public testing::TestWithParam<DetectCase> {};
TEST_P(Detect, ByContent) { EXPECT_EQ(detect_compression(GetParam().first), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(, Detect,
                         testing::Values(DetectCase{"nothing", "", Compression::none},
                                         DetectCase{"zeros", std::string(10, '\0'), Compression::none},
                                         DetectCase{"text", "BZ is not h", Compression::none},
                                         DetectCase{"gzip", "\x1f\x8b\x08\0"s, Compression::gzip},
                                         DetectCase{"gzip_of_another_method", "\x1f\x8b\x07\0"s, Compression::none},
                                         DetectCase{"two_bytes_of_gzip", "\x1f\x8b", Compression::none},
                                         DetectCase{"bzip2", "BZh9", Compression::bzip2},
                                         DetectCase{"xz",
                                                    "\xfd"
                                                    "7zXZ\0\0\x04"s,
                                                    Compression::xz},
                                         DetectCase{"five_bytes_of_xz",
                                                    "\xfd"
                                                    "7zXZ",
                                                    Compression::none},
                                         DetectCase{"zstd", "\x28\xb5\x2f\xfd"s, Compression::zstd},
                                         DetectCase{"zstd_skippable", "\x5e\x2a\x4d\x18\0\0\0\0"s, Compression::zstd},
                                         DetectCase{"cut_skippable", "\x50\x2a\x4d\x18\0\0\0"s, Compression::none},
                                         DetectCase{"not_skippable", "\x60\x2a\x4d\x18\0\0\0\0"s, Compression::none},
                                         DetectCase{"seven_zip", "7z\xbc\xaf\x27\x1c", Compression::none},
                                         DetectCase{"lzma_alone", "\x5d\0\0\x80\0"s, Compression::none}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Compression, HasNames) {
  EXPECT_EQ(compression_name(Compression::none), "plain");
  EXPECT_EQ(compression_name(Compression::bzip2), "bzip2");
}

TEST(Compression, PlainBytesPassWhateverTheirLength) {
  for (const size_t size : {0, 1, 9, 10, 11, 100'000})
    for (const size_t step : {1, 4, 1000}) EXPECT_EQ(inflate(sample(size), step), sample(size)) << size;
}

// ---- streams of real programs ---- P8 to P10, P109

struct Packer {
  const char *name, *command;
};
class RealStream : public testing::TestWithParam<Packer> {
 protected:
  void SetUp() override {
    const std::string command = GetParam().command;
    if (!has_program(command.substr(0, command.find(' ')))) GTEST_SKIP() << command << " is missing";
  }
};
TEST_P(RealStream, IsInflated) {
  for (const size_t size : {0, 1, 1000, 1'000'000}) {
    const std::string content = sample(size), packed = packed_by(GetParam().command, content);
    ASSERT_NE(detect_compression(packed.substr(0, 10)), Compression::none);
    for (const size_t step : {7, 4096, 1 << 20})
      if (size < 10'000 || step > 7) {
        EXPECT_EQ(inflate(packed, step), content) << size << " in steps of " << step;
      }
  }
}
TEST_P(RealStream, MayHaveSeveralParts) {
  const std::string one = packed_by(GetParam().command, sample(50'000)), empty = packed_by(GetParam().command, "");
  for (const size_t step : {1, 3, 1000, 1 << 20})
    EXPECT_EQ(inflate(one + empty + one + empty, step), sample(50'000) + sample(50'000)) << step;
}
TEST_P(RealStream, OfJunkIsNoTar) {
  for (const auto& [junk, why] : {std::pair{"junk"s, "unexpected EOF"}, {repeat("junk", 1000), "invalid tar header"}}) {
    const auto source = decompress(read_from(packed_by(GetParam().command, junk)));
    TarReader reader(*source);
    EXPECT_THAT(error_of([&] { reader.next(); }), HasSubstr(why));
  }
}
TEST_P(RealStream, IsCorruptWhenCutAnywhere) {
  const std::string content = sample(3000), packed = packed_by(GetParam().command, content);
  for (size_t size = 10; size < packed.size(); ++size) {
    try {
      inflate(packed.substr(0, size));
      ADD_FAILURE() << "nothing thrown at " << size;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << size;
      EXPECT_THAT(e.what(), HasSubstr("unexpected EOF")) << size;
    }
  }
}
TEST_P(RealStream, IsCorruptWithGarbageBehindIt) {
  const std::string packed = packed_by(GetParam().command, "content");
  for (const char* garbage : {"x", "garbage that is long enough", "\x1f"})
    EXPECT_THROW(inflate(packed + garbage), Error) << garbage;
}
TEST_P(RealStream, GivesWhatItCanBeforeTheDamage) {
  const std::string content = sample(1'500'000), packed = packed_by(GetParam().command, content);
  const auto source = decompress(read_from(packed.substr(0, packed.size() - 10)));
  std::string start(500'000, '\0');
  EXPECT_EQ(read_full(*source, start), start.size());
  EXPECT_EQ(start, content.substr(0, start.size()));
  EXPECT_THROW(drain(*source), Error);
}
TEST_P(RealStream, NeverTurnsADamagedByteIntoOtherContent) {
  const std::string content = sample(3000), packed = packed_by(GetParam().command, content);
  for (size_t at = 0; at < packed.size(); ++at) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    try {
      const std::string got = inflate(damaged);
      EXPECT_TRUE(got == content || got == damaged) << at;  // no checksum covers it, or it is no longer packed at all
    } catch (const Error&) {
    }
  }
}
INSTANTIATE_TEST_SUITE_P(, RealStream,
                         testing::Values(Packer{"gzip", "gzip -c"}, Packer{"gzip_best", "gzip -9c"},
                                         Packer{"pigz", "pigz -p 4 -b 128 -c"}, Packer{"pigz_rsyncable", "pigz -R -c"},
                                         Packer{"xz", "xz -1c"}, Packer{"xz_sha", "xz -C sha256 -0c"},
                                         Packer{"bzip2", "bzip2 -c"}, Packer{"zstd", "zstd -qc --check"}),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- gzip ----

TEST(Gzip, ZerosBehindTheLastMemberAreIgnored) {
  const std::string packed = gzipped("one") + gzipped("two");
  for (const size_t zeros : {1, 7, 512, 1'000'000})
    for (const size_t step : {5, 1 << 20}) EXPECT_EQ(inflate(packed + std::string(zeros, '\0'), step), "onetwo");
}

struct GarbageCase {
  const char* name;
  std::string tail;
};
class GzipTail : public testing::TestWithParam<GarbageCase> {};
TEST_P(GzipTail, IsCorrupt) {
  EXPECT_THAT(error_of([] { inflate(gzipped("content") + GetParam().tail); }), HasSubstr("inflating gzip data"));
}
INSTANTIATE_TEST_SUITE_P(, GzipTail,
                         testing::Values(GarbageCase{"text", "garbage"},
                                         GarbageCase{"text_after_zeros", std::string(600, '\0') + "x"},
                                         GarbageCase{"member_after_zeros", std::string(512, '\0') + gzipped("x")},
                                         GarbageCase{"part_of_a_header", "\x1f\x8b"},
                                         GarbageCase{"reserved_flag", "\x1f\x8b\x08\x80\0\0\0\0\0\0"s},
                                         GarbageCase{"other_method", "\x1f\x8b\x07\0\0\0\0\0\0\0"s}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Gzip, OptionalHeaderFieldsAreSkipped) {
  const std::string plain = gzipped("content");
  std::string header = plain.substr(0, 10) + "\x05\0extra"s + "name\0"s + "comment\0"s;
  header[3] = 0x1e;
  const auto crc = static_cast<uint16_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(header.data()), static_cast<uInt>(header.size())));
  header += static_cast<char>(crc & 255);
  header += static_cast<char>(crc >> 8);
  for (const size_t step : {1, 2, 1000}) EXPECT_EQ(inflate(header + plain.substr(10), step), "content");
  ++header[4];  // a byte of the time, which only the header's own checksum covers
  EXPECT_THAT(error_of([&] { inflate(header + plain.substr(10)); }), HasSubstr("invalid checksum of the header"));
}

TEST(Gzip, AWrongChecksumOrLengthIsNoticed) {
  const std::string packed = gzipped(sample(100'000));
  for (const size_t from_end : {8, 5, 4, 1}) {
    std::string damaged = packed;
    ++damaged[damaged.size() - from_end];
    EXPECT_THAT(error_of([&] { inflate(damaged); }), HasSubstr("invalid checksum")) << from_end;
  }
}

TEST(Gzip, ReadsIntoBuffersOfAnySize) {
  const std::string content = sample(200'000), packed = gzipped(content);
  for (const size_t size : {1, 3, 100, 32'768, 65'537}) {
    const auto source = decompress(read_from(packed));
    std::string got, buffer(size, '\0');
    while (const size_t n = source->read(buffer)) got.append(buffer, 0, n);
    ASSERT_EQ(got, content) << size;
    EXPECT_EQ(source->read({}), 0u);
  }
}

TEST(Gzip, ABombIsInflatedInPieces) {
  const std::string packed = packed_by("cat >/dev/null; head -c 200000000 /dev/zero | gzip -c", "");
  const uint64_t before = peak_memory();
  const auto source = decompress(read_from(packed));
  EXPECT_EQ(drain(*source), 200'000'000u);
  EXPECT_LT(peak_memory() - before, 16u << 20);
}

// ---- packing ----

TEST(GzipSink, WritesGosHeader) {
  const std::string packed = gzipped("content");
  EXPECT_EQ(packed.substr(0, 10), "\x1f\x8b\x08\0\0\0\0\0\0\xff"s);
}

TEST(GzipSink, IsReadByGzipAndByUs) {
  for (const size_t size : {0, 1, 65'535, 65'536, 5'000'000}) {
    const std::string content = sample(size), packed = gzipped(content);
    EXPECT_EQ(packed_by("gzip -dc", packed), content) << size;
    EXPECT_EQ(inflate(packed), content) << size;
  }
}

TEST(GzipSink, GivesTheSameBytesHoweverTheyCome) {
  const std::string content = sample(500'000);
  for (const size_t step : {777, 65'536, 500'000}) {
    StringSink out;
    GzipSink sink(out);
    for (size_t at = 0; at < content.size(); at += step)
      sink.write(std::span(content).subspan(at, std::min(step, content.size() - at)));
    sink.finish();
    sink.finish();
    EXPECT_EQ(inflate(out.text), content);
    EXPECT_TRUE(out.text == gzipped(content)) << step;
  }
}

TEST(GzipSink, PacksText) { EXPECT_LT(gzipped(repeat("some line of text\n", 100'000)).size(), 60'000u); }

TEST(GzipSink, IsIncompleteWithoutFinish) {
  StringSink out;
  GzipSink(out).write(sample(1'000'000));
  ASSERT_GT(out.text.size(), 10u);
  EXPECT_THAT(error_of([&] { inflate(out.text); }), HasSubstr("unexpected EOF"));
}

// ---- memory ----

TEST(Zstd, AWindowOf128MiBIsReadAndALargerOneRefused) {
  if (!has_program("zstd")) GTEST_SKIP() << "zstd is missing";
  EXPECT_EQ(inflate(packed_by("zstd -qc --long=27", sample(100'000))), sample(100'000));
  try {
    inflate(packed_by("zstd -qc --long=28", sample(100'000)));
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unsupported);
    EXPECT_THAT(e.what(), HasSubstr("128 MiB"));
  }
}

TEST(Zstd, SkippableFramesAreSkipped) {
  if (!has_program("zstd")) GTEST_SKIP() << "zstd is missing";
  const std::string skippable = "\x53\x2a\x4d\x18\x05\0\0\0abcde"s, frame = packed_by("zstd -qc", "content");
  for (const size_t step : {1, 1000}) EXPECT_EQ(inflate(skippable + frame + skippable + frame, step), "contentcontent");
  EXPECT_EQ(inflate(skippable), "");
}

// The dictionary size is one byte of the block header: 2 << 12, 3 << 12, 2 << 13 ...
std::string xz_with_dictionary(char code) {
  std::string packed = packed_by("xz -0c", "content");
  const size_t block = 12;
  EXPECT_EQ(packed[block + 2], 0x21) << "the filter is LZMA2";
  packed[block + 4] = code;
  const size_t size = (static_cast<size_t>(packed[block]) + 1) * 4;
  const uint32_t crc = lzma_crc32(reinterpret_cast<const uint8_t*>(packed.data()) + block, size - 4, 0);
  std::memcpy(packed.data() + block + size - 4, &crc, 4);
  return packed;
}

TEST(Xz, AWindowOf128MiBIsReadAndALargerOneRefused) {
  if (!has_program("xz")) GTEST_SKIP() << "xz is missing";
  EXPECT_EQ(inflate(xz_with_dictionary(30)), "content");  // 128 MiB
  try {
    inflate(xz_with_dictionary(31));  // 192 MiB
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unsupported);
    EXPECT_THAT(e.what(), HasSubstr("128 MiB"));
  }
}

}  // namespace
}  // namespace cairn::test
