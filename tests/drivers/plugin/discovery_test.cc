#include "drivers/plugin/discovery.h"

#include <gmock/gmock.h>

#include "core/util/error.h"
#include "tests/drivers/plugin/scripted_plugin.h"

namespace cairn::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Discovery : public testing::Test {
 protected:
  Places places() const { return {dir_ / "run", {dir_ / "etc", dir_ / "lib"}, dir_ / "mounts"}; }
  void spec(const std::string& file, const std::string& text) { test::write_file(dir_.path() / file, text); }
  std::string refusal(const std::string& plugin) {
    try {
      locate(plugin, places());
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  test::TempDir dir_{std::filesystem::temp_directory_path()};
};

TEST_F(Discovery, TakesASocketBeforeASpecAndAFlatNameBeforeAFolder) {
  spec("lib/p/p.json", R"({"Name":"other","addr":"unix:///from/json.sock"})");
  EXPECT_EQ(locate("p", places()).socket, "/from/json.sock");
  spec("etc/p/p.spec", " unix:///from/spec.sock\n");
  EXPECT_EQ(locate("p", places()).socket, "/from/spec.sock");
  spec("run/p/p.sock", "a file is no socket");
  EXPECT_EQ(locate("p", places()).socket, "/from/spec.sock");
  std::filesystem::remove(dir_ / "run/p/p.sock");
  const Listener folder(dir_ / "run/p/p.sock");
  EXPECT_EQ(locate("p", places()).socket, dir_ / "run/p/p.sock");
  const Listener flat(dir_ / "run/p.sock");
  EXPECT_EQ(locate("p", places()).socket, dir_ / "run/p.sock");
}

TEST_F(Discovery, OfAPathTakesTheNameOfTheSocket) {
  EXPECT_EQ(locate("/some/where/zippy.sock", places()).name, "zippy");
  EXPECT_EQ(locate("/some/where/zippy", places()).socket, "/some/where/zippy");
}

TEST_F(Discovery, SaysWhereItLooked) { EXPECT_THAT(refusal("ghost"), HasSubstr((dir_ / "run").string())); }

TEST_F(Discovery, RefusesAddressesThatAreNoUnixSockets) {
  for (const char* url : {"tcp://localhost:80", "https://host/p", "unix://relative", "/no/scheme", ""}) {
    spec("etc/p.spec", url);
    EXPECT_THAT(refusal("p"), HasSubstr("unix sockets only")) << url;
  }
  spec("etc/q.json", "{");
  EXPECT_THAT(refusal("q"), HasSubstr("q.json"));
}

TEST_F(Discovery, NamesThatWouldBeOtherThingsInARootAreRefused) {
  for (const char* name : {"", ".", "..", "../x", "a/b", ".hidden", "overlay2", "image", "containers",
                           "/x/volumes.sock", "/", "/x/..", "a b", "a\nb"})
    EXPECT_NE(refusal(name), "") << name;
}

TEST_F(Discovery, ListsWhatIsThere) {
  spec("run/a.sock", "");
  spec("run/b/b.sock", "");
  spec("run/c/other.sock", "");
  spec("etc/d.spec", "");
  spec("etc/e/e.json", "");
  spec("lib/a.json", "");
  spec("lib/readme.txt", "");
  EXPECT_THAT(discovered(places()), ElementsAre("a", "b", "d", "e"));
}

}  // namespace
}  // namespace cairn::plugin
