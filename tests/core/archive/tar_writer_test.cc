#include "core/archive/tar_writer.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <tuple>

#include "core/util/error.h"
#include "tests/core/archive/tar_blocks.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using std::string_literals::operator""s;

std::string write_tar(const std::vector<ReadEntry>& entries) {
  StringSink out;
  TarWriter writer(out);
  for (const auto& [entry, content] : entries) {
    writer.begin(entry);
    writer.write(content);
  }
  writer.finish();
  return out.text;
}

TarEntry file(const std::string& name, uint64_t size = 0) {
  TarEntry entry;
  entry.name = name;
  entry.mode = 0644;
  entry.size = size;
  return entry;
}

std::string field(const std::string& tar, size_t at, size_t size) { return tar.substr(at, size); }

TEST(TarWriter, AnOrdinaryFileIsOneUstarHeader) {
  TarEntry entry = file("dir/file", 7);
  entry.mode = 0104755;
  entry.uid = 2097151;
  entry.gid = 5;
  entry.mtime = {.tv_sec = 8589934591, .tv_nsec = 999999999};
  entry.atime = {.tv_sec = 1, .tv_nsec = 0};
  const std::string tar = write_tar({{entry, "content"}});
  ASSERT_EQ(tar.size(), 2048u);
  EXPECT_EQ(field(tar, 0, 100), "dir/file" + std::string(92, '\0'));
  EXPECT_EQ(field(tar, 100, 8), "0004755\0"s);
  EXPECT_EQ(field(tar, 108, 8), "7777777\0"s);
  EXPECT_EQ(field(tar, 116, 8), "0000005\0"s);
  EXPECT_EQ(field(tar, 124, 12), "00000000007\0"s);
  EXPECT_EQ(field(tar, 136, 12), "77777777777\0"s);
  EXPECT_EQ(field(tar, 156, 1), "0");
  EXPECT_EQ(field(tar, 157, 100), std::string(100, '\0'));
  EXPECT_EQ(field(tar, 257, 8), "ustar\0"s + "00");
  EXPECT_EQ(field(tar, 265, 64), std::string(64, '\0')) << "no owner names";
  EXPECT_EQ(field(tar, 329, 16), "0000000\0"s + "0000000\0"s);
  EXPECT_EQ(field(tar, 345, 167), std::string(167, '\0'));
  EXPECT_EQ(field(tar, 512, 512), padded("content"));
  EXPECT_EQ(field(tar, 1024, 1024), end_marker());
}

TEST(TarWriter, AnEmptyArchiveIsTwoZeroBlocks) { EXPECT_EQ(write_tar({}), end_marker()); }

// Its member is named after the file, cut to 100 bytes, and has neither times nor device fields.
TEST(TarWriter, ALongNameGoesIntoAPaxRecordLikeGos) {
  const std::string name = "d/" + std::string(99, 'n');
  const std::string tar = write_tar({{file(name), ""}});
  ASSERT_EQ(tar.size(), 512u * 5);
  EXPECT_THAT(tar, StartsWith("d/PaxHeaders.0/" + std::string(85, 'n') + "0000000\0"s + "0000000\0"s + "0000000\0"s +
                              "00000000157\0"s + "00000000000\0"s));
  EXPECT_EQ(tar[156], 'x');
  EXPECT_EQ(field(tar, 257, 8), "ustar\0"s + "00");
  EXPECT_EQ(field(tar, 329, 16), std::string(16, '\0'));
  EXPECT_EQ(field(tar, 512, 512), padded("111 path=" + name + "\n"));
  EXPECT_EQ(field(tar, 1024, 100), name.substr(0, 100));
}

TEST(TarWriter, ACutNameNeverLooksLikeADirectory) {
  const std::string name = std::string(99, 'd') + "/file";
  const std::string tar = write_tar({{file(name), ""}});
  EXPECT_EQ(field(tar, 1024, 100), std::string(99, 'd') + '\0');
}

struct RecordCase {
  const char* name;
  void (*set)(TarEntry&);
  std::string record;  // "" for none
};
class PaxRecord : public testing::TestWithParam<RecordCase> {};
TEST_P(PaxRecord, IsWrittenOnlyWhereUstarCannotSayIt) {
  TarEntry entry = file("f");
  GetParam().set(entry);
  StringSink out;
  TarWriter(out).begin(entry);
  const size_t headers = out.text.size() / 512;
  if (GetParam().record.empty()) {
    EXPECT_EQ(headers, 1u);
  } else {
    ASSERT_EQ(headers, 3u);
    EXPECT_EQ(field(out.text, 512, 512), padded(GetParam().record));
  }
}
INSTANTIATE_TEST_SUITE_P(
    , PaxRecord,
    testing::Values(
        RecordCase{"name_of_100", [](TarEntry& e) { e.name = std::string(100, 'n'); }, ""},
        RecordCase{"umlaut", [](TarEntry& e) { e.name = "\xc3\xbc"; }, "11 path=\xc3\xbc\n"},
        RecordCase{"not_utf8", [](TarEntry& e) { e.name = "a\xff"; }, "11 path=a\xff\n"},
        RecordCase{"link_umlaut", [](TarEntry& e) { e.type = TarType::symlink, e.link_target = "\xc3\xbc"; },
                   "15 linkpath=\xc3\xbc\n"},
        RecordCase{"largest_octal_uid", [](TarEntry& e) { e.uid = e.gid = 2097151; }, ""},
        RecordCase{"uid", [](TarEntry& e) { e.uid = 2097152; }, "15 uid=2097152\n"},
        RecordCase{"both_ids", [](TarEntry& e) { e.uid = e.gid = 4294967295; },
                   "18 gid=4294967295\n18 uid=4294967295\n"},
        RecordCase{"largest_octal_size", [](TarEntry& e) { e.size = (1ull << 33) - 1; }, ""},
        RecordCase{"size", [](TarEntry& e) { e.size = 1ull << 33; }, "19 size=8589934592\n"},
        RecordCase{"nanoseconds_are_cut", [](TarEntry& e) { e.mtime = {.tv_sec = 5, .tv_nsec = 7}; }, ""},
        RecordCase{"before_1970", [](TarEntry& e) { e.mtime = {.tv_sec = -5, .tv_nsec = 7}; }, "12 mtime=-5\n"},
        RecordCase{"after_2242", [](TarEntry& e) { e.mtime = {.tv_sec = 8589934592, .tv_nsec = 0}; },
                   "20 mtime=8589934592\n"},
        RecordCase{"xattr", [](TarEntry& e) { e.xattrs["user.a"] = "b\0\n="s; }, "28 SCHILY.xattr.user.a=b\0\n=\n"s},
        RecordCase{"empty_xattr", [](TarEntry& e) { e.xattrs["user.a"] = ""; }, "24 SCHILY.xattr.user.a=\n"},
        RecordCase{"xattr_with_equals", [](TarEntry& e) { e.xattrs["user.a=%"] = "b"; },
                   "36 LIBARCHIVE.xattr.user.a%3D%25=Yg\n"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarWriter, TheLengthOfARecordCountsItsOwnDigits) {
  for (size_t length = 1; length < 1100; ++length) {
    TarEntry entry = file("f");
    entry.xattrs["u"] = std::string(length, 'v');
    EXPECT_EQ(read_tar(write_tar({{entry, ""}})).at(0).entry.xattrs, entry.xattrs) << length;
  }
}

TEST(TarWriter, OurReaderReadsEverythingBack) {
  std::vector<ReadEntry> entries;
  const auto add = [&](TarEntry entry, const std::string& content = "") {
    entry.type_flag = static_cast<char>(entry.type);
    entry.size = content.size();
    entries.push_back({entry, content});
  };
  TarEntry entry;
  entry.mode = 07777;
  entry.uid = 4294967294;
  entry.gid = 2097152;
  entry.mtime.tv_sec = -1;
  entry.xattrs = {{"user.a=b", "\0\xff"s}, {"security.capability", "\1\0\0\2"s}, {"user.empty", ""}};
  for (const std::string& name :
       {"d/"s, "\xff\xfe/"s, "nl\n/"s, std::string(254, 'x') + "/" + std::string(255, 'y') + "/"}) {
    entry.name = name;
    entry.type = TarType::directory;
    add(entry);
    entry.name += "f";
    entry.type = TarType::file;
    add(entry, std::string(1000, 'c'));
    entry.link_target = entry.name;
    entry.name += "l";
    entry.type = TarType::hard_link;
    add(entry);
    entry.name += "s";
    entry.type = TarType::symlink;
    add(entry);
    entry.link_target.clear();
    entry.name += "c";
    entry.type = TarType::char_device;
    entry.device_major = 0xffffffff;
    entry.device_minor = 1 << 21;
    add(entry);
    entry.device_major = entry.device_minor = 0;
    entry.name += "p";
    entry.type = TarType::fifo;
    add(entry);
  }
  const auto read = read_tar(write_tar(entries));
  ASSERT_EQ(read.size(), entries.size());
  for (size_t i = 0; i < read.size(); ++i) {
    const TarEntry &got = read[i].entry, &want = entries[i].entry;
    EXPECT_EQ(got.name, want.name);
    EXPECT_EQ(got.type, want.type) << want.name;
    EXPECT_EQ(got.link_target, want.link_target);
    EXPECT_EQ(std::tie(got.mode, got.uid, got.gid, got.mtime.tv_sec),
              std::tie(want.mode, want.uid, want.gid, want.mtime.tv_sec));
    EXPECT_EQ(got.xattrs, want.xattrs);
    EXPECT_EQ(std::tie(got.device_major, got.device_minor), std::tie(want.device_major, want.device_minor))
        << want.name;
    EXPECT_EQ(read[i].content, entries[i].content);
  }
}

TEST(TarWriter, TimesAreExactWhereAskedFor) {
  for (const timespec time : {timespec{1, 500'000'000}, timespec{0, 1}, timespec{-1, 500'000'000},
                              timespec{-2, 999'999'999}, timespec{-1, 0}, timespec{7, 0}}) {
    StringSink out;
    TarWriter writer(out, TarTimes::nanoseconds);
    TarEntry entry = file("f");
    entry.mtime = time;
    writer.begin(entry);
    writer.finish();
    const timespec got = read_tar(out.text)[0].entry.mtime;
    EXPECT_EQ(std::tie(got.tv_sec, got.tv_nsec), std::tie(time.tv_sec, time.tv_nsec));
  }
}

TEST(TarWriter, GnuTarUnpacksIt) {
  if (!running_as_root()) GTEST_SKIP() << "needs root for devices and owners";
  TarEntry device = file("dir/dev");
  device.type = TarType::char_device;
  device.device_major = 1;
  device.device_minor = 3;
  TarEntry dir = file("dir/");
  dir.type = TarType::directory;
  dir.mode = 01777;
  dir.uid = 3000000;
  TarEntry deep = file(std::string(200, 'd') + "/" + std::string(250, 'f'), 4);
  deep.mode = 06755;
  deep.mtime.tv_sec = -86400;
  deep.xattrs["user.a"] = "value";
  TarEntry link = file("link");
  link.type = TarType::hard_link;
  link.link_target = deep.name;
  TarEntry symlink = file("symlink");
  symlink.type = TarType::symlink;
  symlink.link_target = std::string(150, 't');
  const TempDir root;
  write_file(
      root / "a.tar",
      write_tar({{dir, ""}, {device, ""}, {deep, "deep"}, {link, ""}, {symlink, ""}, {file("raw\xff\xfe", 3), "raw"}}));
  run(root.path().string(), "mkdir t && tar -C t --xattrs --same-owner -xpf a.tar");
  struct stat st;
  ASSERT_EQ(::lstat((root / "t/dir").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode, 041777u);
  EXPECT_EQ(st.st_uid, 3000000u);
  ASSERT_EQ(::lstat((root / "t/dir/dev").c_str(), &st), 0);
  EXPECT_EQ(st.st_rdev, makedev(1, 3));
  const std::string path = (root / "t" / deep.name).string();
  ASSERT_EQ(::lstat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode, 0106755u);
  EXPECT_EQ(st.st_mtim.tv_sec, -86400);
  EXPECT_EQ(st.st_nlink, 2u);
  EXPECT_EQ(read_file(path), "deep");
  char value[10];
  if (const ssize_t n = ::getxattr(path.c_str(), "user.a", value, sizeof value); n >= 0 || errno != ENOTSUP) {
    EXPECT_EQ(n, 5);
  }
  EXPECT_EQ(std::filesystem::read_symlink(root / "t/symlink").string(), symlink.link_target);
  EXPECT_EQ(read_file(root / "t" / "raw\xff\xfe"), "raw");
}

TEST(TarWriter, ContentMustBeAsLongAsAnnounced) {
  StringSink out;
  TarWriter writer(out);
  writer.begin(file("f", 5));
  writer.write("abc"s);
  EXPECT_THAT(error_of([&] { writer.write("def"s); }), HasSubstr("longer than announced"));
  EXPECT_THAT(error_of([&] { writer.begin(file("g")); }), HasSubstr("2 bytes shorter"));
  EXPECT_THAT(error_of([&] { writer.finish(); }), HasSubstr("2 bytes shorter"));
}

TEST(TarWriter, TypesWithoutContentAnnounceNone) {
  TarEntry entry = file("link", 12345);
  entry.type = TarType::hard_link;
  entry.link_target = "file";
  EXPECT_EQ(read_tar(write_tar({{entry, ""}})).at(0).entry.size, 0u);
}

struct InvalidCase {
  const char* name;
  void (*set)(TarEntry&);
};
class Unwritable : public testing::TestWithParam<InvalidCase> {};
TEST_P(Unwritable, IsRefusedBeforeAnythingIsWritten) {
  TarEntry entry = file("f");
  GetParam().set(entry);
  StringSink out;
  EXPECT_THAT(error_of([&] { TarWriter(out).begin(entry); }), HasSubstr("to a tar: "));
  EXPECT_EQ(out.text, "");
}
INSTANTIATE_TEST_SUITE_P(
    , Unwritable,
    testing::Values(InvalidCase{"no_name", [](TarEntry& e) { e.name.clear(); }},
                    InvalidCase{"nul_in_name", [](TarEntry& e) { e.name = "a\0b"s; }},
                    InvalidCase{"nul_in_link", [](TarEntry& e) { e.link_target = "a\0b"s; }},
                    InvalidCase{"nul_in_xattr_name", [](TarEntry& e) { e.xattrs["a\0b"s] = "x"; }},
                    InvalidCase{"global_header", [](TarEntry& e) { e.type = TarType::global_header; }},
                    InvalidCase{"other_type", [](TarEntry& e) { e.type = TarType::other; }},
                    InvalidCase{"size_beyond_63_bits", [](TarEntry& e) { e.size = 1ull << 63; }},
                    InvalidCase{"attributes_of_a_mebibyte",
                                [](TarEntry& e) { e.xattrs["user.a"] = std::string(1 << 20, 'x'); }}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace cairn::test
