#include "core/image/remove_image.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "core/util/error.h"
#include "drivers/overlay2/overlay2.h"
#include "graphdb/catalog/catalog.h"
#include "tests/graphdb/content_builder.h"

namespace cairn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

const std::string kDigest = "@sha256:" + std::string(64, '9');

class RemoveImage : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: stores are closed to others";
  }
  void name(const std::string& reference, const ImageId& image) {
    root_.store().references().update({{reference, image}}, {});
  }
  std::vector<std::string> remove(const std::string& reference, ImageRemover::Options options = {}) {
    const auto catalog = open_catalog(root_.path(), "overlay2");
    LayerStore layers(*driver_, root_.store(), 1, quiet_);
    ImageRemover remover(*catalog, root_.store(), *driver_, layers, options);
    const auto lines = remover.remove(reference).lines();
    kept_ = remover.layers_kept();
    return lines;
  }
  std::string refusal(const std::string& reference, ImageRemover::Options options = {}) {
    const auto before = root_.store().references().all();
    const auto images = root_.store().images().list();
    try {
      remove(reference, options);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::in_use) << e.what();
      EXPECT_EQ(root_.store().references().all(), before);
      EXPECT_EQ(root_.store().images().list(), images);
      return e.what();
    }
    ADD_FAILURE() << "it was removed";
    return "";
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& [repository, references] : root_.store().references().all())
      for (const auto& [reference, id] : references) out.push_back(reference);
    return out;
  }
  static std::string untagged(const std::string& name) { return "Untagged: " + name; }
  template <typename Id>
  static std::string deleted(const Id& id) {
    return "Deleted: " + id.str();
  }

  test::ContentRoot root_;
  NoProgress quiet_;
  std::unique_ptr<Driver> driver_ = open_overlay2(root_.path(), {});
  LayerRecord base_ = root_.layer("base"), top_ = root_.layer("top", base_.chain);
  ImageId image_ = root_.image_of({base_.diff, top_.diff});
  std::string kept_;
};

TEST_F(RemoveImage, TheLastNameTakesImageAndLayersAlong) {
  name("app:1", image_);
  EXPECT_THAT(remove("app:1"),
              ElementsAre(untagged("app:1"), deleted(image_), deleted(top_.chain), deleted(base_.chain)));
  EXPECT_THAT(root_.store().layers().list(), IsEmpty());
  EXPECT_THAT(driver_->list(), IsEmpty());
  EXPECT_THAT(root_.store().layers().abandoned(), IsEmpty());
}

TEST_F(RemoveImage, ANameAmongOthersGoesAlone) {
  name("app:1", image_), name("app:2", image_);
  EXPECT_THAT(remove("docker.io/library/app:1"), ElementsAre(untagged("app:1")));
  EXPECT_THAT(names(), ElementsAre("app:2"));
}

TEST_F(RemoveImage, WithTheLastTagOfARepositoryGoItsDigests) {
  name("app:1", image_), name("app" + kDigest, image_), name("b/app" + kDigest, image_);
  EXPECT_THAT(remove("app:1"), ElementsAre(untagged("app:1"), untagged("app" + kDigest)));
  EXPECT_THAT(names(), ElementsAre("b/app" + kDigest));
}

TEST_F(RemoveImage, AnIdTakesTheNamesOfOneRepository) {
  name("app:1", image_), name("app" + kDigest, image_);
  EXPECT_THAT(remove(image_.hex().substr(0, 12)),
              ElementsAre(untagged("app:1"), untagged("app" + kDigest), deleted(image_), deleted(top_.chain),
                          deleted(base_.chain)));
}

TEST_F(RemoveImage, NamesInSeveralRepositoriesNeedForce) {
  name("app:1", image_), name("b/app:1", image_);
  EXPECT_THAT(refusal(image_.str()), AllOf(HasSubstr("must be forced"), HasSubstr("b/app:1, app:1")));
  EXPECT_THAT(remove(image_.str(), {.force = true}), testing::SizeIs(5));
}

TEST_F(RemoveImage, ParentsWithoutOtherUseGo) {
  const ImageId parent = root_.image_of({base_.diff});
  root_.store().images().set_parent(image_, parent);
  name("app:1", image_);
  EXPECT_THAT(refusal(parent.str(), {.force = true}), AllOf(HasSubstr("cannot be forced"), HasSubstr("child images")));
  EXPECT_THAT(remove("app:1"), ElementsAre(untagged("app:1"), deleted(image_), deleted(top_.chain), deleted(parent),
                                           deleted(base_.chain)));
}

TEST_F(RemoveImage, ParentsStayWhenAskedOrNamed) {
  const ImageId parent = root_.image_of({base_.diff});
  root_.store().images().set_parent(image_, parent);
  name("app:1", image_);
  EXPECT_THAT(remove("app:1", {.prune = false}), ElementsAre(untagged("app:1"), deleted(image_), deleted(top_.chain)));
  EXPECT_THAT(root_.store().images().list(), ElementsAre(parent));
}

TEST_F(RemoveImage, ANamedParentStaysAndLosesNothing) {
  const ImageId parent = root_.image_of({base_.diff});
  root_.store().images().set_parent(image_, parent);
  name("app:1", image_), name("base:1", parent);
  EXPECT_THAT(remove("app:1"), testing::SizeIs(3));
  EXPECT_THAT(names(), ElementsAre("base:1"));
}

TEST_F(RemoveImage, AContainerAtRestNeedsForceAndKeepsItsLayers) {
  name("app:1", image_);
  root_.container(std::string(64, 'c'), image_, top_.chain);
  EXPECT_THAT(refusal("app:1"), AllOf(HasSubstr("must force"), HasSubstr("'web'"), HasSubstr("`cairn rm web`")));
  EXPECT_THAT(refusal(image_.str()), AllOf(HasSubstr("must be forced"), HasSubstr("stopped container 'web'")));
  EXPECT_THAT(remove("app:1", {.force = true}), ElementsAre(untagged("app:1"), deleted(image_)));
  EXPECT_THAT(root_.store().layers().list(), testing::SizeIs(2));
}

TEST_F(RemoveImage, AWritableLayerHoldsTheImageItIsOfOrMayBeOf) {
  const ImageId same = root_.image_of({base_.diff, top_.diff}, R"({"created_by":"x"},{"created_by":"y"})");
  name("app:1", image_), name("same:1", same);
  root_.store().layers().add_mount({"box", LayerId("rw"), std::nullopt, top_.chain});
  EXPECT_THAT(refusal("app:1"), HasSubstr("'box'"));
  EXPECT_THAT(refusal("same:1"), HasSubstr("'box'"));
  root_.store().layers().remove_mount("box");
  root_.store().layers().add_mount({"box", LayerId("rw"), std::nullopt, top_.chain, same});
  EXPECT_THAT(refusal("same:1"), HasSubstr("'box'"));
  EXPECT_THAT(remove("app:1"), ElementsAre(untagged("app:1"), deleted(image_)));
}

TEST_F(RemoveImage, ARunningContainerKeepsItWhateverIsForced) {
  name("app:1", image_);
  root_.container(std::string(64, 'c'), image_, top_.chain, ",\"State\":{\"Running\":true}");
  EXPECT_THAT(refusal(image_.str(), {.force = true}),
              AllOf(HasSubstr("cannot be forced"), HasSubstr("running container")));
  EXPECT_THAT(remove("app:1", {.force = true}), ElementsAre(untagged("app:1"))) << "as engines do: the name alone";
}

TEST_F(RemoveImage, SharedLayersStay) {
  const LayerRecord other = root_.layer("other", base_.chain);
  name("app:1", image_), name("other:1", root_.image_of({base_.diff, other.diff}));
  EXPECT_THAT(remove("app:1"), ElementsAre(untagged("app:1"), deleted(image_), deleted(top_.chain)));
  EXPECT_THAT(driver_->list(), ElementsAre(LayerId("base"), LayerId("other")));
}

TEST_F(RemoveImage, ADamagedImageKeepsAllLayersUntilItIsRemoved) {
  const ImageId damaged = root_.image_of({base_.diff});
  name("app:1", image_);
  root_.put("image/overlay2/imagedb/content/sha256/" + damaged.hex(), "{");
  EXPECT_THAT(remove("app:1"), ElementsAre(untagged("app:1"), deleted(image_)));
  EXPECT_THAT(kept_, HasSubstr(damaged.str()));
  EXPECT_THAT(remove(damaged.str()), ElementsAre(deleted(damaged)));
  EXPECT_EQ(kept_, "");
}

TEST_F(RemoveImage, NamesThatLeadNowhereGo) {
  name("ghost:1", ImageId(Digest::of("no image")));
  EXPECT_THAT(remove("ghost:1"), ElementsAre(untagged("ghost:1")));
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_THROW(remove("ghost:1"), Error);
}

TEST_F(RemoveImage, ManifestsGoWithTheirImageAndIndexesWithTheirLastName) {
  auto& manifests = root_.store().manifests();
  const Digest index = manifests.put(R"({"schemaVersion":2,"manifests":[]})", std::nullopt);
  const Digest manifest = manifests.put(R"({"schemaVersion":2,"config":{},"layers":[]})", image_);
  name("app@" + index.str(), image_), name("b/app@" + index.str(), image_), name("app@" + manifest.str(), image_);
  name("b/app:1", image_);
  remove("app@" + index.str());
  EXPECT_TRUE(manifests.find(index).has_value()) << "another name needs it";
  remove("app@" + manifest.str());
  EXPECT_TRUE(manifests.find(manifest).has_value()) << "its image is there";
  remove("b/app:1");
  EXPECT_FALSE(manifests.find(index).has_value());
  EXPECT_FALSE(manifests.find(manifest).has_value());
}

TEST_F(RemoveImage, OneRemoverDoesSeveralInTurn) {
  const LayerRecord other = root_.layer("other", base_.chain);
  const ImageId second = root_.image_of({base_.diff, other.diff});
  name("app:1", image_), name("other:1", second);
  const auto catalog = open_catalog(root_.path(), "overlay2");
  LayerStore layers(*driver_, root_.store(), 1, quiet_);
  ImageRemover remover(*catalog, root_.store(), *driver_, layers, {});
  EXPECT_THAT(remover.remove("app:1").deleted, ElementsAre(image_.str(), top_.chain.str()));
  EXPECT_THROW(remover.remove("app:1"), Error);
  EXPECT_THAT(remover.remove("other:1").deleted, ElementsAre(second.str(), other.chain.str(), base_.chain.str()));
}

}  // namespace
}  // namespace cairn
