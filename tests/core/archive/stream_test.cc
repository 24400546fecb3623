#include "core/archive/stream.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "core/util/error.h"
#include "tests/core/archive/tar_blocks.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

using testing::HasSubstr;

constexpr size_t kLimit = 16 << 20;

std::string numbers(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += std::to_string(i) + "\n";
  return out;
}

TEST(Stream, AFileIsReadToItsEnd) {
  const TempDir dir;
  const std::string content = numbers(100'000);
  write_file(dir / "f", content);
  const auto source = read_from(open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY));
  EXPECT_EQ(read_all(*source, kLimit), content);
  char byte;
  EXPECT_EQ(source->read({&byte, 1}), 0u);
}

TEST(Stream, ARangeLeavesThePositionOfItsDescriptorAlone) {
  const TempDir dir;
  write_file(dir / "f", "0123456789");
  const Fd fd = open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY);
  const auto first = read_range(fd.get(), 2, 3), second = read_range(fd.get(), 5, 5),
             none = read_range(fd.get(), 10, 0);
  EXPECT_EQ(read_all(*second, 100), "56789");
  EXPECT_EQ(read_all(*first, 100), "234");
  EXPECT_EQ(read_all(*none, 100), "");
  EXPECT_EQ(read_all(*read_from(dup_fd(fd.get())), 100), "0123456789");
}

TEST(Stream, ARangeBeyondTheFileIsCorrupt) {
  const TempDir dir;
  write_file(dir / "f", "0123456789");
  const Fd fd = open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY);
  const auto source = read_range(fd.get(), 8, 5);
  try {
    read_all(*source, 100);
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_THAT(e.what(), HasSubstr("at byte 10: 3 bytes are missing"));
  }
}

TEST(Stream, ConcatenationGoesOnWithTheRest) {
  for (const size_t step : {1, 2, 7, 100}) {
    const auto source = concatenate("abc", in_steps("defgh", step));
    EXPECT_EQ(read_all(*source, 100), "abcdefgh");
  }
  EXPECT_EQ(read_all(*concatenate("", read_from(std::string())), 100), "");
}

TEST(Stream, ATapSeesExactlyWhatIsRead) {
  std::string seen;
  const auto source = tee(in_steps(numbers(10'000), 777),
                          [&](std::span<const char> bytes) { seen.append(bytes.data(), bytes.size()); });
  char some[100];
  const size_t n = source->read(some);
  EXPECT_EQ(seen, std::string(some, n));
  drain(*source);
  EXPECT_EQ(seen, numbers(10'000));
}

TEST(Stream, ReadFullStopsOnlyAtTheEnd) {
  const auto source = in_steps("0123456789", 3);
  char buffer[7];
  EXPECT_EQ(read_full(*source, buffer), 7u);
  EXPECT_EQ(std::string(buffer, 7), "0123456");
  EXPECT_EQ(read_full(*source, buffer), 3u);
}

TEST(Stream, ReadAllRefusesMoreThanItsLimit) {
  EXPECT_EQ(read_all(*read_from(std::string(5000, 'x')), 5000).size(), 5000u);
  EXPECT_EQ(read_all(*read_from(std::string()), 0), "");
  EXPECT_THAT(error_of([] { read_all(*read_from(std::string(5001, 'x')), 5000); }),
              HasSubstr("larger than 5000 bytes"));
}

TEST(Stream, CopyCountsWhatItCarries) {
  StringSink sink;
  const std::string content = numbers(200'000);
  const auto source = read_from(content);
  EXPECT_EQ(copy(*source, sink), content.size());
  EXPECT_EQ(sink.text, content);
}

class ReadAheadDepth : public testing::TestWithParam<size_t> {};

TEST_P(ReadAheadDepth, DeliversTheSameBytes) {
  const std::string content = numbers(500'000);
  for (const size_t step : {size_t{1000}, size_t{300'000}, content.size()}) {
    const auto source = read_ahead(in_steps(content, step), GetParam());
    EXPECT_EQ(read_all(*source, kLimit), content);
    char byte;
    EXPECT_EQ(source->read({&byte, 1}), 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(, ReadAheadDepth, testing::Values(0, 1, 2, 8));

struct Failing : ByteSource {
  size_t read(std::span<char> into) override {
    if (left == 0) throw Error(Errc::io, "the cable was pulled");
    const size_t n = std::min(into.size(), left);
    std::fill_n(into.begin(), n, 'x');
    left -= n;
    return n;
  }
  size_t left = 300'000;
};

TEST(ReadAhead, AnErrorComesAfterTheBytesBeforeIt) {
  const auto source = read_ahead(std::make_unique<Failing>());
  std::string content(300'000, '\0');
  EXPECT_EQ(read_full(*source, content), 300'000u);
  char byte;
  for (int again = 0; again < 2; ++again)
    EXPECT_EQ(error_of([&] { source->read({&byte, 1}); }), "the cable was pulled");
}

struct Endless : ByteSource {
  explicit Endless(std::atomic<uint64_t>& total) : given(total) {}
  size_t read(std::span<char> into) override {
    given += into.size();
    return into.size();
  }
  std::atomic<uint64_t>& given;
};

TEST(ReadAhead, StaysWithinItsBuffersAndCanBeDroppedEarly) {
  std::atomic<uint64_t> given = 0;
  {
    const auto source = read_ahead(std::make_unique<Endless>(given), 4);
    char byte;
    source->read({&byte, 1});
    while (given < 4 * (256 << 10)) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_LE(given, 6u * (256 << 10));  // 4 ahead, one in the reader's hands, one being filled
  }
  const uint64_t at_end = given;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(given, at_end) << "the thread outlived its stream";
}

}  // namespace
}  // namespace cairn::test
