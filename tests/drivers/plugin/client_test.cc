// What a plugin that is not well does to cairn: one line of complaint, soon.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <future>

#include "core/util/error.h"
#include "drivers/plugin/plugin.h"
#include "tests/drivers/plugin/scripted_plugin.h"

namespace cairn::test {
namespace {

using std::chrono::milliseconds;

const plugin::Patience kBrief{milliseconds(1000), milliseconds(1000)};

std::string complaint_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  return "(nothing was thrown)";
}

struct BadAnswer {
  const char* name;
  ScriptedPlugin::Act act;
  const char* complaint;
};
std::ostream& operator<<(std::ostream& out, const BadAnswer& bad) { return out << bad.name; }

ScriptedPlugin::Act answer(const std::string& body, int status = 200) {
  return [=](int fd) { write_text(fd, http_response(body, status)); };
}
ScriptedPlugin::Act raw(const std::string& text) {
  return [=](int fd) { write_text(fd, text); };
}

void flood(int fd, const std::string& head, const std::string& part) {
  write_text(fd, head);
  for (int i = 0; i < 4096; ++i) write_text(fd, part);
}

// False if the other side is still there then.
bool hangs_up_within(int fd, milliseconds time) {
  pollfd other_side{fd, POLLRDHUP, 0};
  return ::poll(&other_side, 1, static_cast<int>(time.count())) != 0;
}

void wait_for_hang_up(int fd) { hangs_up_within(fd, milliseconds(60'000)); }

void dribble(int fd) {
  write_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
  for (int i = 0; i < 1200 && !hangs_up_within(fd, milliseconds(50)); ++i) write_text(fd, " ");
}

std::vector<BadAnswer> bad_answers() {
  const std::string deep(500'000, '[');
  return {
      {"none", [](int) {}, "closed the connection without an answer"},
      {"silence", wait_for_hang_up, "nothing came for 1 seconds"},
      {"a_byte_now_and_then", dribble, "nothing came for 1 seconds"},
      {"cut_off_in_the_header", raw("HTTP/1.1 200 OK\r\nContent-Le"), "cut off"},
      {"cut_off_in_the_body", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Dir\""), "cut off"},
      {"cut_off_in_a_chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"Di"), "cut off"},
      {"endless_header", [](int fd) { flood(fd, "HTTP/1.1 200 OK\r\n", "X-More: " + std::string(1000, 'x') + "\r\n"); },
       "header has no end"},
      {"endless_body", [](int fd) { flood(fd, "HTTP/1.1 200 OK\r\n\r\n", std::string(1000, ' ')); },
       "larger than 1 MiB"},
      {"endless_chunks",
       [](int fd) {
         flood(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
               "3e8\r\n" + std::string(1000, ' ') + "\r\n");
       },
       "larger than 1 MiB"},
      {"a_terabyte_announced", raw("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n"), "larger than 1 MiB"},
      {"no_http", raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "not HTTP"},
      {"empty", answer(""), "its answer is empty"},
      {"no_json", answer("<html>"), "reading its answer: "},
      {"not_an_object", answer("[1]"), "expected an object"},
      {"nested_deeply", answer(R"({"Dir":)" + deep), "reading its answer: "},
      {"two_values", answer("{}{}"), "reading its answer: "},
      {"an_error", answer(R"({"Err":"no such layer"})"), "it says: no such layer"},
      {"an_error_and_a_status", answer(R"({"Err":"no such layer"})", 500), "it says: no such layer (status 500)"},
      {"a_status_and_text", answer("out of\nluck\n", 500), "it says: out of\\x0aluck (status 500)"},
      {"a_bare_status", answer("", 418), "it answered with status 418"},
      {"not_there", answer("404 page not found\n", 404), "404 page not found (status 404)"},
      {"an_error_of_another_type", answer(R"({"Err":{}})"), "'Err' is not a string"},
      {"a_number_for_a_directory", answer(R"({"Dir":5})"), "'Dir' is not a string"},
      {"no_directory", answer("{}"), "is not an absolute path"},
      {"a_relative_directory", answer(R"({"Dir":"etc"})"), "is not an absolute path"},
      {"a_directory_upwards", answer(R"({"Dir":"/tmp/../etc"})"), "leads upwards"},
      {"the_root", answer(R"({"Dir":"/"})"), "is the root"},
      {"a_nul", answer(R"({"Dir":"/tmp\u0000x"})"), "has a NUL byte"},
      {"nowhere", answer(R"({"Dir":"/nowhere/at/all"})"), "cannot be seen from here"},
      {"a_file", answer(R"({"Dir":"/etc/passwd"})"), "Not a directory"},
  };
}

class PluginThatAnswers : public testing::TestWithParam<BadAnswer> {};

TEST_P(PluginThatAnswers, BadlyIsComplainedAboutInOneLine) {
  ScriptedPlugin scripted;
  scripted.on("GraphDriver.Get", GetParam().act);
  const plugin::Client client("scripted", scripted.socket(), kBrief);
  const auto before = std::chrono::steady_clock::now();
  const std::string said = complaint_of([&] { client.get(LayerId("a")); });
  EXPECT_TRUE(said.starts_with("asking the plugin 'scripted' for GraphDriver.Get: ")) << said;
  EXPECT_NE(said.find(GetParam().complaint), std::string::npos) << said;
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
}

INSTANTIATE_TEST_SUITE_P(, PluginThatAnswers, testing::ValuesIn(bad_answers()),
                         [](const auto& test) { return test.param.name; });

TEST(PluginClient, SaysThatNobodyListens) {
  std::string socket;
  {
    const ScriptedPlugin gone;
    socket = gone.socket();
  }
  const plugin::Client client("gone", socket, kBrief);
  EXPECT_NE(complaint_of([&] { client.exists(LayerId("a")); }).find("there is no such socket"), std::string::npos);
}

TEST(PluginClient, KnowsALeftOverSocket) {
  const TempDir dir{std::filesystem::temp_directory_path()};
  const std::string path = dir / "left.sock";
  ScriptedPlugin other;
  std::filesystem::rename(other.socket(), path);  // outlives its maker under this name
  const plugin::Client client("left", path, kBrief);
  EXPECT_TRUE(client.exists(LayerId("a")));
  const pid_t child = ::fork();
  if (child == 0) {
    new plugin::Listener(dir / "dead.sock");
    ::_exit(0);
  }
  int status;
  ::waitpid(child, &status, 0);
  const plugin::Client dead("dead", dir / "dead.sock", kBrief);
  const std::string said = complaint_of([&] { dead.exists(LayerId("a")); });
  EXPECT_NE(said.find("nobody listens there"), std::string::npos) << said;
}

TEST(PluginClient, TakesBackAReferenceItCannotUse) {
  ScriptedPlugin scripted;
  scripted.say("GraphDriver.Get", R"({"Dir":"/nowhere"})");
  const plugin::Client client("scripted", scripted.socket(), kBrief);
  EXPECT_THROW(client.get(LayerId("a")), Error);
  EXPECT_EQ(scripted.asked(), (std::vector<std::string>{"GraphDriver.Get", "GraphDriver.Put"}));
}

TEST(PluginClient, ToleratesAPluginWithoutCapabilities) {
  ScriptedPlugin scripted;
  const plugin::Client client("scripted", scripted.socket(), kBrief);
  EXPECT_FALSE(client.reproduces_exact_diffs());
  scripted.say("GraphDriver.Capabilities", R"({"capabilities":{"reproducesexactdiffs":true}})");
  EXPECT_TRUE(client.reproduces_exact_diffs());  // Go ignores the case of keys
  scripted.say("GraphDriver.Capabilities", R"({"Err":"boom"})", 500);
  EXPECT_THROW(client.reproduces_exact_diffs(), Error);
}

struct BadTaker {
  const char* name;
  ScriptedPlugin::Act act;
  const char* complaint;
};
std::ostream& operator<<(std::ostream& out, const BadTaker& bad) { return out << bad.name; }

class PluginThatTakesAStream : public testing::TestWithParam<BadTaker> {};

TEST_P(PluginThatTakesAStream, BadlyIsComplainedAboutInOneLine) {
  ScriptedPlugin scripted;
  scripted.on("GraphDriver.ApplyDiff", GetParam().act);
  const plugin::Client client("scripted", scripted.socket(), kBrief);
  const std::string said = complaint_of([&] {
    client.apply_diff(LayerId("a"), LayerId("b"), [](ByteSink& out) {
      const std::string part(64 << 10, 'x');
      for (int i = 0; i < 256; ++i) out.write(part);
    });
  });
  EXPECT_NE(said.find(GetParam().complaint), std::string::npos) << said;
}

void read_some_of(int fd, size_t bytes) {
  std::string buffer(4096, '\0');
  for (size_t n = 0; n < bytes;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) return;
    n += static_cast<size_t>(got);
  }
}

INSTANTIATE_TEST_SUITE_P(, PluginThatTakesAStream,
                         testing::Values(BadTaker{"dies_at_once", [](int) {}, "the connection was closed"},
                                         BadTaker{"dies_in_the_middle", [](int fd) { read_some_of(fd, 1 << 20); },
                                                  "the connection was closed"},
                                         BadTaker{"stops_reading", wait_for_hang_up, "nothing was taken for 1 seconds"},
                                         BadTaker{"refuses_early",
                                                  [](int fd) {
                                                    write_text(fd, http_response(R"({"Err":"disk full"})", 500));
                                                    ::shutdown(fd, SHUT_WR);
                                                    ::usleep(100'000);
                                                  },
                                                  "it says: disk full"},
                                         BadTaker{"never_answers", [](int fd) { read_some_of(fd, SIZE_MAX); },
                                                  "nothing came for 1 seconds"},
                                         BadTaker{"has_no_size",
                                                  [](int fd) {
                                                    read_some_of(fd, (16 << 20) + 100);
                                                    write_text(fd, http_response(R"({"Size":1.5})"));
                                                  },
                                                  "'Size' is not an integer"}),
                         [](const auto& test) { return test.param.name; });

TEST(PluginClient, AFailureWhileSendingLeavesTheStreamWithoutAnEnd) {
  ScriptedPlugin scripted;
  std::promise<std::string> all;
  scripted.on("GraphDriver.ApplyDiff", [&](int fd) {
    std::string got;
    char buffer[4096];
    for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) got.append(buffer, static_cast<size_t>(n));
    all.set_value(got);
  });
  {
    const plugin::Client client("scripted", scripted.socket(), kBrief);
    const std::string said = complaint_of([&] {
      client.apply_diff(LayerId("a"), std::nullopt, [](ByteSink& out) {
        out.write(std::string(300 << 10, 'x'));
        throw Error(Errc::io, "reading 'f': it is gone");
      });
    });
    EXPECT_NE(said.find("reading 'f': it is gone"), std::string::npos) << said;
  }
  const std::string got = all.get_future().get();
  EXPECT_GE(got.size(), 300 << 10);
  EXPECT_FALSE(got.ends_with("0\r\n\r\n"));
}

}  // namespace
}  // namespace cairn::test
