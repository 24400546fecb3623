#include <gmock/gmock.h>

#include "core/util/error.h"
#include "drivers/plugin/plugin.h"
#include "tests/drivers/plugin/scripted_plugin.h"

namespace cairn::plugin {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class PluginDriverOn : public testing::Test {
 protected:
  std::unique_ptr<Driver> open(std::vector<NamedLayer> named = {}) {
    plugin::Setup setup;
    setup.places.mounts = dir_ / "mounts";
    setup.patience = {milliseconds(400), milliseconds(400)};
    setup.named = [named] { return named; };
    return open_plugin(dir_ / "root", scripted_.socket(), {{{"a.b", "c"}}}, std::move(setup));
  }
  std::string refusal(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  test::TempDir dir_;
  test::ScriptedPlugin scripted_;
};

TEST_F(PluginDriverOn, NothingIsAskedBeforeTheFirstUse) {
  const auto driver = open();
  EXPECT_EQ(driver->name(), "scripted");
  EXPECT_THAT(scripted_.asked(), ElementsAre());
  EXPECT_TRUE(driver->exists(LayerId("a")));
  EXPECT_THAT(scripted_.asked(),
              ElementsAre("Plugin.Activate", "GraphDriver.Init", "GraphDriver.Capabilities", "GraphDriver.Exists"));
}

TEST_F(PluginDriverOn, APluginOfAnotherKindIsRefused) {
  scripted_.say("Plugin.Activate", R"({"Implements":["VolumeDriver"]})");
  const DriverStatus status = open()->probe();
  EXPECT_FALSE(status.readable);
  EXPECT_THAT(status.why_not, HasSubstr("it is no graph driver"));
  EXPECT_THAT(scripted_.asked(), Not(Contains("GraphDriver.Init")));
}

TEST_F(PluginDriverOn, OneThatKeepsTarsItselfIsNotGivenOthers) {
  scripted_.say("GraphDriver.Capabilities", R"({"Capabilities":{"ReproducesExactDiffs":true}})");
  scripted_.say("GraphDriver.Exists", R"({"Exists":false})");
  const auto driver = open();
  EXPECT_FALSE(driver->probe().writable);
  EXPECT_TRUE(driver->probe().readable);
  EXPECT_THAT(refusal([&] { driver->begin(LayerId("a")); }), HasSubstr("ReproducesExactDiffs"));
}

TEST_F(PluginDriverOn, TheFirstFailureIsTheOneToldAndNothingIsLeft) {
  scripted_.say("GraphDriver.Exists", R"({"Exists":false})");
  scripted_.on("GraphDriver.ApplyDiff", [](int) {});  // dies
  scripted_.on("GraphDriver.Remove", [](int) {});
  const auto driver = open();
  {
    const auto target = driver->begin(LayerId("a"));
    EXPECT_THAT(refusal([&] { target->finish(std::nullopt, {}); }), HasSubstr("GraphDriver.ApplyDiff"));
  }
  EXPECT_EQ(scripted_.asked().back(), "GraphDriver.Remove");
  EXPECT_TRUE(driver->list().empty());
}

TEST_F(PluginDriverOn, ListsAndMeasuresByWhatMetadataNames) {
  scripted_.say("GraphDriver.DiffSize", R"({"Size":42})");
  const auto driver = open({{LayerId("b"), LayerId("a")}, {LayerId("a"), std::nullopt}});
  EXPECT_THAT(driver->list(), ElementsAre(LayerId("a"), LayerId("b")));
  EXPECT_EQ(driver->disk_usage(LayerId("b")), 42u);
}

}  // namespace
}  // namespace cairn::plugin
