// imagedb, repositories.json, distribution and containers.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/util/error.h"
#include "graphdb/store.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

using test::read_file;
using test::write_file;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
namespace fs = std::filesystem;

class MetadataTest : public testing::Test {
 protected:
  void SetUp() override { store_->prepare(); }
  fs::path image(const std::string& below) { return dir_.path() / "image/overlay2" / below; }
  std::string repositories() { return read_file(image("repositories.json")); }
  static Errc code_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& e) {
      return e.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Errc::io;
  }

  test::TempDir dir_;
  std::unique_ptr<MetadataStore> store_ = open_metadata(dir_.path(), "overlay2");
};

using ImageDbTest = MetadataTest;
using ReferencesTest = MetadataTest;
using DistributionTest = MetadataTest;
using ContainersTest = MetadataTest;

TEST_F(ImageDbTest, PutReturnsTheHashAndConfigTheBytes) {
  const auto id = store_->images().put("foobar");
  EXPECT_EQ(id.str(), "sha256:c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2");
  EXPECT_EQ(store_->images().config(id), "foobar");
  struct stat st;
  ASSERT_EQ(::stat(image("imagedb/content/sha256/" + id.hex()).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  std::string big(8192, '\0');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 131);
  EXPECT_EQ(store_->images().config(store_->images().put(big)), big);
  EXPECT_EQ(store_->images().put("foobar"), id);
}

TEST_F(ImageDbTest, EmptyConfigIsRefused) {
  EXPECT_EQ(code_of([&] { store_->images().put(""); }), Errc::invalid);
}

TEST_F(ImageDbTest, UnknownImageIsNotFound) {
  EXPECT_EQ(code_of([&] { store_->images().config(ImageId(Digest::of("x"))); }), Errc::not_found);
}

TEST_F(ImageDbTest, ChangedContentIsCorruptAndPutMendsIt) {
  const auto id = store_->images().put("foobar");
  write_file(image("imagedb/content/sha256/" + id.hex()), "foobaz");
  EXPECT_EQ(code_of([&] { store_->images().config(id); }), Errc::corrupt);
  store_->images().put("foobar");
  EXPECT_EQ(store_->images().config(id), "foobar");
}

TEST_F(ImageDbTest, DirectoryInTheFilesPlaceFailsThePut) {
  fs::create_directory(image("imagedb/content/sha256/" + Digest::of("foobar").hex()));
  EXPECT_THROW(store_->images().put("foobar"), Error);
}

TEST(ImageDb, FileInPlaceOfADirectoryFailsThePreparation) {
  for (const char* path : {"image/vfs/imagedb", "image/vfs/imagedb/content", "image/vfs/imagedb/metadata"}) {
    const test::TempDir dir;
    write_file(dir / path, "");
    EXPECT_THROW(open_metadata(dir.path(), "vfs")->prepare(), Error) << path;
  }
}

TEST_F(ImageDbTest, OddNamesAreIgnored) {
  const auto id = store_->images().put("foobar");
  write_file(image("imagedb/content/sha256/foobar"), "junk");
  write_file(image("imagedb/content/sha256/.tmp-" + id.hex() + "123"), "junk");
  EXPECT_THAT(store_->images().list(), ElementsAre(id));
}

TEST_F(ImageDbTest, ParentIsKeptAndNeedsASoundImage) {
  const auto child = store_->images().put("child"), parent = store_->images().put("parent");
  EXPECT_FALSE(store_->images().parent(child));
  store_->images().set_parent(child, parent);
  EXPECT_EQ(store_->images().parent(child), parent);
  EXPECT_EQ(read_file(image("imagedb/metadata/sha256/" + child.hex() + "/parent")), parent.str());
  EXPECT_EQ(code_of([&] { store_->images().set_parent(ImageId(Digest::of("x")), parent); }), Errc::not_found);
}

TEST_F(ImageDbTest, ParentThatIsNoImageIdCountsAsNone) {
  const auto child = store_->images().put("child");
  for (const char* text : {"", "busybox", "sha256:12"}) {
    write_file(image("imagedb/metadata/sha256/" + child.hex() + "/parent"), text);
    EXPECT_FALSE(store_->images().parent(child)) << text;
  }
}

TEST_F(ImageDbTest, RemovingAnImageClearsItsChildrensParent) {
  const auto child = store_->images().put("child"), parent = store_->images().put("parent");
  store_->images().set_parent(child, parent);
  store_->images().set_parent(parent, child);
  store_->images().remove(parent);
  EXPECT_THAT(store_->images().list(), ElementsAre(child));
  EXPECT_FALSE(store_->images().parent(child));
  EXPECT_FALSE(fs::exists(image("imagedb/metadata/sha256/" + parent.hex())));
  EXPECT_NO_THROW(store_->images().remove(parent));
}

const ImageId kOne(Digest::of("1")), kTwo(Digest::of("2"));

TEST_F(ReferencesTest, FileIsByteForByteWhatAnEngineWrites) {
  store_->references().update({{"busybox:latest", kOne}, {"busybox:1.36", kTwo}, {"localhost:5000/a/b:x", kOne}}, {});
  EXPECT_EQ(repositories(), "{\"Repositories\":{\"busybox\":{\"busybox:1.36\":\"" + kTwo.str() +
                                "\",\"busybox:latest\":\"" + kOne.str() +
                                "\"},\"localhost:5000/a/b\":{\"localhost:5000/a/b:x\":\"" + kOne.str() + "\"}}}");
  struct stat st;
  ASSERT_EQ(::stat(image("repositories.json").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
}

TEST_F(ReferencesTest, TagsMoveDigestsDoNot) {
  const std::string digest = "busybox@" + Digest::of("m").str();
  store_->references().update({{"busybox:1", kOne}, {digest, kOne}}, {});
  store_->references().update({{"busybox:1", kTwo}, {digest, kOne}}, {});
  EXPECT_EQ(store_->references().all().at("busybox").at("busybox:1"), kTwo);
  EXPECT_EQ(code_of([&] { store_->references().update({{digest, kTwo}}, {}); }), Errc::already_exists);
  EXPECT_EQ(store_->references().all().at("busybox").at(digest), kOne);
}

TEST_F(ReferencesTest, RemovalDropsEmptyRepositories) {
  store_->references().update({{"a:1", kOne}, {"b:1", kOne}, {"b:2", kTwo}}, {});
  store_->references().update({}, {"a:1", "b:1", "ghost:1"});
  EXPECT_EQ(repositories(), "{\"Repositories\":{\"b\":{\"b:2\":\"" + kTwo.str() + "\"}}}");
}

TEST_F(ReferencesTest, NothingChangedWritesNothing) {
  store_->references().update({}, {"ghost:1"});
  EXPECT_FALSE(fs::exists(image("repositories.json")));
  const std::string spaced = "{ \"Repositories\": {\"a\": {\"a:1\": \"" + kOne.str() + "\"}}}\n";
  write_file(image("repositories.json"), spaced);
  store_->references().update({{"a:1", kOne}}, {});
  EXPECT_EQ(repositories(), spaced);
}

TEST_F(ReferencesTest, EntriesWeDoNotUnderstandSurviveARewrite) {
  write_file(image("repositories.json"),
             R"({"Repositories":{"p<&>":{"p<&>:1":"sha512:abc"},"nothing":null,"a":{"a:1":"odd"}}})");
  EXPECT_TRUE(store_->references().all().empty());
  store_->references().update({{"b:1", kOne}}, {});
  EXPECT_EQ(repositories(),
            "{\"Repositories\":{\"a\":{\"a:1\":\"odd\"},\"b\":{\"b:1\":\"" + kOne.str() +
                "\"},\"nothing\":{},\"p\\u003c\\u0026\\u003e\":{\"p\\u003c\\u0026\\u003e:1\":\"sha512:abc\"}}}");
}

TEST_F(ReferencesTest, NamesWithoutTagAreRefused) {
  for (const char* name : {"busybox", "localhost:5000/x", ":1", "@sha256:x", "busybox:", ""})
    EXPECT_EQ(code_of([&] { store_->references().update({{name, kOne}}, {}); }), Errc::invalid) << name;
  EXPECT_FALSE(fs::exists(image("repositories.json")));
}

TEST_F(ReferencesTest, OtherShapesAreCorruptAndNameFileAndRemedy) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string(R"({"Repositories":[]})"),
        std::string(R"({"Repositories":{"a":{"a:1":5}}})"), std::string(R"({"Repositories":{"a":"b"}})"),
        std::string(100000, '['), "{\"Repositories\":" + std::string(300, '[') + std::string(300, ']') + "}",
        std::string(64, '\0')}) {
    write_file(image("repositories.json"), text);
    try {
      store_->references().all();
      ADD_FAILURE() << text.substr(0, 40);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt);
      EXPECT_THAT(e.what(), HasSubstr("image/overlay2/repositories.json"));
      EXPECT_THAT(e.what(), HasSubstr("move it away"));
    }
    EXPECT_THROW(store_->references().update({{"a:1", kOne}}, {}), Error);
    EXPECT_EQ(repositories(), text);
  }
}

TEST_F(ReferencesTest, WhatIsWholeBeforeTheDamageIsGiven) {
  store_->references().update({{"a:1", kOne}, {"a:2", kTwo}, {"b:1", kOne}}, {});
  const std::string whole = repositories();
  const References::Map one{{"a", {{"a:1", kOne}}}};
  std::vector<Damage> damage;
  EXPECT_EQ(store_->references().whole(damage), store_->references().all());
  EXPECT_TRUE(damage.empty());
  write_file(image("repositories.json"), whole.substr(0, whole.find(kTwo.hex()) + 5) + std::string(9, '\0'));
  EXPECT_EQ(store_->references().whole(damage), one);
  write_file(image("repositories.json"), "");
  EXPECT_EQ(store_->references().whole(damage), References::Map());
  fs::remove(image("repositories.json"));
  fs::create_directory(image("repositories.json"));
  EXPECT_EQ(store_->references().whole(damage), References::Map());
  ASSERT_EQ(damage.size(), 3u);
  EXPECT_EQ(damage[0].kind, "repositories-invalid");
  EXPECT_EQ(damage[1].kind, "repositories-empty");
  EXPECT_EQ(damage[2].kind, "repositories-invalid");
  for (const auto& each : damage) EXPECT_EQ(each.object, "image/overlay2/repositories.json");
}

const DiffId kDiff(Digest::of("diff"));

TEST_F(DistributionTest, WritesBothCachesAsEnginesDo) {
  const Digest blob = Digest::of("blob");
  store_->distribution().add(kDiff, {blob, "docker.io/library/busybox"});
  EXPECT_EQ(read_file(image("distribution/diffid-by-digest/sha256/" + blob.hex())), kDiff.str());
  EXPECT_EQ(read_file(image("distribution/v2metadata-by-diffid/sha256/" + kDiff.hex())),
            "[{\"Digest\":\"" + blob.str() + "\",\"SourceRepository\":\"docker.io/library/busybox\",\"HMAC\":\"\"}]");
  EXPECT_EQ(store_->distribution().diff_of(blob), kDiff);
  EXPECT_THAT(store_->distribution().blobs_of(kDiff), ElementsAre(KnownBlob{blob, "docker.io/library/busybox"}));
}

TEST_F(DistributionTest, DuplicatesMoveToTheEndAndFiftyAreKept) {
  for (int i = 0; i < 60; ++i) store_->distribution().add(kDiff, {Digest::of(std::to_string(i)), ""});
  store_->distribution().add(kDiff, {Digest::of("15"), ""});
  const auto blobs = store_->distribution().blobs_of(kDiff);
  ASSERT_THAT(blobs, SizeIs(50));
  EXPECT_EQ(blobs.front().digest, Digest::of("10"));
  EXPECT_EQ(blobs.back().digest, Digest::of("15"));
}

TEST_F(DistributionTest, EntriesOfEnginesAreKept) {
  const fs::path file = image("distribution/v2metadata-by-diffid/sha256/" + kDiff.hex());
  write_file(file, R"([{"Digest":"sha256:aa","SourceRepository":"docker.io/x/y","HMAC":"beef"}])");
  store_->distribution().add(kDiff, {Digest::of("blob"), ""});
  EXPECT_THAT(read_file(file),
              HasSubstr(R"([{"Digest":"sha256:aa","SourceRepository":"docker.io/x/y","HMAC":"beef"},)"));
}

TEST_F(DistributionTest, DamageCountsAsAbsence) {
  write_file(image("distribution/v2metadata-by-diffid/sha256/" + kDiff.hex()), "[{");
  write_file(image("distribution/diffid-by-digest/sha256/" + Digest::of("blob").hex()), "");
  EXPECT_THAT(store_->distribution().blobs_of(kDiff), IsEmpty());
  EXPECT_FALSE(store_->distribution().diff_of(Digest::of("blob")));
  store_->distribution().add(kDiff, {Digest::of("blob"), ""});
  EXPECT_THAT(store_->distribution().blobs_of(kDiff), SizeIs(1));
}

TEST_F(ContainersTest, NewContainerAppearsWhole) {
  store_->containers().put("abc", {{"config.v2.json", "{}"}, {"hostconfig.json", "{\"a\":1}"}});
  EXPECT_THAT(store_->containers().list(), ElementsAre("abc"));
  EXPECT_EQ(store_->containers().config("abc"), "{}");
  EXPECT_EQ(store_->containers().host_config("abc"), "{\"a\":1}");
  struct stat st;
  ASSERT_EQ(::stat((dir_.path() / "containers/abc").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0710u);
  ASSERT_EQ(::stat((dir_.path() / "containers/abc/config.v2.json").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
}

TEST_F(ContainersTest, FilesOfAnExistingContainerStay) {
  write_file(dir_.path() / "containers/abc/config.json", "old");
  write_file(dir_.path() / "containers/abc/hosts", "127.0.0.1");
  EXPECT_EQ(store_->containers().config("abc"), "old");
  store_->containers().put("abc", {{"config.v2.json", "new"}});
  EXPECT_EQ(store_->containers().config("abc"), "new");
  EXPECT_EQ(read_file(dir_.path() / "containers/abc/hosts"), "127.0.0.1");
  EXPECT_EQ(read_file(dir_.path() / "containers/abc/config.json"), "old");
}

TEST_F(ContainersTest, LeftoversOfACrashAreNoContainersAndGo) {
  write_file(dir_.path() / "containers/.cairn-tmp-00/config.v2.json", "{}");
  write_file(dir_.path() / "containers/abc/.tmp-cairn-00", "{");
  EXPECT_THAT(store_->containers().list(), IsEmpty());
  store_->prepare();
  EXPECT_FALSE(fs::exists(dir_.path() / "containers/.cairn-tmp-00"));
  EXPECT_TRUE(fs::is_empty(dir_.path() / "containers/abc"));
}

TEST_F(ContainersTest, DirectoriesWithoutConfigAreNoContainers) {
  fs::create_directories(dir_.path() / "containers/abc/mounts");
  EXPECT_THAT(store_->containers().list(), IsEmpty());
  EXPECT_EQ(code_of([&] { store_->containers().config("abc"); }), Errc::not_found);
}

TEST_F(ContainersTest, NamesCannotLeaveTheDirectory) {
  EXPECT_EQ(code_of([&] { store_->containers().put("../x", {{"config.v2.json", ""}}); }), Errc::invalid);
  EXPECT_EQ(code_of([&] { store_->containers().put("x", {{"../config.v2.json", ""}}); }), Errc::invalid);
  EXPECT_EQ(code_of([&] { store_->containers().config("../image"); }), Errc::invalid);
  EXPECT_EQ(code_of([&] { store_->containers().remove(".."); }), Errc::invalid);
}

TEST_F(ContainersTest, RemoveTakesTheDirectory) {
  store_->containers().put("abc", {{"config.v2.json", "{}"}});
  store_->containers().remove("abc");
  EXPECT_FALSE(fs::exists(dir_.path() / "containers/abc"));
  EXPECT_TRUE(fs::is_empty(dir_.path() / "containers"));
  EXPECT_EQ(code_of([&] { store_->containers().remove("abc"); }), Errc::not_found);
}

}  // namespace
}  // namespace cairn
