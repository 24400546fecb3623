// Damaged archives, tar-split data and compressed streams by the thousand, the same ones on every run: whatever is done
// to them, the readers end with a result or an Error, in bounded time and memory.

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <random>

#include "core/archive/compression.h"
#include "core/archive/tar_reader.h"
#include "core/archive/tar_split.h"
#include "core/archive/tar_writer.h"
#include "core/util/error.h"
#include "tests/core/archive/tar_blocks.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

using std::chrono::steady_clock;
using std::string_literals::operator""s;

constexpr auto kTime = std::chrono::seconds(3);  // for one test, whatever the machine
constexpr size_t kRounds = 4000;
constexpr uint64_t kMaxContent = 4 << 20;  // looked at per archive: holes may be endless
constexpr uint64_t kMemory = 256 << 20;    // bounds that matter are far below, leaks and bombs far above

class Mutator {
 public:
  std::string mutate(std::string bytes) {
    for (size_t times = 1 + pick(4); times-- > 0;) once(bytes);
    return bytes;
  }
  size_t pick(size_t below) { return below == 0 ? 0 : random_() % below; }

 private:
  void once(std::string& bytes) {
    const size_t at = pick(bytes.size()), length = pick(pick(4) == 0 ? 2000 : 20);
    switch (pick(9)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(at, bytes.substr(pick(bytes.size() + 1), length));
        break;
      case 3:
        bytes.insert(at, length, static_cast<char>(pick(256)));
        break;
      case 4:
        bytes.replace(at, std::min(length, bytes.size() - at), std::string(length, kOddBytes[pick(kOddBytes.size())]));
        break;
      case 5:
        bytes.replace(at, kTokens[pick(kTokens.size())].size(), kTokens[pick(kTokens.size())]);
        break;
      default:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ 1 << pick(8));
    }
  }

  std::mt19937 random_{20150101};
  const std::string kOddBytes = "\0\xff\x80 09\n=,{\"\\"s;
  const std::vector<std::string> kTokens = {"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"s,
                                            "77777777777",
                                            "99999999999999999999",
                                            "-1",
                                            "GNU.sparse.major=1",
                                            "\n1\n",
                                            "18446744073709551615",
                                            "path=",
                                            "\\ud800",
                                            "[[[[[[",
                                            "\"payload\":\"",
                                            "null",
                                            "\x1f\x8b\x08\x1e"};
};

// Corrects the checksums, so that damage gets behind the first check.
void correct_checksums(std::string& tar) {
  for (size_t at = 0; at + 512 <= tar.size(); at += 512) {
    if (tar.compare(at + 257, 5, "ustar") != 0) continue;
    unsigned sum = 8 * ' ';
    for (size_t i = 0; i < 512; ++i)
      if (i < 148 || i >= 156) sum += static_cast<unsigned char>(tar[at + i]);
    tar.replace(at + 148, 8, octal(sum, 6) + " ");
  }
}

std::vector<std::string> sample_archives() {
  const std::string gnu = "ustar  \0"s;
  std::string sparse;
  for (int i = 0; i < 4; ++i) sparse += octal(static_cast<uint64_t>(i) * 100, 11) + octal(2, 11);
  return {
      member({.name = "d/", .type = '5'}, "") + member({.name = "d/f"}, std::string(700, 'x')) +
          member({.name = "d/l", .type = '1', .link = "d/f"}, "") + end_marker(),
      pax({{"comment", "c"}}, 'g') +
          pax({{"path", "long/\xc3\xbc"},
               {"mtime", "-1.5"},
               {"uid", "3000000"},
               {"SCHILY.xattr.user.a", "b"},
               {"LIBARCHIVE.xattr.user.%41", "AAAA"}}) +
          member({.name = "s"}, "content") + end_marker(),
      member({.name = "././@LongLink", .type = 'L', .magic = gnu}, std::string(200, 'n') + '\0') +
          member({.name = "././@LongLink", .type = 'K', .magic = gnu}, std::string(200, 'l') + '\0') +
          member({.name = "n", .type = '2', .link = "l", .magic = gnu}, "") + end_marker() + "junk",
      member({.name = "sparse",
              .type = 'S',
              .magic = gnu,
              .patches = {{386, sparse}, {482, "\1"}, {483, octal(1000, 11)}}},
             "01234567")
              .insert(512, padded(octal(500, 11) + octal(0, 11))) +
          end_marker(),
      pax({{"GNU.sparse.major", "1"},
           {"GNU.sparse.minor", "0"},
           {"GNU.sparse.name", "sp"},
           {"GNU.sparse.realsize", "100"}}) +
          member({.name = "x"}, padded("2\n10\n4\n50\n3\n") + "dataend") + member({.name = "y"}, "y") + end_marker(),
      pax({{"GNU.sparse.size", "100"},
           {"GNU.sparse.numblocks", "1"},
           {"GNU.sparse.offset", "10"},
           {"GNU.sparse.numbytes", "4"}}) +
          member({.name = "x"}, "data") + end_marker(),
  };
}

// Reads like an unpacker: content by views or by copies, some of it skipped.
void read_archive(const std::string& tar, Mutator& random) {
  const auto source = in_steps(tar, 1 + random.pick(3000));
  StringSink lines;
  TarSplitWriter writer(lines);
  TarReader reader(*source, random.pick(2) ? &writer : nullptr, {.meta_bytes = 1 << 20, .sparse_segments = 1 << 12});
  while (const TarEntry* entry = reader.next()) {
    ASSERT_LE(entry->name.size(), tar.size());
    ASSERT_EQ(entry->mode & ~07777u, 0u);
    ASSERT_GE(entry->mtime.tv_nsec, 0);
    ASSERT_LT(entry->mtime.tv_nsec, 1'000'000'000);
    clean_path(entry->name);
    uint64_t seen = 0;
    char buffer[100];
    for (size_t n = 1; n > 0 && seen < kMaxContent; seen += n) {
      if (random.pick(50) == 0) reader.skip_content();
      reader.skip_hole();
      n = random.pick(2) ? reader.read_view().size() : reader.read(buffer);
    }
    ASSERT_LE(seen, tar.size()) << "more content than the archive has";
  }
  ASSERT_EQ(reader.stream_bytes(), tar.size());
}

// Calls `once` with damaged forms of the samples until there were enough or the time is over.
template <typename Once>
void torment(const std::vector<std::string>& samples, Once&& once) {
  Mutator mutator;
  const auto start = steady_clock::now();
  const uint64_t before = peak_memory();
  size_t rounds = 0, refused = 0;
  for (; rounds < kRounds && steady_clock::now() - start < kTime; ++rounds) {
    const std::string& sample = samples[mutator.pick(samples.size())];
    try {
      once(mutator.mutate(sample), mutator);
    } catch (const Error&) {
      ++refused;
    }
    if (testing::Test::HasFatalFailure()) break;
  }
  EXPECT_GE(rounds, 100u) << "a round takes far too long";
  EXPECT_GT(refused, rounds / 20) << "the damage does not bite";
  EXPECT_LT(refused, rounds) << "nothing gets through";
  EXPECT_LT(peak_memory() - before, kMemory);
}

TEST(Mutation, TarReaderEndsWithEntriesOrAnError) {
  torment(sample_archives(), [](std::string tar, Mutator& random) {
    if (random.pick(8) != 0) correct_checksums(tar);
    read_archive(tar, random);
  });
}

// The contents an unpacker would leave. Nothing for archives that Docker cannot put together either: sparse members,
// and names with a leading slash ("/a" and "a" are two to tar-split and one on a disk).
std::optional<std::map<std::string, std::string>> files_of(const std::string& tar) {
  std::map<std::string, std::string> files;
  const auto source = read_from(tar);
  TarReader reader(*source);
  while (const TarEntry* entry = reader.next()) {
    if (entry->sparse || entry->name.starts_with('/')) return std::nullopt;
    std::string& content = files[clean_path(entry->name)];
    char buffer[500];
    while (const size_t n = reader.read(buffer)) content.append(buffer, n);
  }
  return files;
}

// What was read without complaint can be written down and put together again, byte for byte.
TEST(Mutation, AnArchiveThatIsReadIsReassembled) {
  torment(sample_archives(), [](std::string tar, Mutator&) {
    correct_checksums(tar);
    const auto files = files_of(tar);
    if (!files) return;
    StringSink lines, out;
    TarSplitWriter writer(lines);
    const auto source = read_from(tar);
    TarReader reader(*source, &writer);
    while (reader.next()) {
    }
    const auto split = read_from(lines.text);
    reassemble(
        *split, [&](const std::string& name) { return read_from(files->at(name)); }, out);
    ASSERT_TRUE(out.text == tar);
  });
}

TEST(Mutation, TarSplitReaderEndsWithEntriesOrAnError) {
  std::vector<std::string> samples;
  for (const auto& tar : sample_archives()) {
    StringSink lines;
    TarSplitWriter writer(lines);
    read_tar(tar, &writer);
    samples.push_back(lines.text);
  }
  torment(samples, [](const std::string& lines, Mutator& random) {
    const auto source = in_steps(lines, 1 + random.pick(5000));
    TarSplitReader reader(*source);
    uint64_t payload = 0;
    for (TarSplitEntry entry; reader.next(entry);) payload += entry.payload.size() + entry.name.size();
    ASSERT_LE(payload, 3 * lines.size());  // a byte that is no UTF-8 becomes U+FFFD, which has three
  });
}

class MutatedStream : public testing::TestWithParam<std::string> {};
TEST_P(MutatedStream, IsInflatedOrRefused) {
  const std::string& command = GetParam();
  if (!has_program(command.substr(0, command.find(' ')))) GTEST_SKIP() << command << " is missing";
  const TempDir dir;
  std::vector<std::string> samples;
  std::string noise;
  for (uint32_t i = 0, seed = 1; i < 2000; ++i, seed = seed * 1664525 + 1013904223)
    noise += static_cast<char>(seed >> 24);
  for (const std::string& content :
       {""s, "text "s, repeat("some words ", 500), noise, noise + std::string(100'000, '\0')}) {
    write_file(dir / "in", content);
    run(dir.path().string(), command + " <in >out");
    samples.push_back(read_file(dir / "out"));
  }
  samples.push_back(samples[1] + samples[2]);
  torment(samples, [](const std::string& packed, Mutator& random) {
    const auto source = decompress(in_steps(packed, 1 + random.pick(3000)));
    std::string buffer(1 + random.pick(70'000), '\0');
    uint64_t size = 0;
    while (const size_t n = source->read(buffer)) {
      ASSERT_LE(n, buffer.size());
      size += n;
      if (size > (16 << 20)) return;
    }
  });
}
INSTANTIATE_TEST_SUITE_P(, MutatedStream, testing::Values("gzip -c", "zstd -qc", "xz -0c", "bzip2 -1c"),
                         [](const auto& test) { return test.param.substr(0, test.param.find(' ')); });

}  // namespace
}  // namespace cairn::test
