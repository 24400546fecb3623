// The plugin's side, as an engine sees it, and as one sees it that means no good.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/util/error.h"
#include "drivers/plugin/server/http_server.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"
#include "drivers/vfs/vfs.h"
#include "tests/drivers/plugin/scripted_plugin.h"
#include "tests/support/tar_builder.h"

namespace cairn::plugin {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;
using test::TarBuilder;
using testing::HasSubstr;
using testing::Not;

class PluginServer : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "mounting needs root";
    start();
  }
  void TearDown() override { stop(); }
  void start() {
    const auto open = [](const fs::path& home, const std::vector<std::string>&) { return open_vfs(home); };
    server_.emplace(socket_, open, Patience{milliseconds(300), milliseconds(2000)});
    stop_ = false;
    thread_ = std::thread([this] { server_->run([this] { return stop_.load(); }); });
  }
  void stop() {
    if (!server_) return;
    stop_ = true;
    thread_.join();
    server_.reset();
  }

  Fd connection() const {
    Socket socket = Socket::connect(socket_, milliseconds(1000));
    Fd fd = dup_fd(socket.fd());
    ::fcntl(fd.get(), F_SETFL, 0);  // waits
    return fd;
  }
  static std::string rest_of(int fd) {
    std::string part(1 << 16, '\0'), all;
    for (;;) {
      const ssize_t n = ::recv(fd, part.data(), part.size(), 0);
      if (n <= 0) return all;
      all.append(part.data(), static_cast<size_t>(n));
    }
  }
  std::string raw(const std::string& text) const {  // what comes until the server closes
    const Fd fd = connection();
    test::write_text(fd.get(), text);
    return rest_of(fd.get());
  }
  static std::string request(const std::string& target, const std::string& body) {
    return "POST /" + target +
           " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  }
  json ask(const std::string& target, const std::string& body, int status = 200) const {
    const std::string answer = raw(request(target, body));
    EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 " + std::to_string(status))) << target;
    return json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  }
  json graph(const std::string& method, const json& body, int status = 200) const {
    return ask("GraphDriver." + method, body.dump(), status);
  }
  void init() { graph("Init", {{"Home", home().string()}, {"Opts", nullptr}}); }
  void layer(const std::string& id, const std::string& parent, const std::string& tar) {
    graph("Create", {{"ID", id}, {"Parent", parent}});
    ask("GraphDriver.ApplyDiff?id=" + id + "&parent=" + parent, tar);
  }
  fs::path home() const { return fs::canonical(dir_.path()) / "home"; }
  size_t mounts() const { return mounted_below(mount_table(), fs::canonical(dir_.path())).size(); }

  test::TempDir dir_, place_{fs::temp_directory_path()};
  const fs::path socket_ = place_ / "s.sock";
  std::atomic<bool> stop_ = false;
  std::optional<HttpServer> server_;
  std::thread thread_;
};

TEST_F(PluginServer, ToldNothingAnswersNothing) {
  EXPECT_EQ(ask("Plugin.Activate", "")["Implements"][0], "GraphDriver");
  EXPECT_EQ(graph("Capabilities", json::object())["Capabilities"]["ReproducesExactDiffs"], false);
  EXPECT_THAT(graph("Exists", {{"ID", "a"}}, 500)["Err"], HasSubstr("GraphDriver.Init"));
  EXPECT_EQ(graph("Cleanup", json::object())["Err"], "");
}

TEST_F(PluginServer, InitRefusesWhatItCannotDo) {
  for (const char* bad : {"", "relative", "/", "/a/../b"}) graph("Init", {{"Home", bad}}, 500);
  graph("Init", {{"Home", "/x"}, {"UIDMaps", {{{"container_id", 0}, {"host_id", 1}, {"size", 1}}}}}, 500);
  init();
  init();  // an engine was started again
  graph("Init", {{"Home", (dir_ / "other")}}, 500);
  EXPECT_FALSE(fs::exists(dir_ / "other"));
}

TEST_F(PluginServer, ReferencesAreCounted) {
  init();
  layer("a", "", TarBuilder().file("f", "1").str());
  const std::string dir = graph("Get", {{"ID", "a"}})["Dir"];
  EXPECT_EQ(graph("Get", {{"ID", "a"}})["Dir"], dir);
  EXPECT_EQ(test::read_file(dir + "/f"), "1");
  graph("Put", {{"ID", "a"}});
  EXPECT_TRUE(fs::exists(dir + "/f"));
  graph("Remove", {{"ID", "a"}}, 500);
  graph("Put", {{"ID", "a"}});
  EXPECT_EQ(mounts(), 0u);
  EXPECT_FALSE(fs::exists(dir));
  graph("Put", {{"ID", "a"}});  // once too often
  graph("Remove", {{"ID", "a"}});
  graph("Remove", {{"ID", "a"}});
  EXPECT_EQ(graph("Exists", {{"ID", "a"}})["Exists"], false);
}

TEST_F(PluginServer, ImagesAreShownReadOnlyAndContainersWritable) {
  init();
  layer("image", "", TarBuilder().file("f", "1").str());
  graph("CreateReadWrite", {{"ID", "image-init"}, {"Parent", "image"}});
  const std::string image = graph("Get", {{"ID", "image"}})["Dir"], own = graph("Get", {{"ID", "image-init"}})["Dir"];
  EXPECT_EQ(::open((image + "/new").c_str(), O_WRONLY | O_CREAT, 0600), -1);
  test::write_file(own + "/new", "n");
  const json changes = graph("Changes", {{"ID", "image-init"}, {"Parent", "image"}})["Changes"];
  EXPECT_EQ(changes, json::parse(R"([{"Path":"/new","Kind":1}])"));
  EXPECT_EQ(graph("DiffSize", {{"ID", "image-init"}, {"Parent", "image"}})["Size"], 1);
  EXPECT_EQ(mounts(), 2u);
  stop();
  EXPECT_EQ(mounts(), 0u);
}

TEST_F(PluginServer, AfterACrashWhatIsMountedIsUsedAsItIs) {
  init();
  graph("CreateReadWrite", {{"ID", "c"}});
  const std::string dir = graph("Get", {{"ID", "c"}})["Dir"];
  stop();
  fs::create_directory(dir);
  MountGuard(bind_spec(home() / "vfs/dir/c", dir, false)).release();  // as if it had been killed
  start();
  init();
  EXPECT_EQ(mounts(), 1u);
  EXPECT_EQ(graph("Get", {{"ID", "c"}})["Dir"], dir);
  EXPECT_EQ(mounts(), 1u);
  graph("Cleanup", json::object());
  EXPECT_EQ(mounts(), 0u);
  graph("Remove", {{"ID", "c"}});
}

TEST_F(PluginServer, IdsNeverBecomePathsUnchecked) {
  init();
  for (const char* id : {"", "..", "../x", "/etc", "a/b", ".cairn-a", "a\nb"})
    for (const char* method : {"Create", "CreateReadWrite", "Remove", "Get", "Put", "Exists", "Diff", "GetMetadata"})
      EXPECT_NE(graph(method, {{"ID", id}}, 500)["Err"], "") << method << " " << id;
  graph("Create", {{"ID", "a"}, {"Parent", "../x"}}, 500);
  ask("GraphDriver.ApplyDiff?id=../x&parent=", "", 500);
  ask("GraphDriver.ApplyDiff", "", 500);
}

TEST_F(PluginServer, OptionsItDoesNotHaveAreRefused) {
  init();
  graph("CreateReadWrite", {{"ID", "a"}, {"StorageOpt", {{"size", "1G"}}}}, 500);
  graph("CreateReadWrite", {{"ID", "a"}, {"MountLabel", "system_u:object_r:x"}}, 500);
  graph("CreateReadWrite", {{"ID", "a"}, {"StorageOpt", json::object()}, {"MountLabel", ""}});
  graph("CreateReadWrite", {{"ID", "a"}}, 500);
  graph("CreateReadWrite", {{"ID", "b"}, {"Parent", "ghost"}}, 500);
  graph("Create", {{"ID", "b"}, {"Parent", "ghost"}}, 500);
}

TEST_F(PluginServer, BadRequestsAreAnsweredOrHungUpOn) {
  init();
  EXPECT_THAT(raw("GET /GraphDriver.Status HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr(" 405 "));
  ask("GraphDriver.NoSuchThing", "{}", 404);
  ask("", "{}", 404);
  for (const std::string& body : {std::string("{"), std::string("[]"), std::string(R"({"ID":{}})"),
                                  R"({"ID":)" + std::string(200'000, '['), std::string(1100 << 10, ' ')})
    ask("GraphDriver.Get", body, 500);
  EXPECT_EQ(raw("nonsense\r\n\r\n"), "");
  EXPECT_EQ(raw("POST / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"), "");
  EXPECT_EQ(raw("POST /GraphDriver.Get HTTP/1.1\r\nContent-Le"), "");  // and no more: the time for it is limited
  graph("Status", json::object());
}

TEST_F(PluginServer, ManyIdleConnectionsHoldNobodyUp) {
  init();
  std::vector<Fd> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(connection());
  graph("Status", json::object());
  stop();  // does not wait for them
}

TEST_F(PluginServer, ATarThatIsCutOffMakesNoLayer) {
  init();
  const std::string tar = TarBuilder().file("a", std::string(1 << 20, 'a')).file("b").str();
  graph("Create", {{"ID", "a"}});
  {
    const Fd fd = connection();
    test::write_text(fd.get(),
                     "POST /GraphDriver.ApplyDiff?id=a&parent= HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "80000\r\n" +
                         tar.substr(0, 0x80000) + "\r\n");
    ::shutdown(fd.get(), SHUT_WR);
    EXPECT_THAT(rest_of(fd.get()), HasSubstr(" 500 "));
  }
  EXPECT_THAT(ask("GraphDriver.ApplyDiff?id=a&parent=", tar.substr(0, 5000), 500)["Err"], HasSubstr("unexpected EOF"));
  EXPECT_TRUE(open_vfs(home())->list().empty());
  EXPECT_EQ(ask("GraphDriver.ApplyDiff?id=a&parent=", tar)["Size"], 1 << 20);  // a second try
  EXPECT_THAT(ask("GraphDriver.ApplyDiff?id=a&parent=", tar, 500)["Err"], HasSubstr("it is not new"));
}

TEST_F(PluginServer, ADiffThatFailsOnItsWayHasNoEnd) {
  init();
  layer("a", "", TarBuilder().file("a", std::string(4 << 20, 'a')).file("z", "z").str());
  const Fd fd = connection();
  test::write_text(fd.get(), request("GraphDriver.Diff", R"({"ID":"a"})"));
  ::usleep(200'000);  // it waits for us to take what it has
  fs::remove(home() / "vfs/dir/a/z");
  const std::string got = rest_of(fd.get());
  EXPECT_THAT(got, testing::StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(got, Not(testing::EndsWith("0\r\n\r\n")));
  EXPECT_THAT(raw(request("GraphDriver.Diff", R"({"ID":"a"})")), testing::EndsWith("0\r\n\r\n"));
  EXPECT_THAT(graph("Diff", {{"ID", "ghost"}}, 500)["Err"], HasSubstr("there is none"));
}

TEST_F(PluginServer, ManyAtOnceCountRight) {
  init();
  graph("CreateReadWrite", {{"ID", "c"}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const std::string dir = graph("Get", {{"ID", "c"}})["Dir"];
        EXPECT_TRUE(is_mount_point(dir));
        graph("Put", {{"ID", "c"}});
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(mounts(), 0u);
}

}  // namespace
}  // namespace cairn::plugin
