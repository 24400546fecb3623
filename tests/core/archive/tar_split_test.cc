#include "core/archive/tar_split.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/archive/base64.h"
#include "core/archive/compression.h"
#include "core/digest/digest.h"
#include "core/util/error.h"
#include "tests/core/archive/tar_blocks.h"
#include "tests/support/fixtures.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using std::string_literals::operator""s;

std::string base64(const std::string& bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string split(const std::string& tar, size_t step = 1 << 20, int64_t* content_bytes = nullptr) {
  StringSink out;
  TarSplitWriter writer(out);
  const auto source = in_steps(tar, step);
  TarReader reader(*source, &writer);
  while (reader.next()) {
  }
  if (content_bytes) *content_bytes = writer.content_bytes();
  return out.text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string segment(const std::string& bytes, int position) {
  return R"({"type":2,"payload":")" + base64(bytes) + R"(","position":)" + std::to_string(position) + "}\n";
}

using Files = std::map<std::string, std::string>;

ContentOpener opener(const Files& files) {
  return [&files](const std::string& name) {
    const auto it = files.find(name);
    if (it == files.end()) throw Error(Errc::not_found, "opening '" + name + "': no such file");
    return in_steps(it->second, 1000);
  };
}

// What an unpacker would have left of the archive's contents.
Files unpacked(const std::string& tar) {
  Files files;
  for (const auto& [entry, content] : read_tar(tar))
    if (entry.type == TarType::file) files[clean_path(entry.name)] = content;
  return files;
}

std::string joined(const std::string& lines, const Files& files, int64_t* content_bytes = nullptr) {
  StringSink out;
  const auto source = in_steps(lines, 777);
  const int64_t sum = reassemble(*source, opener(files), out);
  if (content_bytes) *content_bytes = sum;
  EXPECT_EQ(reassembled_size(*in_steps(lines, 777)), out.text.size());
  return out.text;
}

std::vector<TarSplitEntry> read_entries(const std::string& lines, size_t step = 1 << 20) {
  const auto source = in_steps(lines, step);
  TarSplitReader reader(*source);
  std::vector<TarSplitEntry> out;
  for (TarSplitEntry entry; reader.next(entry);) out.push_back(entry);
  return out;
}

// ---- checksum ----

TEST(Crc64, HasDockersVectors) {
  EXPECT_EQ(crc64(0, "123456789"s), 0xb90956c775a41001u);
  EXPECT_EQ(crc64(0, "hi\n"s), 0x6149981000000000u);
  EXPECT_EQ(crc64(0, "imma hurr til I derp"s), 0x0274a4b1abec6b4eu);
  EXPECT_EQ(crc64(0, "caf\xc3\xa9 con leche, por favor"s), 0x7e4859efe6fca0bbu);
  EXPECT_EQ(crc64(0, {}), 0u);
}

TEST(Crc64, GoesOnWhereItStopped) {
  const std::string text = repeat("0123456789abcdef!", 1000);
  for (const size_t cut : {0, 1, 7, 8, 15, 16, 1000, 16'999})
    EXPECT_EQ(crc64(crc64(0, std::span(text).first(cut)), std::span(text).subspan(cut)), crc64(0, text)) << cut;
}

TEST(Crc64, OfAHoleIsThatOfItsZeros) {
  for (const size_t size : {1, 7, 8, 255, 4096, 1'000'003}) {
    TarEntry entry;
    entry.name = "f";
    entry.size = 2 + size;
    StringSink by_hole, by_zeros;
    for (StringSink* out : {&by_hole, &by_zeros}) {
      TarSplitWriter writer(*out);
      writer.entry(entry);
      writer.content("a"s);
      if (out == &by_hole)
        writer.hole(size);
      else
        writer.content(std::string(size, '\0'));
      writer.content("b"s);
      writer.end();
    }
    EXPECT_EQ(by_hole.text, by_zeros.text) << size;
  }
}

// ---- writing ----

// The archive and the result are given by their hashes; Docker's own tar-split gives the same.
TEST(TarSplitWriter, WorkedExample) {
  const std::string tar =
      header({.name = "d/", .type = '5', .mode = 0755}) + member({.name = "d/a&b"}, "hi\n") + end_marker();
  ASSERT_EQ(Digest::of(tar).hex(), "6f432b14e29703e66006a12fdb2853f3f8691a87c37c03829faed6a2834d75c5");
  const std::string lines = split(tar);
  EXPECT_EQ(lines.size(), 3652u);
  EXPECT_EQ(Digest::of(lines).hex(), "b82d35fa4f35b97af36a2c68d1323b24fc0df66ff8643de88f2e6dbe3f1de092") << lines;
}

TEST(TarSplitWriter, AnEmptyStreamHasNoLines) { EXPECT_EQ(split(""), ""); }

TEST(TarSplitWriter, DoesNotDependOnHowTheStreamIsCut) {
  const std::string tar = pax({{"path", "long/name"}}) + member({.name = "x"}, std::string(5000, 'x')) +
                          member({.name = "y"}, "") + end_marker() + std::string(5000, '\0');
  const std::string lines = split(tar);
  for (const size_t step : {1, 2, 3, 5, 511, 512, 513}) EXPECT_EQ(split(tar, step), lines) << step;
}

struct FileLine {
  const char* name;
  std::string tar, want;
};
class FileEntry : public testing::TestWithParam<FileLine> {};
TEST_P(FileEntry, IsSpelledAsGoDoes) {
  EXPECT_THAT(lines_of(split(GetParam().tar)).at(1), StartsWith(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(
    , FileEntry,
    testing::Values(
        FileLine{"file", member({.name = "f"}, "hi\n"),
                 R"({"type":1,"name":"f","size":3,"payload":"YUmYEAAAAAA=","position":1})"},
        FileLine{"empty_file", member({.name = "./f"}, ""), R"({"type":1,"name":"./f","payload":null,"position":1})"},
        FileLine{"nameless", member({.name = ""}, ""), R"({"type":1,"payload":null,"position":1})"},
        FileLine{"html", member({.name = "<a>&b"}, ""), R"({"type":1,"name":"\u003ca\u003e\u0026b","payload")"},
        FileLine{"quotes", member({.name = "a\"b\\c"}, ""), R"({"type":1,"name":"a\"b\\c","payload")"},
        FileLine{"control", member({.name = "\n\r\t\b\x1f\x7f"}, ""),
                 "{\"type\":1,\"name\":\"\\n\\r\\t\\u0008\\u001f\x7f\",\"payload\""},
        FileLine{"unicode", member({.name = "\xc3\xbc\xf0\x9f\x98\x80"}, ""),
                 "{\"type\":1,\"name\":\"\xc3\xbc\xf0\x9f\x98\x80\",\"payload\""},
        FileLine{"line_separators", member({.name = "\xe2\x80\xa8\xe2\x80\xa9"}, ""),
                 R"({"type":1,"name":"\u2028\u2029","payload")"},
        FileLine{"not_utf8", member({.name = "a\xff"}, "hi\n"),
                 R"({"type":1,"name_raw":"Yf8=","size":3,"payload":"YUmYEAAAAAA=")"},
        FileLine{"surrogate", member({.name = "\xed\xa0\x80"}, ""), R"({"type":1,"name_raw":"7aCA","payload")"},
        FileLine{"overlong", member({.name = "\xc0\xaf"}, ""), R"({"type":1,"name_raw":"wK8=","payload")"},
        FileLine{"symlink", member({.name = "l", .type = '2', .link = "t"}, ""),
                 R"({"type":1,"name":"l","payload":null)"},
        FileLine{"whiteout", member({.name = "d/.wh.x"}, ""), R"({"type":1,"name":"d/.wh.x","payload":null)"},
        FileLine{"global_header", pax({{"comment", "c"}}, 'g'),
                 R"({"type":1,"name":"pax_global_header","payload":null)"},
        FileLine{"directory_with_a_size", header({.name = "d/", .type = '5', .size = 4096}),
                 R"({"type":1,"name":"d/","size":4096,"payload":"AAAAAAAAAAA=","position":1})"},
        FileLine{"pax_name", pax({{"path", "long"}}) + member({.name = "s"}, ""),
                 R"({"type":1,"name":"long","payload":null)"},
        FileLine{"sparse",
                 pax({{"GNU.sparse.major", "1"},
                      {"GNU.sparse.minor", "0"},
                      {"GNU.sparse.name", "s"},
                      {"GNU.sparse.realsize", "9"}}) +
                     member({.name = "x"}, padded("1\n0\n9\n") + "123456789"),
                 R"({"type":1,"name":"s","size":9,"payload":"uQlWx3WkEAE=","position":1})"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarSplitWriter, HeadersInFrontOfAnEntryAreOneSegment) {
  const std::string headers = pax({{"path", "p"}}) + pax({{"mtime", "1"}}) + header({.name = "s"});
  EXPECT_EQ(lines_of(split(headers)).at(0) + "\n", segment(headers, 0));
}

struct FinalCase {
  const char* name;
  std::string content, tail;
  std::vector<std::string> segments;
};
class FinalSegments : public testing::TestWithParam<FinalCase> {};
TEST_P(FinalSegments, FollowDockersRules) {
  const auto& c = GetParam();
  TarBlock block{.name = "f"};
  block.size = c.content.size();
  std::string want;
  for (int i = 0; const auto& bytes : c.segments) want += segment(bytes, 2 + i++);
  const std::string lines = split(header(block) + c.content + c.tail);
  size_t at = lines.find('\n', lines.find('\n') + 1) + 1;
  EXPECT_EQ(lines.substr(at), want);
}
const std::string kZeros512(512, '\0');
INSTANTIATE_TEST_SUITE_P(
    , FinalSegments,
    testing::Values(FinalCase{"nothing", "", "", {}},
                    FinalCase{"padding", "hi\n", std::string(509, '\0'), {std::string(509, '\0')}},
                    FinalCase{"no_padding", "hi\n", "", {}},
                    FinalCase{"cut_padding", "hi\n", std::string(100, '\0'), {std::string(100, '\0')}},
                    FinalCase{"one_zero_block", "", kZeros512, {kZeros512}},
                    FinalCase{"end_marker", "hi\n", std::string(509 + 1024, '\0'), {std::string(509 + 1024, '\0')}},
                    FinalCase{
                        "tape_blocks", "", std::string(10240, '\0'), {end_marker(), std::string(10240 - 1024, '\0')}},
                    FinalCase{"junk", "", end_marker() + "junk", {end_marker(), "junk"}},
                    FinalCase{"long_remainder",
                              "",
                              end_marker() + std::string((2 << 20) + 5, 'r'),
                              {end_marker(), std::string(1 << 20, 'r'), std::string(1 << 20, 'r'), "rrrrr"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarSplitWriter, ASegmentBeyond16MiBIsCut) {
  std::string headers;
  for (int i = 0; i < 17; ++i) headers += pax({{"comment", std::string((1 << 20) - 20, 'c')}});
  const std::string tar = headers + member({.name = "f"}, "hi\n") + end_marker();
  const std::string lines = split(tar);
  size_t longest = 0;
  for (const auto& line : lines_of(lines)) longest = std::max(longest, line.size());
  EXPECT_LT(longest, 24u << 20);
  EXPECT_TRUE(joined(lines, {{"f", "hi\n"}}) == tar);
}

TEST(TarSplitWriter, PositionsAreConsecutiveAndSizesAreSummed) {
  const std::string tar = member({.name = "a"}, "12345") + header({.name = "d", .type = '5', .size = 100}) +
                          member({.name = "b"}, "678") + end_marker();
  int64_t content_bytes = 0;
  const auto lines = lines_of(split(tar, 1000, &content_bytes));
  EXPECT_EQ(content_bytes, 108);
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(nlohmann::json::parse(lines[i]).at("position"), i);
}

struct TwinCase {
  const char *name, *first, *second;
  bool twins;
};
class Duplicates : public testing::TestWithParam<TwinCase> {};
TEST_P(Duplicates, AreRefusedWhenWritingAndWhenReading) {
  const auto& c = GetParam();
  const std::string tar = member({.name = c.first}, "") + member({.name = c.second}, "");
  const std::string lines = R"({"type":1,"name_raw":")" + base64(c.first) + R"(","payload":null,"position":0})" +
                            R"({"type":1,"name_raw":")" + base64(c.second) + R"(","payload":null,"position":1})";
  const auto want = c.twins ? HasSubstr("duplicates of file paths not supported") : testing::HasSubstr("");
  EXPECT_THAT(error_of([&] { split(tar); }), want);
  EXPECT_THAT(error_of([&] { read_entries(lines); }), want);
  if (!c.twins) {
    EXPECT_EQ(read_entries(split(tar)).size(), 4u);
  }
}
INSTANTIATE_TEST_SUITE_P(, Duplicates,
                         testing::Values(TwinCase{"same", "a", "a", true}, TwinCase{"dot", "./a", "a", true},
                                         TwinCase{"slash", "a/", "a", true}, TwinCase{"slashes", "a//", "a/", true},
                                         TwinCase{"up", "x/../a", "a", true}, TwinCase{"root_and_dot", "./", ".", true},
                                         TwinCase{"not_utf8", "a\xff", "./a\xff", true},
                                         TwinCase{"different", "a", "b", false}, TwinCase{"case", "a", "A", false},
                                         TwinCase{"absolute", "/a", "a", false},
                                         TwinCase{"absolute_twice", "/a", "//a", true},
                                         TwinCase{"roots", "/", ".", false}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(TarSplitWriter, TwoGlobalHeadersAreDuplicates) {
  EXPECT_THAT(error_of([] {
                split(pax({{"comment", "a"}}, 'g') + pax({{"comment", "b"}}, 'g'));
              }),
              HasSubstr("duplicates"));
}

TEST(TarSplitWriter, SizesBeyond63BitsAreRefused) {
  std::string tar;
  for (const char* name : {"a", "b", "c"})
    tar += header({.name = name, .type = '5', .patches = {{124, "\x80\0\0\0\x70\0\0\0\0\0\0\0"s}}});
  EXPECT_THAT(error_of([&] { split(tar); }), HasSubstr("absurd size"));
}

TEST(TarSplitWriter, AHugeHoleCostsNoTime) {
  const std::string size = std::to_string(1ull << 61);
  const std::string tar = pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", size}}) +
                          member({.name = "x"}, padded("0\n"));
  EXPECT_THAT(split(tar), HasSubstr("\"size\":" + size));
}

// ---- putting together ----

struct ShapeCase {
  const char* name;
  std::string tar;
};
class ReassembledShape : public testing::TestWithParam<ShapeCase> {};
TEST_P(ReassembledShape, IsExact) {
  const std::string& tar = GetParam().tar;
  int64_t written = 0, read = 0;
  const std::string lines = split(tar, 1 << 20, &written);
  EXPECT_TRUE(joined(lines, unpacked(tar), &read) == tar);
  EXPECT_EQ(written, read);
}
std::string many_files() {
  std::string tar;
  for (int i = 0; i < 2000; ++i)
    tar += member({.name = "d/" + std::to_string(i)}, std::string(static_cast<size_t>(i), 'x'));
  return tar + end_marker();
}
INSTANTIATE_TEST_SUITE_P(
    , ReassembledShape,
    testing::Values(
        ShapeCase{"empty_stream", ""}, ShapeCase{"empty_archive", end_marker()},
        ShapeCase{"no_end_marker", member({.name = "f"}, "x")},
        ShapeCase{"one_zero_block", member({.name = "f"}, "x") + std::string(512, '\0')},
        ShapeCase{"cut_padding", (member({.name = "f"}, "x") + member({.name = "g"}, "yy")).substr(0, 512 * 3 + 100)},
        ShapeCase{"cut_behind_content",
                  (member({.name = "f"}, "x") + member({.name = "g"}, "yy")).substr(0, 512 * 3 + 2)},
        ShapeCase{"trailing_junk", member({.name = "f"}, "x") + end_marker() + std::string(3 << 20, 'j')},
        ShapeCase{"many_files", many_files()},
        ShapeCase{"whole_blocks", member({.name = "f"}, std::string(1024, 'x')) + end_marker()},
        ShapeCase{"large_file", member({.name = "f"}, std::string(5'000'001, 'x')) + end_marker()},
        ShapeCase{"headers_that_count_nothing",
                  pax({{"comment", "x"}}) + pax({{"path", "p"}}) + member({.name = "f"}, "x") + pax({{"path", "z"}})},
        ShapeCase{"global_header", pax({{"comment", "x"}}, 'g') + member({.name = "f"}, "x") + end_marker()},
        ShapeCase{"odd_names", member({.name = "./a\xff/"}, "1") + member({.name = "n\nl"}, "2") +
                                   member({.name = "<&>"}, "3") + member({.name = "x/../y"}, "4") +
                                   member({.name = "/abs"}, "5") + end_marker()},
        ShapeCase{"garbage_in_padding",
                  member({.name = "f"}, "x").substr(0, 513) + std::string(511, 'p') + end_marker()},
        // Docker itself cannot put these two back together.
        ShapeCase{"sizes_without_content", header({.name = "d/", .type = '5', .size = 4096}) +
                                               header({.name = "l", .type = '1', .size = 99, .link = "f"}) +
                                               end_marker()},
        ShapeCase{"old_directory_with_a_size",
                  header({.name = "d/", .type = '\0', .size = 4096}) + member({.name = "f"}, "x")}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Reassembly, OfArchivesOfRealPrograms) {
  const TempDir dir;
  run(dir.path().string(),
      R"sh(mkdir -p t/d/e && cd t && head -c 300000 /dev/urandom >big && printf x >d/x && ln d/x hard && ln -s x d/l
    touch "$(printf '%0120d' 1)" && printf z >"$(printf 'r\377')")sh");
  for (const char* format : {"gnu", "pax", "ustar", "v7", "oldgnu"}) {
    const std::string names = format == "v7"s || format == "ustar"s ? "d hard big" : ".";  // the others hold long names
    run(dir.path().string(), "tar -C t --format="s + format + " -cf a.tar " + names);
    const std::string tar = read_file(dir / "a.tar");
    EXPECT_TRUE(joined(split(tar), unpacked(tar)) == tar) << format;
  }
}

TEST(Reassembly, WorksThroughGzip) {
  const std::string tar = many_files();
  StringSink packed;
  GzipSink gzip(packed);
  TarSplitWriter writer(gzip);
  const auto source = read_from(tar);
  TarReader reader(*source, &writer);
  while (reader.next()) {
  }
  gzip.finish();
  StringSink out;
  const Files files = unpacked(tar);
  reassemble(*decompress(read_from(packed.text)), opener(files), out);
  EXPECT_TRUE(out.text == tar);
}

TEST(Reassembly, NoticesChangedFiles) {
  const std::string tar = member({.name = "dir/f"}, "content") + end_marker(), lines = split(tar);
  for (const char* content : {"Content", "", "conten", "content and more"})
    EXPECT_THAT(error_of([&] {
                  joined(lines, {{"dir/f", content}});
                }),
                HasSubstr("file integrity checksum failed for 'dir/f'"))
        << content;
}

TEST(Reassembly, NamesMissingFilesAndCallsThemCorrupt) {
  const std::string lines = split(member({.name = "./dir/f"}, "content") + end_marker());
  StringSink out;
  for (const bool null : {false, true}) {
    const auto source = read_from(lines);
    try {
      reassemble(*source, null ? ContentOpener([](const std::string&) { return nullptr; }) : opener({}), out);
      FAIL() << "nothing thrown";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt);
      EXPECT_THAT(e.what(), HasSubstr("dir/f"));
    }
  }
}

TEST(Reassembly, PassesOtherErrorsOn) {
  const auto source = read_from(split(member({.name = "f"}, "content")));
  StringSink out;
  const ContentOpener open = [](const std::string&) -> std::unique_ptr<ByteSource> {
    throw Error(Errc::io, "the disk is gone");
  };
  try {
    reassemble(*source, open, out);
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::io);
  }
}

// ---- what Docker itself wrote ----

// The stream as file entries with the bytes between them; how those are cut into segments is no property of it.
std::vector<std::string> outline(const std::string& lines) {
  std::vector<std::string> out(1);
  for (const auto& entry : read_entries(lines)) {
    if (entry.kind == TarSplitEntry::Kind::segment) {
      out.back() += entry.payload;
    } else {
      out.push_back(entry.name + " " + std::to_string(entry.size) + " " + base64(entry.payload));
      out.emplace_back();
    }
  }
  return out;
}

TEST(DockersTarSplit, GivesTheLayerAndOursIsTheSame) {
  if (!running_as_root()) GTEST_SKIP() << "needs root for files nobody else may read";
  const TempDir dir;
  const auto root = unpack_fixture("tiny-1.9.1-vfs-after-1.10.3", dir.path());
  size_t layers = 0;
  for (const auto& layer : std::filesystem::directory_iterator(root / "image/vfs/layerdb/sha256")) {
    const auto packed = open_at(AT_FDCWD, (layer.path() / "tar-split.json.gz").string(), O_RDONLY);
    const std::string lines = read_all(*decompress(read_from(dup_fd(packed.get()))), 64 << 20);
    const auto files = root / "vfs/dir" / read_file(layer.path() / "cache-id");
    const auto source = read_from(lines);
    StringSink tar;
    const int64_t size = reassemble(
        *source,
        [&](const std::string& name) { return read_from(open_at(AT_FDCWD, (files / name).string(), O_RDONLY)); }, tar);
    EXPECT_EQ(Digest::of(tar.text).str(), read_file(layer.path() / "diff"));
    EXPECT_EQ(std::to_string(size), read_file(layer.path() / "size"));
    EXPECT_EQ(outline(split(tar.text)), outline(lines));
    ++layers;
  }
  EXPECT_EQ(layers, 11u);
}

// ---- reading ----

TEST(TarSplitReader, ReadsWhatTheWriterWrites) {
  const auto entries =
      read_entries(split(member({.name = "<\xc3\xbc>"}, "hi\n") + member({.name = "\xff"}, "") + end_marker()));
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].kind, TarSplitEntry::Kind::segment);
  EXPECT_EQ(entries[0].payload.size(), 512u);
  EXPECT_EQ(entries[1].kind, TarSplitEntry::Kind::file);
  EXPECT_EQ(entries[1].name, "<\xc3\xbc>");
  EXPECT_EQ(entries[1].size, 3u);
  EXPECT_EQ(entries[1].payload, "\x61\x49\x98\x10\0\0\0\0"s);
  EXPECT_EQ(entries[3].name, "\xff");
  EXPECT_EQ(entries[3].size, 0u);
  EXPECT_EQ(entries[3].payload, "");
  EXPECT_EQ(entries[4].payload.size(), 1024u);
}

TEST(TarSplitReader, TakesJsonHoweverItIsSpelled) {
  const std::string lines =
      " \r\n\t{ \"position\" : 7 , \"payload\":null,\"name\":\"a\\u003cb\\/\\ud83d\\ude00\\ud800\", \"type\" : 1 }\n\n"
      R"({"type":9,"name":"future","payload":"!"}{"type":2,"payload":"AA\u003d="}{"unknown":{"a":["}",{"b":"\"]"}]},"type":2,"payload":""})"
      R"({})"
      "\n"
      R"({"type":1,"name":"x","name_raw":"eQ==","size":5,"payload":"AAAAAAAAAAE="})"
      R"({"type":1,"name":"z","name_raw":"","payload":null,"position":3})";
  for (const size_t step : {1, 2, 7, 100, 10'000}) {
    const auto entries =
        read_entries(lines.substr(0, lines.find("{\"type\":9")) + lines.substr(lines.find("{\"type\":2")), step);
    ASSERT_EQ(entries.size(), 5u) << step;
    EXPECT_EQ(entries[0].name, "a<b/\xf0\x9f\x98\x80\xef\xbf\xbd");
    EXPECT_EQ(entries[1].payload, "\0"s);
    EXPECT_EQ(entries[2].payload, "");
    EXPECT_EQ(entries[3].name, "y") << "the raw name counts";
    EXPECT_EQ(entries[3].size, 5u);
    EXPECT_EQ(entries[4].name, "z");
  }
}

TEST(TarSplitReader, PassesOverKindsItDoesNotKnow) {
  const auto entries = read_entries(R"({"type":3,"name":"a","payload":null,"position":0})"
                                    "\n"
                                    R"({"type":3,"name":"a","payload":null,"position":1})"
                                    "\n"
                                    R"({"type":2,"payload":"AAAA","position":2})"
                                    "\n");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].payload, "\0\0\0"s);
}

TEST(TarSplitReader, TakesTheEmptySegmentsOfOlderDockers) {
  EXPECT_EQ(joined(R"({"type":2,"payload":"aGk=","position":0})"
                   "\n"
                   R"({"type":2,"payload":"","position":1})"
                   "\n",
                   {}),
            "hi");
}

struct DamageCase {
  const char *name, *line;
};
class Damage : public testing::TestWithParam<DamageCase> {};
TEST_P(Damage, IsCorruptAndHasAPlace) {
  const std::string good = R"({"type":2,"payload":"AAAA","position":0})"
                           "\n";
  for (const std::string& lines :
       {std::string(GetParam().line), good + GetParam().line, good + GetParam().line + "\n" + good}) {
    try {
      read_entries(lines);
      ADD_FAILURE() << "nothing thrown: " << lines;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt);
      EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("reading tar-split data"), HasSubstr("at byte ")));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(
    , Damage,
    testing::Values(DamageCase{"text", "hello"}, DamageCase{"array", "[]"}, DamageCase{"null", "null"},
                    DamageCase{"cut", R"({"type":2,"payload":"AA)"},
                    DamageCase{"unbalanced", R"({"type":2,"payload":"AAAA"]})"},
                    DamageCase{"no_colon", R"({"type" 2})"}, DamageCase{"no_comma", R"({"type":2 "payload":"AAAA"})"},
                    DamageCase{"trailing_comma", R"({"type":2,})"}, DamageCase{"bare_key", R"({type:2})"},
                    DamageCase{"base64_character", R"({"type":2,"payload":"AA*A","position":0})"},
                    DamageCase{"base64_length", R"({"type":2,"payload":"AAA","position":0})"},
                    DamageCase{"base64_padding", R"({"type":2,"payload":"A===","position":0})"},
                    DamageCase{"payload_number", R"({"type":2,"payload":7,"position":0})"},
                    DamageCase{"payload_array", R"({"type":2,"payload":[1],"position":0})"},
                    DamageCase{"name_number", R"({"type":1,"name":7,"payload":null})"},
                    DamageCase{"type_text", R"({"type":"1","name":"a"})"},
                    DamageCase{"size_fraction", R"({"type":1,"name":"a","size":1.5})"},
                    DamageCase{"size_negative", R"({"type":1,"name":"a","size":-1})"},
                    DamageCase{"size_huge", R"({"type":1,"name":"a","size":9223372036854775808})"},
                    DamageCase{"leading_zero", R"({"type":1,"name":"a","size":01,"payload":null,"position":1})"},
                    DamageCase{"raw_control_character",
                               "{\"type\":1,\"name\":\"a\x01\",\"payload\":null,\"position\":1}"},
                    DamageCase{"bad_escape", R"({"type":1,"name":"\q","payload":null,"position":1})"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TarSplitReader, RefusesALineBeyond64MiB) {
  struct Endless : ByteSource {
    size_t read(std::span<char> into) override {
      std::fill(into.begin(), into.end(), 'A');
      return into.size();
    }
  };
  const auto source = concatenate(R"({"type":2,"payload":")", std::make_unique<Endless>());
  TarSplitReader reader(*source);
  TarSplitEntry entry;
  EXPECT_THAT(error_of([&] { reader.next(entry); }), HasSubstr("an object of more than 67108864 bytes"));
}

TEST(TarSplitReader, NestingCostsNoStack) {
  const std::string deep = R"({"x":)" + std::string(1'000'000, '[');
  EXPECT_THAT(error_of([&] { read_entries(deep); }), HasSubstr("at byte "));
  EXPECT_THAT(error_of([&] { read_entries(deep + std::string(1'000'000, ']') + "}"); }), HasSubstr("at byte "));
}

// ---- base64 ----

TEST(Base64, RoundTripsEveryLengthInAnyPieces) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    std::string out, pieces;
    EXPECT_TRUE(append_from_base64(out, base64(bytes)));
    EXPECT_EQ(out, bytes);
    for (const size_t step : {1, 2, 4, 100}) {
      Base64Stream stream;
      pieces.clear();
      for (size_t at = 0; at < bytes.size(); at += step)
        stream.add(pieces, std::span(bytes).subspan(at, std::min(step, bytes.size() - at)));
      stream.finish(pieces);
      EXPECT_EQ(pieces, base64(bytes));
    }
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, RefusesWhatItIsNot) {
  for (const char* text :
       {"A", "AA", "AAA", "=", "====", "A===", "AA=A", "A A=", "AAAA\n", "-_AA", "AA==AAAA", "\x80\x80\x80\x80"}) {
    std::string out = "before";
    EXPECT_FALSE(append_from_base64(out, text)) << text;
    EXPECT_EQ(out, "before");
  }
  std::string out;
  EXPECT_TRUE(append_from_base64(out, "AAA", Base64Padding::optional));
  EXPECT_FALSE(append_from_base64(out, "A", Base64Padding::optional));
}

}  // namespace
}  // namespace cairn::test
