#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/util/error.h"
#include "graphdb/store.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

using test::read_file;
using test::write_file;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

const DiffId kBase(Digest::of("base")), kTop(Digest::of("top"));

LayerRecord record_of(const DiffId& diff, const std::optional<ChainId>& parent, const std::string& cache_id) {
  return {chain_id(parent, diff), diff, parent, LayerId(cache_id), 42};
}

std::vector<std::string> names_in(const fs::path& dir) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(dir)) out.push_back(entry.path().filename());
  return out;
}

mode_t mode_of(const fs::path& path) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
}

class LayerDbTest : public testing::Test {
 protected:
  void SetUp() override { store_->prepare(); }
  LayerMetadata& layers() { return store_->layers(); }
  fs::path layerdb(const std::string& below) { return dir_.path() / "image/overlay2/layerdb" / below; }
  fs::path layer_dir(const ChainId& chain) { return layerdb("sha256/" + chain.hex()); }
  LayerRecord add(const DiffId& diff, const std::optional<ChainId>& parent, const std::string& cache_id) {
    const auto record = record_of(diff, parent, cache_id);
    auto transaction = layers().begin({record.cache_id});
    transaction->tar_split().write(std::string("split"));
    transaction->prepare(record);
    EXPECT_TRUE(transaction->publish());
    return record;
  }
  std::vector<std::string> damage_kinds() {
    std::vector<Damage> damage;
    layers().list(&damage);
    std::vector<std::string> kinds;
    for (const auto& one : damage) kinds.push_back(one.kind);
    return kinds;
  }

  test::TempDir dir_;
  std::unique_ptr<MetadataStore> store_ = open_metadata(dir_.path(), "overlay2");
};

TEST(MetadataStore, OpeningAndReadingCreateNothing) {
  const test::TempDir dir;
  const auto store = open_metadata(dir / "absent", "overlay2");
  EXPECT_TRUE(store->layers().list().empty());
  EXPECT_TRUE(store->layers().mounts().empty());
  EXPECT_TRUE(store->layers().abandoned().empty());
  EXPECT_FALSE(store->layers().find(ChainId(kBase.value)));
  EXPECT_TRUE(store->images().list().empty());
  EXPECT_TRUE(store->references().all().empty());
  EXPECT_TRUE(store->containers().list().empty());
  EXPECT_FALSE(store->distribution().diff_of(Digest::of("x")));
  EXPECT_THROW(store->lock_fd(), Error);
  EXPECT_FALSE(fs::exists(dir / "absent"));
}

TEST(MetadataStore, DriverNamesThatLeaveTheRootAreRefused) {
  for (const char* name : {"", "..", "../x", "a//b", "/a", "a/", ".hidden", "a b"})
    EXPECT_THROW(open_metadata("/tmp", name), Error) << name;
  EXPECT_NO_THROW(open_metadata("/tmp", "vendor/plugin:latest"));
}

TEST_F(LayerDbTest, PrepareMakesWhatAnEngineMakesWithItsModes) {
  const fs::path image = dir_.path() / "image/overlay2";
  EXPECT_EQ(mode_of(dir_.path() / "image"), 0700u);
  EXPECT_EQ(mode_of(image), 0700u);
  EXPECT_EQ(mode_of(image / "distribution"), 0700u);
  EXPECT_EQ(mode_of(image / "imagedb/content/sha256"), 0700u);
  EXPECT_EQ(mode_of(image / "imagedb/metadata/sha256"), 0700u);
  EXPECT_EQ(mode_of(image / "layerdb"), 0700u);
  EXPECT_EQ(mode_of(image / "layerdb/sha256"), 0755u);
  EXPECT_EQ(mode_of(dir_.path() / "containers"), 0710u);
  EXPECT_FALSE(fs::exists(image / "repositories.json"));
  EXPECT_NO_THROW(store_->prepare());
}

TEST_F(LayerDbTest, PublishedDirectoryHoldsExactlyWhatEnginesWrite) {
  const auto base = add(kBase, std::nullopt, "cache-base");
  const auto top = add(kTop, base.chain, "cache-top");
  EXPECT_THAT(names_in(layer_dir(base.chain)), UnorderedElementsAre("diff", "size", "cache-id", "tar-split.json.gz"));
  EXPECT_THAT(names_in(layer_dir(top.chain)),
              UnorderedElementsAre("diff", "size", "cache-id", "parent", "tar-split.json.gz"));
  EXPECT_EQ(read_file(layer_dir(top.chain) / "diff"), kTop.str());
  EXPECT_EQ(read_file(layer_dir(top.chain) / "parent"), base.chain.str());
  EXPECT_EQ(read_file(layer_dir(top.chain) / "cache-id"), "cache-top");
  EXPECT_EQ(read_file(layer_dir(top.chain) / "size"), "42");
  EXPECT_EQ(mode_of(layer_dir(top.chain)), 0700u);
  EXPECT_EQ(mode_of(layer_dir(top.chain) / "tar-split.json.gz"), 0644u);
  EXPECT_THAT(names_in(layerdb("tmp")), IsEmpty());
}

TEST_F(LayerDbTest, PublishedLayersAreListedAndFoundByAnotherStore) {
  const auto base = add(kBase, std::nullopt, "cache-base");
  const auto top = add(kTop, base.chain, "cache-top");
  const auto again = open_metadata(dir_.path(), "overlay2");
  EXPECT_THAT(again->layers().list(), SizeIs(2));
  const auto found = again->layers().find(top.chain);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->diff, top.diff);
  EXPECT_EQ(found->parent, base.chain);
  EXPECT_EQ(found->cache_id.str(), "cache-top");
  EXPECT_EQ(found->size, 42);
  EXPECT_FALSE(again->layers().find(ChainId(Digest::of("ghost"))));
}

TEST_F(LayerDbTest, SecondPublishOfAChainReportsItAndKeepsTheFirst) {
  add(kBase, std::nullopt, "first");
  auto second = layers().begin({LayerId("second")});
  second->prepare(record_of(kBase, std::nullopt, "second"));
  EXPECT_FALSE(second->publish());
  EXPECT_EQ(layers().find(ChainId(kBase.value))->cache_id.str(), "first");
  EXPECT_THAT(names_in(layerdb("tmp")), IsEmpty());
}

TEST_F(LayerDbTest, DestroyingAnUnpublishedTransactionLeavesNothing) {
  {
    auto transaction = layers().begin({LayerId("x")});
    transaction->tar_split().write(std::string("half"));
    transaction->prepare(record_of(kBase, std::nullopt, "x"));
    EXPECT_THAT(names_in(layerdb("tmp")), SizeIs(1));
  }
  EXPECT_THAT(names_in(layerdb("tmp")), IsEmpty());
  EXPECT_TRUE(layers().list().empty());
}

TEST_F(LayerDbTest, UnloadableDirectoryUnderTheFinalNameMakesRoom) {
  const auto dir = layer_dir(ChainId(kBase.value));
  fs::create_directory(dir);
  add(kBase, std::nullopt, "after-empty");
  EXPECT_EQ(layers().find(ChainId(kBase.value))->cache_id.str(), "after-empty");

  write_file(dir / "diff", "");
  EXPECT_THROW(layers().find(ChainId(kBase.value)), Error);
  add(kBase, std::nullopt, "after-truncated");
  EXPECT_EQ(layers().find(ChainId(kBase.value))->cache_id.str(), "after-truncated");

  fs::remove_all(dir);
  write_file(dir, "a file");
  add(kBase, std::nullopt, "after-file");
  EXPECT_EQ(layers().find(ChainId(kBase.value))->cache_id.str(), "after-file");
}

TEST_F(LayerDbTest, FileInPlaceOfSha256FailsThePublish) {
  fs::remove_all(layerdb("sha256"));
  write_file(layerdb("sha256"), "");
  auto transaction = layers().begin({LayerId("x")});
  transaction->prepare(record_of(kBase, std::nullopt, "x"));
  EXPECT_THROW(transaction->publish(), Error);
}

TEST_F(LayerDbTest, FileInPlaceOfTmpFailsTheStartAndWorksAfterItsRemoval) {
  fs::remove_all(layerdb("tmp"));
  write_file(layerdb("tmp"), "");
  EXPECT_THROW(layers().begin({LayerId("x")}), Error);
  fs::remove(layerdb("tmp"));
  store_->prepare();
  EXPECT_NO_THROW(layers().begin({LayerId("x")}));
  EXPECT_THAT(names_in(layerdb("tmp")), IsEmpty());
}

struct DamageCase {
  const char* name;
  void (*harm)(const fs::path& base_dir);
  std::vector<std::string> kinds;  // of the base and of the layer on it
};
class LayerDamage : public LayerDbTest, public testing::WithParamInterface<DamageCase> {};

TEST_P(LayerDamage, HidesTheLayerAndItsChildrenAndIsNamed) {
  const auto base = add(kBase, std::nullopt, "b");
  add(kTop, base.chain, "t");
  const auto other = add(DiffId(Digest::of("other")), std::nullopt, "o");
  GetParam().harm(layer_dir(base.chain));
  EXPECT_THAT(damage_kinds(), testing::UnorderedElementsAreArray(GetParam().kinds));
  const auto left = layers().list();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].chain, other.chain);
}
INSTANTIATE_TEST_SUITE_P(
    , LayerDamage,
    testing::Values(
        DamageCase{"directory_gone", [](const fs::path& p) { fs::remove_all(p); }, {"layer-parent-missing"}},
        DamageCase{"diff_missing",
                   [](const fs::path& p) { fs::remove(p / "diff"); },
                   {"layer-file-missing", "layer-parent-missing"}},
        DamageCase{"cache_id_empty",
                   [](const fs::path& p) { write_file(p / "cache-id", ""); },
                   {"layer-file-empty", "layer-parent-missing"}},
        DamageCase{"cache_id_leaves_the_driver",
                   [](const fs::path& p) { write_file(p / "cache-id", "../../etc"); },
                   {"layer-file-invalid", "layer-parent-missing"}},
        DamageCase{"size_with_newline",
                   [](const fs::path& p) { write_file(p / "size", "42\n"); },
                   {"layer-file-invalid", "layer-parent-missing"}},
        DamageCase{"diff_is_a_pipe",
                   [](const fs::path& p) {
                     fs::remove(p / "diff");
                     ASSERT_EQ(::mkfifo((p / "diff").c_str(), 0600), 0);
                   },
                   {"layer-file-invalid", "layer-parent-missing"}},
        DamageCase{"diff_is_a_link",
                   [](const fs::path& p) {
                     fs::remove(p / "diff");
                     fs::create_symlink("size", p / "diff");
                   },
                   {"layer-file-invalid", "layer-parent-missing"}},
        DamageCase{"parent_of_itself",
                   [](const fs::path& p) { write_file(p / "parent", "sha256:" + p.filename().string()); },
                   {"layer-parent-cycle", "layer-parent-damaged"}},
        DamageCase{"grandparent_gone",
                   [](const fs::path& p) { write_file(p / "parent", Digest::of("ghost").str()); },
                   {"layer-parent-missing", "layer-parent-damaged"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(LayerDbTest, WhitespaceAroundDigestsIsTrimmedAsEnginesDo) {
  const auto base = add(kBase, std::nullopt, "b");
  write_file(layer_dir(base.chain) / "diff", kBase.str() + "\n");
  write_file(layer_dir(base.chain) / "cache-id", " b\n");
  EXPECT_EQ(layers().find(base.chain)->cache_id.str(), "b");
}

TEST_F(LayerDbTest, DirectoriesThatAreNoChainAreIgnored) {
  fs::create_directory(layerdb("sha256/foobar"));
  fs::create_directory(layerdb("sha256/" + kBase.hex() + "-x"));
  EXPECT_THAT(damage_kinds(), IsEmpty());
}

// Leaves a transaction behind as a killed process does.
void die_while_writing(const fs::path& root, const std::vector<LayerId>& ids) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto store = open_metadata(root, "overlay2");
    auto* transaction = store->layers().begin(ids).release();
    transaction->tar_split().write(std::string("half"));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

TEST_F(LayerDbTest, DeadWritersAreAbandonedWithTheirDriverLayersAndLiveOnesAreNot) {
  const auto alive = layers().begin({LayerId("alive")});
  die_while_writing(dir_.path(), {LayerId("one"), LayerId("one-init")});
  write_file(layerdb("tmp/write-set-123/diff"), "an engine's own leftover");
  const auto found = open_metadata(dir_.path(), "overlay2")->layers().abandoned();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].driver_ids, ElementsAre(LayerId("one"), LayerId("one-init")));
  layers().forget(found[0]);
  EXPECT_THAT(layers().abandoned(), IsEmpty());
  EXPECT_THAT(names_in(layerdb("tmp")), SizeIs(2));
}

TEST_F(LayerDbTest, RemovalsCutShortAreFoundWithTheirDriverLayer) {
  const auto base = add(kBase, std::nullopt, "cache-base");
  layers().remove(base.chain);
  EXPECT_FALSE(layers().find(base.chain));
  EXPECT_TRUE(layers().list().empty());
  const auto found = layers().abandoned();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].driver_ids, ElementsAre(LayerId("cache-base")));
  layers().forget(found[0]);
  EXPECT_THAT(names_in(layerdb("sha256")), IsEmpty());
  EXPECT_THROW(layers().remove(base.chain), Error);
}

TEST_F(LayerDbTest, ForgetTouchesNothingButTraces) {
  const auto base = add(kBase, std::nullopt, "b");
  for (const std::string& trace :
       {"sha256/" + base.chain.hex(), std::string("tmp/.."), std::string("mounts"), std::string("sha256/../mounts"),
        std::string("tmp/write-set-cairn-/../.."), std::string("")})
    EXPECT_THROW(layers().forget({trace, {}}), Error) << trace;
  EXPECT_TRUE(layers().find(base.chain));
}

TEST_F(LayerDbTest, MountsAreWrittenAsEnginesDo) {
  const MountRecord full{"web", LayerId("m"), LayerId("m-init"), ChainId(kBase.value)};
  layers().add_mount(full);
  layers().add_mount({"scratch", LayerId("s"), std::nullopt, std::nullopt});
  EXPECT_THAT(names_in(layerdb("mounts/web")), UnorderedElementsAre("mount-id", "init-id", "parent"));
  EXPECT_THAT(names_in(layerdb("mounts/scratch")), UnorderedElementsAre("mount-id"));
  EXPECT_EQ(read_file(layerdb("mounts/web/parent")), kBase.str());
  EXPECT_EQ(mode_of(layerdb("mounts/web")), 0755u);
  EXPECT_EQ(mode_of(layerdb("mounts/web/mount-id")), 0644u);
  EXPECT_THAT(names_in(layerdb("tmp")), IsEmpty());
  const auto found = layers().find_mount("web");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->init_id, full.init_id);
  EXPECT_EQ(found->parent, full.parent);
  EXPECT_THAT(layers().mounts(), SizeIs(2));
}

TEST_F(LayerDbTest, TheImageOfAMountIsNotedBesideIt) {
  const ImageId image(Digest::of("image"));
  layers().add_mount({"box", LayerId("m"), std::nullopt, std::nullopt, image});
  EXPECT_THAT(names_in(layerdb("mounts/box")), UnorderedElementsAre("mount-id", "cairn-image"));
  EXPECT_EQ(layers().find_mount("box")->image, image);
  write_file(layerdb("mounts/box/cairn-image"), "damaged");
  ASSERT_TRUE(layers().find_mount("box")) << "engines do not look at it";
  EXPECT_FALSE(layers().find_mount("box")->image);
  EXPECT_THAT(layers().mounts(), SizeIs(1));
}

TEST_F(LayerDbTest, MountNamesConflictAndVanish) {
  layers().add_mount({"web", LayerId("m"), std::nullopt, std::nullopt});
  EXPECT_THROW(layers().add_mount({"web", LayerId("n"), std::nullopt, std::nullopt}), Error);
  EXPECT_EQ(layers().find_mount("web")->mount_id.str(), "m");
  layers().remove_mount("web");
  EXPECT_FALSE(layers().find_mount("web"));
  EXPECT_THROW(layers().remove_mount("web"), Error);
}

TEST_F(LayerDbTest, MountNamesStayOnePathComponent) {
  for (const char* name : {"", ".", "..", "a/b", "../x", "a b", "\n"}) {
    EXPECT_THROW(layers().add_mount({name, LayerId("m"), std::nullopt, std::nullopt}), Error) << name;
    EXPECT_FALSE(layers().find_mount(name)) << name;
  }
  EXPECT_NO_THROW(layers().add_mount({"A_b.c-1", LayerId("m"), std::nullopt, std::nullopt}));
}

TEST_F(LayerDbTest, DamagedMountIsNamedAndTheOthersStay) {
  layers().add_mount({"good", LayerId("m"), std::nullopt, std::nullopt});
  write_file(layerdb("mounts/bad/init-id"), "x");
  std::vector<Damage> damage;
  EXPECT_THAT(layers().mounts(&damage), SizeIs(1));
  ASSERT_THAT(damage, SizeIs(1));
  EXPECT_EQ(damage[0].kind, "mount-invalid");
  EXPECT_EQ(damage[0].object, "bad");
}

TEST_F(LayerDbTest, WhatIsLeftOfADamagedEntryIsGivenByItself) {
  const auto base = add(DiffId(Digest::of("1")), std::nullopt, "one");
  const auto child = add(DiffId(Digest::of("2")), base.chain, "two");
  test::write_file(layer_dir(child.chain) / "diff", "");
  test::write_file(layer_dir(child.chain) / "size", "many");
  const LayerRemains left = layers().remains(child.chain);
  EXPECT_EQ(left.diff, std::nullopt);
  EXPECT_EQ(left.size, std::nullopt);
  EXPECT_EQ(left.parent, base.chain);
  EXPECT_EQ(left.cache_id, LayerId("two"));
  EXPECT_EQ(layers().remains(ChainId(Digest::of("nowhere"))).cache_id, std::nullopt);

  layers().add_mount({"c", LayerId("rw"), LayerId("rw-init"), base.chain});
  test::write_file(layerdb("mounts/c/mount-id"), "../up");
  const MountRemains mount = layers().mount_remains("c");
  EXPECT_EQ(mount.mount_id, std::nullopt);
  EXPECT_EQ(mount.init_id, LayerId("rw-init"));
  EXPECT_EQ(mount.parent, base.chain);
  EXPECT_EQ(layers().mount_remains("../c").init_id, std::nullopt);
}

}  // namespace
}  // namespace cairn
