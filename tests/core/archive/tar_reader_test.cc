#include "core/archive/tar_reader.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/util/error.h"
#include "tests/core/archive/tar_blocks.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using std::string_literals::operator""s;

std::vector<std::string> names_of(const std::vector<ReadEntry>& entries) {
  std::vector<std::string> out;
  for (const auto& read : entries) out.push_back(read.entry.name);
  return out;
}

ReadEntry only(const std::string& tar) {
  auto entries = read_tar(tar);
  if (entries.size() != 1) throw std::runtime_error(std::to_string(entries.size()) + " entries");
  return entries[0];
}

// ---- names ----

struct CleanCase {
  const char *name, *raw, *clean;
};
class CleanPath : public testing::TestWithParam<CleanCase> {};
TEST_P(CleanPath, IsLexical) { EXPECT_EQ(clean_path(GetParam().raw), GetParam().clean); }
INSTANTIATE_TEST_SUITE_P(
    , CleanPath,
    testing::Values(CleanCase{"empty", "", "."}, CleanCase{"root", "/", "."}, CleanCase{"dot", "./", "."},
                    CleanCase{"leading_dot", "./a", "a"}, CleanCase{"trailing_slash", "a/b/", "a/b"},
                    CleanCase{"doubled_slash", "a//b", "a/b"}, CleanCase{"absolute", "/a/./b", "a/b"},
                    CleanCase{"inner_up", "x/../a", "a"}, CleanCase{"to_nothing", "a/..", "."},
                    CleanCase{"up", "..", ".."}, CleanCase{"up_and_out", "a/../../x", "../x"},
                    CleanCase{"ups_stay", "../../a/..", "../.."}, CleanCase{"rooted_up", "/../x", "x"},
                    CleanCase{"rooted_ups", "/a/../../../x", "x"}, CleanCase{"dots_are_names", "...", "..."},
                    CleanCase{"whiteout", "./d/.wh..x", "d/.wh..x"}, CleanCase{"bytes", "\xff/\xfe/", "\xff/\xfe"}),
    [](const auto& test) { return std::string(test.param.name); });

struct NameCase {
  const char* name;
  std::string tar, want;
};
class EntryName : public testing::TestWithParam<NameCase> {};
TEST_P(EntryName, ComesFromTheHeaderThatCounts) { EXPECT_EQ(only(GetParam().tar).entry.name, GetParam().want); }

const std::string kGnuMagic = "ustar  \0"s;
std::string long_name(char type, const std::string& name) {
  return member({.name = "././@LongLink", .type = type, .magic = kGnuMagic}, name + '\0');
}
INSTANTIATE_TEST_SUITE_P(
    , EntryName,
    testing::Values(
        NameCase{"as_it_stands", member({.name = "./a//b"}, ""), "./a//b"},
        NameCase{"field_without_nul", member({.name = std::string(100, 'n')}, ""), std::string(100, 'n')},
        NameCase{"ustar_prefix", member({.name = "b", .prefix = "a"}, ""), "a/b"},
        NameCase{"v7_has_no_prefix", member({.name = "b", .prefix = "a", .magic = ""}, ""), "b"},
        NameCase{"gnu_long_name", long_name('L', "long") + member({.name = "short"}, ""), "long"},
        NameCase{"gnu_up_to_nul", long_name('L', "long\0er"s) + member({.name = "short"}, ""), "long"},
        NameCase{"empty_gnu_name", long_name('L', "") + member({.name = "short"}, ""), "short"},
        NameCase{"last_of_two_gnu", long_name('L', "one") + long_name('L', "two") + member({.name = "s"}, ""), "two"},
        NameCase{"pax", pax({{"path", "p/\xc3\xa4"}}) + member({.name = "s", .prefix = "x"}, ""), "p/\xc3\xa4"},
        NameCase{"empty_pax", pax({{"path", ""}}) + member({.name = "s"}, ""), "s"},
        NameCase{"last_record", pax({{"path", "one"}, {"path", "two"}}) + member({.name = "s"}, ""), "two"},
        NameCase{"last_pax_member", pax({{"path", "one"}}) + pax({{"mtime", "1"}}) + member({.name = "s"}, ""), "s"},
        NameCase{"gnu_beats_pax", pax({{"path", "pax"}}) + long_name('L', "gnu") + member({.name = "s"}, ""), "gnu"},
        NameCase{"gnu_beats_later_pax", long_name('L', "gnu") + pax({{"path", "pax"}}) + member({.name = "s"}, ""),
                 "gnu"},
        NameCase{"not_utf8", member({.name = "\xff\xfe"}, ""), "\xff\xfe"},
        // P39, P104: Go before 1.8 wrote ustar's prefix into GNU headers, over the access and change times.
        NameCase{"gnu_with_go_prefix", member({.name = "b", .prefix = "some/dir", .magic = kGnuMagic}, ""),
                 "some/dir/b"},
        NameCase{"gnu_with_times",
                 member({.name = "b", .magic = kGnuMagic, .patches = {{345, octal(12, 11)}, {357, octal(13, 11)}}}, ""),
                 "b"},
        NameCase{"gnu_with_binary_prefix", member({.name = "b", .prefix = "d\xff", .magic = kGnuMagic}, ""), "b"},
        NameCase{"star_prefix", member({.name = "b", .prefix = "a", .patches = {{508, "tar"}}}, ""), "a/b"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarReader, LinkTargetsFollowTheSameRules) {
  EXPECT_EQ(only(member({.name = "l", .type = '2', .link = "../t"}, "")).entry.link_target, "../t");
  EXPECT_EQ(only(long_name('K', "far") + member({.name = "l", .type = '1', .link = "t"}, "")).entry.link_target, "far");
  EXPECT_EQ(only(pax({{"linkpath", "pax"}}) + member({.name = "l", .type = '2', .link = "t"}, "")).entry.link_target,
            "pax");
}

// ---- types ----

struct TypeCase {
  const char* name;
  char flag;
  const char* path;
  TarType want;
};
class EntryType : public testing::TestWithParam<TypeCase> {};
TEST_P(EntryType, ComesFromItsFlag) {
  const auto& c = GetParam();
  const auto read = only(header({.name = c.path, .type = c.flag}));
  EXPECT_EQ(read.entry.type, c.want);
  EXPECT_EQ(read.entry.type_flag, c.flag);
}
INSTANTIATE_TEST_SUITE_P(
    , EntryType,
    testing::Values(TypeCase{"file", '0', "a", TarType::file}, TypeCase{"old_file", '\0', "a", TarType::file},
                    TypeCase{"old_directory", '\0', "a/", TarType::directory},
                    TypeCase{"contiguous", '7', "a", TarType::file},
                    TypeCase{"hard_link", '1', "a", TarType::hard_link},
                    TypeCase{"symlink", '2', "a", TarType::symlink},
                    TypeCase{"char_device", '3', "a", TarType::char_device},
                    TypeCase{"block_device", '4', "a", TarType::block_device},
                    TypeCase{"directory", '5', "a", TarType::directory}, TypeCase{"fifo", '6', "a", TarType::fifo},
                    TypeCase{"volume", 'V', "a", TarType::other}, TypeCase{"high_byte", '\xff', "a", TarType::other}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarReader, LinksDirectoriesAndDevicesHaveNoContentWhateverTheirSizeSays) {
  for (const char type : "123456"s) {
    const auto entries =
        read_tar(header({.name = "x", .type = type, .size = 5000}) + member({.name = "next"}, "content"));
    ASSERT_EQ(entries.size(), 2u) << type;
    EXPECT_EQ(entries[0].entry.size, 5000u);
    EXPECT_EQ(entries[0].content, "");
    EXPECT_EQ(entries[1].content, "content");
  }
}

TEST(TarReader, UnknownTypesHaveTheirContent) {
  const auto entries = read_tar(member({.name = "x", .type = 'Z'}, "what is it") + member({.name = "next"}, ""));
  EXPECT_THAT(names_of(entries), ElementsAre("x", "next"));
  EXPECT_EQ(entries[0].content, "what is it");
}

TEST(TarReader, AGlobalHeaderIsAnEntryAndConcernsNoOther) {  // P38
  const auto entries =
      read_tar(pax({{"comment", "b1"}, {"mtime", "77"}, {"SCHILY.xattr.user.a", "b"}, {"uid", "5"}}, 'g') +
               member({.name = "a", .mtime = 3}, "content"));
  ASSERT_THAT(names_of(entries), ElementsAre("pax_global_header", "a"));
  EXPECT_EQ(entries[0].entry.type, TarType::global_header);
  EXPECT_EQ(entries[0].entry.size, 0u);
  EXPECT_EQ(entries[1].entry.mtime.tv_sec, 3);
  EXPECT_EQ(entries[1].entry.uid, 0u);
  EXPECT_TRUE(entries[1].entry.xattrs.empty());
  EXPECT_EQ(entries[1].content, "content");
}

// ---- numbers and times ----

TEST(TarReader, NumbersMayBeBase256) {
  const std::string uid = "\x80\0\0\0\xff\xff\xff\xfe"s, gid = "\x80\0\0\0\0\x20\0\0"s;
  const std::string before_epoch = std::string(11, '\xff') + '\xfe';
  const auto entry = only(member({.name = "a", .patches = {{108, uid}, {116, gid}, {136, before_epoch}}}, "")).entry;
  EXPECT_EQ(entry.uid, 0xfffffffeu);
  EXPECT_EQ(entry.gid, 1u << 21);
  EXPECT_EQ(entry.mtime.tv_sec, -2);
}

TEST(TarReader, NumbersMayHaveBlanksAroundThem) {
  const auto entry =
      only(member({.name = "a", .patches = {{100, "  644 \0 "s}, {108, "     12 "}, {136, std::string(12, '\0')}}}, ""))
          .entry;
  EXPECT_EQ(entry.mode, 0644u);
  EXPECT_EQ(entry.uid, 012u);
  EXPECT_EQ(entry.mtime.tv_sec, 0);
}

TEST(TarReader, OnlyPermissionBitsOfTheModeCount) {
  EXPECT_EQ(only(member({.name = "a", .mode = 0104755}, "")).entry.mode, 04755u);
}

TEST(TarReader, ChecksumsMaySumSignedBytes) {
  std::string tar = header({.name = "\xff\xff"});
  unsigned sum = 8 * ' ';
  for (size_t i = 0; i < 512; ++i)
    if (i < 148 || i >= 156) sum += static_cast<unsigned>(static_cast<int>(static_cast<signed char>(tar[i])));
  tar.replace(148, 8, octal(sum, 6) + " ");
  EXPECT_EQ(only(tar).entry.name, "\xff\xff");
}

TEST(TarReader, DevicesHaveNumbers) {
  const auto entry =
      only(header({.name = "d", .type = '4', .patches = {{329, octal(8, 7)}, {337, octal(1 << 20, 7)}}})).entry;
  EXPECT_EQ(entry.device_major, 8u);
  EXPECT_EQ(entry.device_minor, 1u << 20);
}

struct TimeCase {
  const char *name, *record;
  time_t seconds;
  long nanoseconds;
};
class PaxTime : public testing::TestWithParam<TimeCase> {};
TEST_P(PaxTime, IsExact) {
  const auto& c = GetParam();
  const auto entry =
      only(pax({{"mtime", c.record}, {"atime", c.record}}) + member({.name = "a", .mtime = 9}, "")).entry;
  EXPECT_EQ(entry.mtime.tv_sec, c.seconds);
  EXPECT_EQ(entry.mtime.tv_nsec, c.nanoseconds);
  EXPECT_EQ(entry.atime.tv_sec, c.seconds);
}
INSTANTIATE_TEST_SUITE_P(, PaxTime,
                         testing::Values(TimeCase{"whole", "1350244992", 1350244992, 0},
                                         TimeCase{"fraction", "1350244992.023960108", 1350244992, 23960108},
                                         TimeCase{"short_fraction", "1.5", 1, 500000000},
                                         TimeCase{"long_fraction", "1.1234567899", 1, 123456789},
                                         TimeCase{"dot_only", "7.", 7, 0}, TimeCase{"negative", "-5", -5, 0},
                                         TimeCase{"negative_fraction", "-1.5", -2, 500000000},
                                         TimeCase{"just_below_zero", "-0.000000001", -1, 999999999}),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- extended attributes ----

TEST(TarReader, XattrsComeInBothSpellings) {
  const auto entry = only(pax({{"LIBARCHIVE.xattr.user.p%25q%3D", "AAECAw"},
                               {"LIBARCHIVE.xattr.user.both", "bGlicmFyeQ"},
                               {"SCHILY.xattr.user.both", "schily"},
                               {"SCHILY.xattr.security.capability", "\x01\0\0\x02\n="s},
                               {"SCHILY.xattr.user.empty", ""},
                               {"LIBARCHIVE.xattr.user.bad%zz", "AAAA"},
                               {"LIBARCHIVE.xattr.user.badvalue", "*"}}) +
                          member({.name = "a"}, ""))
                         .entry;
  EXPECT_THAT(entry.xattrs, ElementsAre(Pair("security.capability", "\x01\0\0\x02\n="s), Pair("user.both", "schily"),
                                        Pair("user.empty", ""), Pair("user.p%q=", "\0\x01\x02\x03"s)));
}

TEST(TarReader, ExtendedHeadersConcernOneEntryOnly) {
  const auto entries = read_tar(pax({{"uid", "3000000"}, {"gid", "7"}, {"SCHILY.xattr.user.a", "b"}, {"size", "2"}}) +
                                header({.name = "a", .size = 99}) + padded("hi") + member({.name = "b"}, "x"));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].entry.uid, 3000000u);
  EXPECT_EQ(entries[0].entry.gid, 7u);
  EXPECT_EQ(entries[0].content, "hi");
  EXPECT_EQ(entries[1].entry.uid, 0u);
  EXPECT_TRUE(entries[1].entry.xattrs.empty());
}

// ---- the end ----

struct EndCase {
  const char* name;
  std::string tail, error;
};
class EndOfArchive : public testing::TestWithParam<EndCase> {};
TEST_P(EndOfArchive, IsFoundOrMissed) {
  const std::string tar = member({.name = "a"}, "content") + GetParam().tail;
  if (GetParam().error.empty()) {
    EXPECT_EQ(only(tar).content, "content");
  } else {
    EXPECT_THAT(error_of([&] { read_tar(tar); }), HasSubstr(GetParam().error));
  }
}
INSTANTIATE_TEST_SUITE_P(
    , EndOfArchive,
    testing::Values(EndCase{"nothing", "", ""}, EndCase{"one_zero_block", std::string(512, '\0'), ""},
                    EndCase{"two_zero_blocks", std::string(1024, '\0'), ""},
                    EndCase{"tape_blocks", std::string(10240, '\0'), ""},
                    EndCase{"anything_after_two", std::string(1024, '\0') + "junk that is never parsed", ""},
                    EndCase{"entry_after_one", std::string(512, '\0') + member({.name = "b"}, ""),
                            "invalid tar header"},
                    EndCase{"part_of_a_header", member({.name = "b"}, "").substr(0, 511), "unexpected EOF"},
                    EndCase{"one_byte", "x", "unexpected EOF"},
                    EndCase{"part_of_the_second_zero_block", std::string(600, '\0'), "unexpected EOF"},
                    EndCase{"long_name_of_nothing", long_name('L', "name"), ""}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarReader, AnEmptyStreamIsAnEmptyArchive) { EXPECT_TRUE(read_tar("").empty()); }

TEST(TarReader, AnArchiveMayEndWithinPadding) {
  const std::string tar = member({.name = "a"}, "content");
  EXPECT_EQ(only(tar.substr(0, 512 + 7)).content, "content");
  EXPECT_EQ(only(tar.substr(0, 512 + 300)).content, "content");
}

TEST(TarReader, ContentThatEndsEarlyNamesTheEntry) {
  const std::string tar = member({.name = "some/file"}, std::string(5000, 'x'));
  EXPECT_THAT(error_of([&] { read_tar(tar.substr(0, 3000)); }),
              testing::AllOf(HasSubstr("'some/file'"), HasSubstr("unexpected EOF"), HasSubstr("2512 bytes")));
}

TEST(TarReader, AfterTheEndNextStaysAtTheEnd) {
  const auto source = read_from(member({.name = "a"}, "") + end_marker());
  TarReader reader(*source);
  EXPECT_NE(reader.next(), nullptr);
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(reader.stream_bytes(), 1536u);
}

// ---- what is refused ----

struct BadCase {
  const char* name;
  std::string tar, error;
};
class Refused : public testing::TestWithParam<BadCase> {};
TEST_P(Refused, AsCorrupt) {
  try {
    read_tar(GetParam().tar + member({.name = "after"}, "") + end_marker());
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().error));
    EXPECT_THAT(e.what(), HasSubstr("at byte "));
  }
}

std::string patched(size_t at, const std::string& bytes, char type = '0') {
  return header({.name = "bad", .type = type, .patches = {{at, bytes}}});
}
std::string broken_checksum() {
  std::string tar = member({.name = "a"}, "x");
  tar[0] = 'b';
  return tar;
}
std::string raw_pax(const std::string& body) {
  return member({.name = "p", .type = 'x'}, body) + member({.name = "a"}, "");
}
std::string with_pax(const std::vector<std::pair<std::string, std::string>>& records) {
  return pax(records) + member({.name = "bad"}, "");
}

const std::string kInvalid = "invalid tar header";
INSTANTIATE_TEST_SUITE_P(
    , Refused,
    testing::Values(
        BadCase{"checksum", broken_checksum(), kInvalid}, BadCase{"text", std::string(512, 'x'), kInvalid},
        BadCase{"letters_in_size", patched(124, "12a45678901"), kInvalid},
        BadCase{"digit_eight", patched(124, "00000000008"), kInvalid},
        BadCase{"negative_size", patched(124, std::string(12, '\xff')), kInvalid},
        BadCase{"size_beyond_63_bits", patched(124, "\x80\0\0\0\x80\0\0\0\0\0\0\0"s), kInvalid},
        BadCase{"size_at_63_bits", patched(124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"s), "absurd size"},
        BadCase{"negative_uid", patched(108, std::string(8, '\xff')), "impossible uid"},
        BadCase{"uid_beyond_32_bits", patched(108, "\x80\0\0\x01\0\0\0\0"s), "impossible uid"},
        BadCase{"gid_beyond_32_bits", with_pax({{"gid", "4294967296"}}), "'bad'"},
        BadCase{"huge_device", patched(329, "\x80\0\0\x01\0\0\0\0"s, '3'), "device number"},
        BadCase{"pax_size_negative", with_pax({{"size", "-1"}}), "impossible size"},
        BadCase{"pax_size_text", with_pax({{"size", "1k"}}), "impossible size"},
        BadCase{"pax_size_huge", with_pax({{"size", "9223372036854775807"}}), "absurd size"},
        BadCase{"pax_size_beyond", with_pax({{"size", "9223372036854775808"}}), "impossible size"},
        BadCase{"pax_uid_text", with_pax({{"uid", "root"}}), "impossible uid"},
        BadCase{"pax_time_text", with_pax({{"mtime", "1.x"}}), "impossible time"},
        BadCase{"nul_in_path", with_pax({{"path", "a\0b"s}}), kInvalid},
        BadCase{"nul_in_linkpath", with_pax({{"linkpath", "a\0b"s}}), kInvalid},
        BadCase{"nul_in_owner", with_pax({{"uname", "a\0b"s}}), kInvalid},
        BadCase{"nul_in_key", with_pax({{"SCHILY.xattr.a\0b"s, "x"}}), kInvalid},
        BadCase{"record_without_space", raw_pax("12path=a"), kInvalid},
        BadCase{"record_without_equals", raw_pax("9 pathaa\n"), kInvalid},
        BadCase{"record_without_key", raw_pax("7 =aaa\n"), kInvalid},
        BadCase{"record_without_newline", raw_pax("9 path=aa"), kInvalid},
        BadCase{"record_too_long", raw_pax("99 path=a\n"), kInvalid},
        BadCase{"record_too_short", raw_pax("3 path=a\n"), kInvalid},
        BadCase{"record_negative", raw_pax("-9 path=a\n"), kInvalid},
        BadCase{"record_length_in_its_own_digits", raw_pax("5    \n"), kInvalid},
        BadCase{"long_pax", header({.name = "p", .type = 'x', .size = (1 << 20) + 1}), "header field too long"},
        BadCase{"long_global", header({.name = "p", .type = 'g', .size = (1 << 20) + 1}), "header field too long"},
        BadCase{"long_long_name", header({.name = "p", .type = 'L', .size = 1ull << 32}), "header field too long"},
        BadCase{"long_long_link", header({.name = "p", .type = 'K', .size = 1ull << 32}), "header field too long"},
        BadCase{"negative_long_name", patched(124, std::string(12, '\xff'), 'L'), kInvalid}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarReader, TheLongestHeaderThatIsAllowedIsRead) {
  const std::string value((1 << 20) - 100, 'v');
  std::string body = pax_record("comment", value);
  body += pax_record("comment", std::string((1 << 20) - body.size() - std::string("NN comment=\n").size(), 'w'));
  ASSERT_EQ(body.size(), size_t{1} << 20);
  EXPECT_EQ(read_tar(raw_pax(body)).size(), 1u);
}

TEST(TarReader, EveryTruncationEndsCleanlyOrIsReported) {
  const std::string tar = pax({{"path", "some/name"}, {"mtime", "1.5"}}) +
                          member({.name = "s"}, std::string(700, 'x')) + long_name('L', std::string(150, 'n')) +
                          member({.name = "n", .type = '2', .link = "t"}, "") +
                          pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "100"}}) +
                          member({.name = "sp"}, padded("1\n10\n3\n") + "abc") + end_marker();
  ASSERT_EQ(read_tar(tar).size(), 3u);
  for (size_t size = 0; size < tar.size(); ++size) {
    const std::string error = error_of([&] { read_tar(tar.substr(0, size)); });
    if (!error.empty()) {
      EXPECT_THAT(error, HasSubstr("unexpected EOF")) << size;
    }
  }
}

// ---- sparse files ----

const std::string kSparseContent =
    std::string(10, '\0') + "data" + std::string(86, '\0') + "end" + std::string(20, '\0');

struct SparseCase {
  const char* name;
  std::string tar;
};
std::string gnu_pairs(const std::vector<std::pair<uint64_t, uint64_t>>& pairs) {
  std::string out;
  for (const auto& [at, size] : pairs) out += octal(at, 11) + octal(size, 11);
  return out;
}
TarBlock old_gnu(const std::string& pairs, uint64_t real_size, bool extended = false) {
  return {.name = "sparse",
          .type = 'S',
          .magic = kGnuMagic,
          .patches = {{386, pairs}, {482, extended ? "\1" : ""}, {483, octal(real_size, 11)}}};
}
std::vector<std::pair<std::string, std::string>> pax_00() {
  return {{"GNU.sparse.size", "123"},   {"GNU.sparse.numblocks", "3"}, {"GNU.sparse.offset", "10"},
          {"GNU.sparse.numbytes", "4"}, {"GNU.sparse.offset", "100"},  {"GNU.sparse.numbytes", "3"},
          {"GNU.sparse.offset", "123"}, {"GNU.sparse.numbytes", "0"}};
}
std::vector<std::pair<std::string, std::string>> pax_01() {
  return {{"GNU.sparse.name", "sparse"},
          {"GNU.sparse.size", "123"},
          {"GNU.sparse.numblocks", "2"},
          {"GNU.sparse.map", "10,4,100,3"}};
}
std::vector<std::pair<std::string, std::string>> pax_10(const std::string& size) {
  return {{"GNU.sparse.major", "1"},
          {"GNU.sparse.minor", "0"},
          {"GNU.sparse.name", "sparse"},
          {"GNU.sparse.realsize", size}};
}

class Sparse : public testing::TestWithParam<SparseCase> {};
TEST_P(Sparse, IsExpanded) {
  const auto entries = read_tar(GetParam().tar + member({.name = "next"}, "next"));
  ASSERT_THAT(names_of(entries), ElementsAre("sparse", "next"));
  EXPECT_EQ(entries[0].entry.type, TarType::file);
  EXPECT_TRUE(entries[0].entry.sparse);
  EXPECT_EQ(entries[0].entry.size, 123u);
  EXPECT_EQ(entries[0].content, kSparseContent);
  EXPECT_FALSE(entries[1].entry.sparse);
  EXPECT_EQ(entries[1].content, "next");
}
TEST_P(Sparse, HolesCanBeSkipped) {
  const auto source = read_from(GetParam().tar);
  TarReader reader(*source);
  ASSERT_NE(reader.next(), nullptr);
  std::string trace;
  for (;;) {
    if (const uint64_t hole = reader.skip_hole()) trace += "(" + std::to_string(hole) + ")";
    EXPECT_EQ(reader.skip_hole(), 0u);
    const auto view = reader.read_view();
    if (view.empty()) break;
    trace.append(view.data(), view.size());
  }
  EXPECT_EQ(trace, "(10)data(86)end(20)");
}
INSTANTIATE_TEST_SUITE_P(
    , Sparse,
    testing::Values(SparseCase{"old_gnu", member(old_gnu(gnu_pairs({{10, 4}, {100, 3}, {123, 0}}), 123), "dataend")},
                    SparseCase{"old_gnu_extended",
                               [] {
                                 TarBlock block = old_gnu(gnu_pairs({{10, 1}, {11, 1}, {12, 1}, {13, 1}}), 123, true);
                                 block.size = 7;
                                 std::string first(512, '\0'), second = padded(gnu_pairs({{102, 1}}));
                                 first.replace(0, 24 * 2, gnu_pairs({{100, 1}, {101, 1}}));
                                 for (size_t i = 2; i < 21; ++i) first.replace(24 * i, 24, gnu_pairs({{102, 0}}));
                                 first[504] = 1;
                                 return header(block) + first + second + padded("dataend");
                               }()},
                    SparseCase{"pax_0_0", pax(pax_00()) + member({.name = "sparse"}, "dataend")},
                    SparseCase{"pax_0_1", pax(pax_01()) + member({.name = "GNUSparseFile.0/sparse"}, "dataend")},
                    SparseCase{"pax_1_0",
                               pax(pax_10("123")) + member({.name = "x"}, padded("2\n10\n4\n100\n3\n") + "dataend")}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarReader, AFileThatIsOneHoleCostsNothingToSkip) {
  constexpr uint64_t kSize = 1ull << 60;
  const auto source =
      read_from(pax(pax_10(std::to_string(kSize))) + member({.name = "x"}, padded("0\n")) + member({.name = "b"}, ""));
  TarReader reader(*source);
  ASSERT_NE(reader.next(), nullptr);
  EXPECT_EQ(reader.skip_hole(), kSize);
  EXPECT_TRUE(reader.read_view().empty());
  ASSERT_NE(reader.next(), nullptr);
}

std::vector<std::pair<std::string, std::string>> changed(std::vector<std::pair<std::string, std::string>> records,
                                                         const std::string& key, const std::string& value) {
  for (auto& [k, v] : records)
    if (k == key) v = value;
  return records;
}
std::string lines(const std::string& map) {
  return pax(pax_10("123")) + member({.name = "x"}, padded(map) + "dataend");
}

INSTANTIATE_TEST_SUITE_P(
    Sparse, Refused,
    testing::Values(
        BadCase{"pieces_overlap", lines("2\n10\n4\n12\n3\n"), kInvalid},
        BadCase{"pieces_backwards", lines("2\n100\n3\n10\n4\n"), kInvalid},
        BadCase{"piece_behind_the_end", lines("2\n10\n4\n121\n3\n"), kInvalid},
        BadCase{"offset_near_2_to_63", lines("1\n9223372036854775807\n7\n"), kInvalid},
        BadCase{"less_data_than_mapped", lines("2\n10\n4\n100\n4\n"), kInvalid},
        BadCase{"more_data_than_mapped", lines("1\n10\n4\n"), kInvalid},
        BadCase{"too_many_pieces", lines("1048577\n"), "too many pieces"},
        BadCase{"negative_number", lines("1\n-10\n7\n"), kInvalid},
        BadCase{"endless_number", lines("1\n" + std::string(400, '0')), kInvalid},
        BadCase{"map_without_end", pax(pax_10("123")) + member({.name = "x"}, padded("9\n1\n1")), kInvalid},
        BadCase{"map_beyond_the_data", pax(pax_10("123")) + member({.name = "x"}, "1\n"), "unexpected EOF"},
        BadCase{"wrong_count", pax(changed(pax_01(), "GNU.sparse.numblocks", "3")) + member({.name = "x"}, "dataend"),
                kInvalid},
        BadCase{"odd_list", pax(changed(pax_01(), "GNU.sparse.map", "10,4,100")) + member({.name = "x"}, "dataend"),
                kInvalid},
        BadCase{"text_in_list", pax(changed(pax_01(), "GNU.sparse.map", "10,4,b,3")) + member({.name = "x"}, "dataend"),
                kInvalid},
        BadCase{"lengths_first", pax({{"GNU.sparse.numbytes", "4"}}) + member({.name = "x"}, ""), kInvalid},
        BadCase{"length_missing", pax({{"GNU.sparse.offset", "4"}}) + member({.name = "x"}, ""), kInvalid},
        BadCase{"sparse_directory", pax(pax_01()) + member({.name = "x", .type = '5'}, ""), kInvalid},
        BadCase{"old_gnu_without_gnu_magic", member({.name = "x", .type = 'S'}, ""), kInvalid},
        BadCase{"old_gnu_without_extension",
                header(old_gnu(gnu_pairs({{0, 1}}), 1, true)).substr(0, 512) + std::string(512, 'x'), kInvalid}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarReader, ASparseVersionNobodyKnowsIsAnOrdinaryFile) {
  const auto read = only(pax(changed(pax_10("123"), "GNU.sparse.major", "2")) + member({.name = "x"}, "content"));
  EXPECT_FALSE(read.entry.sparse);
  EXPECT_EQ(read.entry.name, "x");
  EXPECT_EQ(read.content, "content");
}

// ---- limits ----

TEST(TarReader, LimitsCanBeNarrower) {
  const auto source = read_from(pax({{"comment", std::string(200, 'x')}}) + member({.name = "a"}, ""));
  TarReader reader(*source, nullptr, {.meta_bytes = 100});
  EXPECT_THAT(error_of([&] { reader.next(); }), HasSubstr("header field too long"));
}

TEST(TarReader, AHostOfHeadersCostsNoMemory) {
  struct Bomb : ByteSource {  // 100 MiB of long names for one entry
    size_t read(std::span<char> into) override {
      if (into.size() < one.size()) throw std::logic_error("small read");
      if (left == 0) return 0;
      --left;
      std::copy(one.begin(), one.end(), into.begin());
      return one.size();
    }
    const std::string one = repeat(long_name('L', "n"), 100);
    size_t left = 1000;
  } bomb;
  TarReader reader(bomb);
  const uint64_t before = peak_memory();
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(reader.stream_bytes(), 1000u * 100 * 1024);
  EXPECT_LT(peak_memory() - before, 32u << 20);
}

// ---- the observer ----

struct Log : TarReader::Observer {
  void raw(std::span<const char> bytes) override { add('r', bytes); }
  void remainder(std::span<const char> bytes) override { add('+', bytes); }
  void entry(const TarEntry& entry) override { kinds += "e(" + entry.name + ")"; }
  void content(std::span<const char> bytes) override { add('c', bytes); }
  void hole(uint64_t bytes) override { kinds += "h" + std::to_string(bytes); }
  void end() override { kinds += "."; }
  void add(char kind, std::span<const char> bytes) {
    EXPECT_FALSE(bytes.empty());
    stream.append(bytes.data(), bytes.size());
    if (kinds.empty() || kinds.back() != kind) kinds += kind;
  }
  std::string kinds, stream;
};

TEST(TarObserver, SeesTheWholeStreamInOrder) {
  const std::string tar = pax({{"comment", "c"}}, 'g') + member({.name = "d/", .type = '5'}, "") +
                          long_name('L', "d/long") + member({.name = "x"}, std::string(3000, 'x')) +
                          member({.name = "e"}, "") + member({.name = "u", .type = 'Z'}, "unknown") + end_marker() +
                          "trailing";
  for (const size_t step : {1, 3, 511, 512, 513, 100'000}) {
    Log log;
    const auto source = in_steps(tar, step);
    TarReader reader(*source, &log);
    while (reader.next()) {
    }
    EXPECT_EQ(log.stream, tar) << step;
    EXPECT_EQ(log.kinds, "re(pax_global_header)re(d/)re(d/long)cre(e)re(u)cr+.") << step;
    EXPECT_EQ(reader.stream_bytes(), tar.size());
  }
}

TEST(TarObserver, SeesWhatIsSkippedAndPaddingThatIsCut) {
  const std::string tar = member({.name = "a"}, "12345") + member({.name = "b"}, "678");
  Log log;
  const std::string cut = tar.substr(0, tar.size() - 200);
  const auto source = read_from(cut);
  TarReader reader(*source, &log);
  reader.next();
  char two[2];
  reader.read(two);
  reader.next();
  reader.skip_content();
  reader.next();
  EXPECT_EQ(log.stream, cut);
}

TEST(TarObserver, SeesHolesByTheirSize) {
  Log log;
  read_tar(member(old_gnu(gnu_pairs({{10, 4}, {100, 3}}), 123), "dataend"), &log);
  EXPECT_EQ(log.kinds, "re(sparse)h10ch86ch20r.");
}

TEST(TarObserver, HolesAreZerosForOneThatDoesNotCare) {
  struct Plain : TarReader::Observer {
    void raw(std::span<const char>) override {}
    void entry(const TarEntry&) override {}
    void content(std::span<const char> bytes) override { text.append(bytes.data(), bytes.size()); }
    void end() override {}
    std::string text;
  } plain;
  read_tar(member(old_gnu(gnu_pairs({{10, 4}, {100, 3}}), 123), "dataend"), &plain);
  EXPECT_EQ(plain.text, kSparseContent);
  plain.text.clear();
  plain.hole(100'000);
  EXPECT_EQ(plain.text, std::string(100'000, '\0'));
}

// ---- archives of real programs ----

void make_tree(const TempDir& dir) {
  if (!running_as_root()) GTEST_SKIP() << "needs root for devices and owners";
  const auto root = dir.path().string();
  run(root,
      R"sh(mkdir -p t/dir t/empty && cd t && printf content >file && : >nothing && head -c 200000 /dev/urandom >big
    ln file hard && ln -s ../file dir/link && ln -s "$(printf '%0150d' 7)" far && mkfifo pipe && mknod dev c 1 3 && mknod blk b 8 17
    d=$(printf '%090d/%090d/%090d' 1 2 3) && mkdir -p "$d" && printf deep >"$d/$(printf '%0200d' 4)"
    ln "$d/$(printf '%0200d' 4)" hardfar; printf ü >ümlaut; printf raw >"$(printf 'n\377\376')"; printf nl >"$(printf 'a\nb')"
    chown 3000000:2999999 big; chmod 6755 file; chmod 1777 empty; touch -d '1960-01-01 00:00:00.25 UTC' nothing
    touch -d '2033-05-18 03:33:20.123456789 UTC' file)sh");
}

// Every entry equals what lstat says of its file.
void expect_equals_tree(const std::vector<ReadEntry>& entries, const std::filesystem::path& root,
                        bool has_nanoseconds) {
  for (const auto& [entry, content] : entries) {
    const std::string path = (root / clean_path(entry.name)).string();
    struct stat st;
    ASSERT_EQ(::lstat(path.c_str(), &st), 0) << path;
    EXPECT_EQ(entry.mode, st.st_mode & 07777) << path;
    EXPECT_EQ(entry.uid, st.st_uid) << path;
    EXPECT_EQ(entry.gid, st.st_gid) << path;
    EXPECT_EQ(entry.mtime.tv_sec, st.st_mtim.tv_sec) << path;
    if (has_nanoseconds) {
      EXPECT_EQ(entry.mtime.tv_nsec, st.st_mtim.tv_nsec) << path;
    }
    switch (entry.type) {
      case TarType::file:
        EXPECT_EQ(content, read_file(path)) << path;
        break;
      case TarType::hard_link:
        EXPECT_EQ(std::filesystem::exists(root / entry.link_target), true) << path;
        break;
      case TarType::symlink:
        EXPECT_EQ(entry.link_target, std::filesystem::read_symlink(path).string());
        break;
      case TarType::directory:
        EXPECT_TRUE(S_ISDIR(st.st_mode)) << path;
        break;
      case TarType::fifo:
        EXPECT_TRUE(S_ISFIFO(st.st_mode)) << path;
        break;
      case TarType::char_device:
      case TarType::block_device:
        EXPECT_EQ(makedev(entry.device_major, entry.device_minor), st.st_rdev) << path;
        EXPECT_EQ(entry.type == TarType::block_device, S_ISBLK(st.st_mode)) << path;
        break;
      default:
        ADD_FAILURE() << path;
    }
  }
}

struct ProgramCase {
  const char *name, *command;
  bool nanoseconds;
  size_t entries;
};
class RealArchive : public testing::TestWithParam<ProgramCase> {};
TEST_P(RealArchive, IsReadAsItsTree) {
  const auto& c = GetParam();
  if (!has_program(std::string(c.command).substr(0, std::string(c.command).find(' '))))
    GTEST_SKIP() << c.command << " is missing";
  const TempDir dir;
  ASSERT_NO_FATAL_FAILURE(make_tree(dir));
  if (IsSkipped()) return;
  run(dir.path().string(), c.command);
  const auto entries = read_tar(read_file(dir / "a.tar"));
  EXPECT_EQ(entries.size(), c.entries);
  expect_equals_tree(entries, dir / "t", c.nanoseconds);
}
INSTANTIATE_TEST_SUITE_P(
    , RealArchive,
    testing::Values(ProgramCase{"gnu", "tar -C t --format=gnu -cf a.tar .", false, 20},
                    ProgramCase{"oldgnu", "tar -C t --format=oldgnu -cf a.tar .", false, 20},
                    ProgramCase{"pax", "tar -C t --format=pax -cf a.tar .", true, 20},
                    ProgramCase{"pax_sparse_1_0", "tar -C t --format=pax -S -cf a.tar .", true, 20},
                    // ustar can hold neither the long link, the large ids nor the time before 1970.
                    ProgramCase{
                        "ustar",
                        "tar -C t --format=ustar -cf a.tar ./file ./dir ./empty ./pipe ./dev ./blk ./hard ./ümlaut",
                        false, 9},
                    ProgramCase{"v7", "tar -C t --format=v7 -cf a.tar file dir empty hard", false, 5},
                    // bsdtar writes the fraction of a time before 1970 the wrong way round.
                    ProgramCase{"bsdtar", "bsdtar -C t --format=pax --exclude ./nothing -cf a.tar .", true, 19}),
    [](const auto& test) { return std::string(test.param.name); });

class GnuSparse : public testing::TestWithParam<const char*> {};
TEST_P(GnuSparse, IsExpanded) {
  const TempDir dir;
  run(dir.path().string(), R"(truncate -s 3M few && printf x | dd of=few bs=1 seek=100000 conv=notrunc 2>/dev/null
    truncate -s 9M many && for i in $(seq 1 60); do printf "%05d" $i | dd of=many bs=1 seek=$((i * 131072)) conv=notrunc 2>/dev/null; done
    truncate -s 1M hole; head -c 70000 /dev/urandom >dense; truncate -s 2M dense)");
  run(dir.path().string(), "tar "s + GetParam() + " -S -cf a.tar few many hole dense");
  if (std::filesystem::file_size(dir / "a.tar") > (8 << 20)) GTEST_SKIP() << "this file system knows no holes";
  const auto entries = read_tar(read_file(dir / "a.tar"));
  ASSERT_THAT(names_of(entries), ElementsAre("few", "many", "hole", "dense"));
  for (const auto& [entry, content] : entries) {
    EXPECT_TRUE(entry.sparse) << entry.name;
    EXPECT_EQ(content, read_file(dir / entry.name)) << entry.name;
  }
}
INSTANTIATE_TEST_SUITE_P(, GnuSparse,
                         testing::Values("--format=gnu", "--format=pax --sparse-version=0.0",
                                         "--format=pax --sparse-version=0.1", "--format=pax --sparse-version=1.0"));

class RealXattrs : public testing::TestWithParam<const char*> {};
TEST_P(RealXattrs, AreRead) {
  const std::string command = GetParam();
  if (!has_program(command.substr(0, command.find(' ')))) GTEST_SKIP() << command << " is missing";
  const TempDir dir;
  write_file(dir / "f", "content");
  const std::string path = (dir / "f").string(), binary = "\x00\xff=\n\x01"s;
  if (::setxattr(path.c_str(), "user.binary", binary.data(), binary.size(), 0) != 0)
    GTEST_SKIP() << "no user xattrs here";
  ASSERT_EQ(::setxattr(path.c_str(), "user.plain", "text", 4, 0), 0);
  run(dir.path().string(), command + " -cf a.tar f");
  const auto read = only(read_file(dir / "a.tar"));
  EXPECT_THAT(read.entry.xattrs, testing::IsSupersetOf({Pair("user.binary"s, binary), Pair("user.plain"s, "text"s)}));
  EXPECT_EQ(read.content, "content");
}
INSTANTIATE_TEST_SUITE_P(, RealXattrs, testing::Values("tar --xattrs --format=pax", "bsdtar --xattrs --format=pax"));

}  // namespace
}  // namespace cairn::test
