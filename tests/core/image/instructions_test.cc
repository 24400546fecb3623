// Docker's answers to these were compared with an engine's in tests/e2e/test_images.py.
#include "core/image/instructions.h"

#include <gmock/gmock.h>

#include "core/image/word_expansion.h"
#include "core/util/error.h"

namespace cairn {
namespace {

using testing::ElementsAre;
using testing::Optional;

RunConfig after(const std::vector<std::string>& changes, RunConfig config = {}) {
  return apply_instructions(std::move(config), changes);
}

struct ChangeCase {
  const char* name;
  std::vector<std::string> changes;
  std::string want;  // what is in the configuration then
};
class Changes : public testing::TestWithParam<ChangeCase> {};
TEST_P(Changes, AreApplied) {
  EXPECT_THAT(go_json::encode(after(GetParam().changes)), testing::HasSubstr(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(
    , Changes,
    testing::Values(
        ChangeCase{"cmd_of_words", {R"(CMD ["a", "b c"])"}, R"("Cmd":["a","b c"])"},
        ChangeCase{"cmd_for_a_shell", {"cmd  echo   $A "}, R"("Cmd":["/bin/sh","-c","echo   $A"])"},
        ChangeCase{"cmd_for_another_shell", {R"(SHELL ["/bin/ash", "-e"])", "CMD x"}, R"("Cmd":["/bin/ash","-e","x"])"},
        ChangeCase{"cmd_of_nothing", {"CMD []"}, R"("Cmd":[])"},
        ChangeCase{"cmd_that_is_no_json", {"CMD [a"}, R"("Cmd":["/bin/sh","-c","[a"])"},
        ChangeCase{"entrypoint_drops_the_old_cmd", {"ENTRYPOINT [\"x\"]"}, R"("Cmd":null)"},
        ChangeCase{"entrypoint_keeps_a_new_cmd", {"CMD [\"y\"]", "ENTRYPOINT [\"x\"]"}, R"("Cmd":["y"])"},
        ChangeCase{"env", {"ENV A=1 B=\"$A 2\" C='$A'"}, R"("Env":["A=1","B= 2","C=$A"])"},
        ChangeCase{"env_one_after_another", {"ENV A=1", "ENV B=${A}2", "ENV A=3"}, R"("Env":["A=3","B=12"])"},
        ChangeCase{"env_old_form", {"ENV A  some words"}, R"("Env":["A=some words"])"},
        ChangeCase{
            "expose", {"EXPOSE 80 53/UDP 9-10"}, R"("ExposedPorts":{"10/tcp":{},"53/udp":{},"80/tcp":{},"9/tcp":{}})"},
        ChangeCase{"label", {"LABEL a=b \"c d\"='e'"}, R"("Labels":{"a":"b","c d":"e"})"},
        ChangeCase{"health",
                   {"HEALTHCHECK --interval=1m30s --retries=2 CMD a b"},
                   R"("Healthcheck":{"Test":["CMD-SHELL","a b"],"Interval":90000000000,"Retries":2})"},
        ChangeCase{"no_health", {"HEALTHCHECK none"}, R"("Healthcheck":{"Test":["NONE"]})"},
        ChangeCase{"onbuild", {"ONBUILD RUN make $X"}, R"("OnBuild":["RUN make $X"])"},
        ChangeCase{"signal", {"STOPSIGNAL SIGUSR1"}, R"("StopSignal":"SIGUSR1")"},
        ChangeCase{"user", {"USER 1:2"}, R"("User":"1:2")"},
        ChangeCase{"volumes", {"VOLUME /a /b", R"(VOLUME ["/c d"])"}, R"("Volumes":{"/a":{},"/b":{},"/c d":{}})"},
        ChangeCase{"workdir", {"WORKDIR /a", "WORKDIR b/../c"}, R"("WorkingDir":"/a/c")"},
        ChangeCase{"workdir_cannot_climb_out", {"WORKDIR ../../x"}, R"("WorkingDir":"/x")"},
        ChangeCase{"lines", {"ENV A=1 \\\n  B=2\n# not this\nUSER x"}, R"("Env":["A=1","B=2"])"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ChangedConfig, AnEntrypointDropsTheCommandOfAnother) {
  RunConfig config;
  config.cmd.value = {{"old"}};
  config.entrypoint.value = {{"program"}};
  EXPECT_FALSE(after({R"(ENTRYPOINT ["x"])"}, config).cmd.value);
  EXPECT_THAT(after({R"(CMD ["new"])", R"(ENTRYPOINT ["x"])"}, config).cmd.value, Optional(ElementsAre("new")));
  EXPECT_THAT(after({R"(CMD ["new"])"}, config).entrypoint.value, Optional(ElementsAre("program")));
}

TEST(StopSignal, IsWhatEnginesTakeForOne) {
  for (const char* signal : {"SIGTERM",     "sigterm",
                             "sIgTeRm",     "term",
                             "SIGIO",       "SIGIOT",
                             "cld",         "POLL",
                             "SIGPWR",      "RTMIN",
                             "rtmax",       "RTMIN+1",
                             "sigrtmin+15", "RTMAX-14",
                             "1",           "007",
                             "64",          "99",
                             "999999",      "-5",
                             "+9",          "9223372036854775807"})
    EXPECT_EQ(after({std::string("STOPSIGNAL ") + signal}).stop_signal, signal);
  EXPECT_EQ(after({"ENV A=int", "STOPSIGNAL 'sig'$A"}).stop_signal, "sigint");
  for (const char* word : {"RTMINfoo",
                           "RTMIN+",
                           "RTMIN+0",
                           "RTMIN+01",
                           "RTMIN+16",
                           "RTMIN-1",
                           "RTMAX-0",
                           "RTMAX-15",
                           "RTMAX+1",
                           "UNUSED",
                           "SIGSIGTERM",
                           "SIG9",
                           "SIG",
                           "INFO",
                           "00",
                           "-0",
                           "+-5",
                           "+",
                           "-",
                           "0x9",
                           "9 9",
                           "9223372036854775808",
                           "[\"SIGTERM\"]"})
    EXPECT_THROW(after({std::string("STOPSIGNAL ") + word}), Error) << word;
}

class BadChange : public testing::TestWithParam<const char*> {};
TEST_P(BadChange, IsTheUsersMistake) {
  try {
    after({GetParam()});
    FAIL() << GetParam();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::invalid) << e.what();
  }
}
INSTANTIATE_TEST_SUITE_P(, BadChange,
                         testing::Values("", "# only this", "RUN x", "FROM x", "ENV", "ENV A", "ENV =b", "ENV A=1 B",
                                         "ENV A='", "ENV A=${", "ENV A=${A!x}", "LABEL", "EXPOSE", "EXPOSE x",
                                         "EXPOSE 65536", "EXPOSE 2-1", "EXPOSE 1-", "EXPOSE 1/x",
                                         "EXPOSE 99999999999999999999", "USER", "VOLUME", "VOLUME [\"\"]", "WORKDIR",
                                         "CMD [\"a\", 1]", "CMD --x y", "SHELL sh", "SHELL []", "STOPSIGNAL x",
                                         "STOPSIGNAL 0", "ONBUILD", "ONBUILD ONBUILD x", "ONBUILD from x",
                                         "HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK x y", "HEALTHCHECK NONE x",
                                         "HEALTHCHECK --interval=1 CMD x", "HEALTHCHECK --interval=1us CMD x",
                                         "HEALTHCHECK --retries=0 CMD x", "HEALTHCHECK --other=1 CMD x",
                                         "HEALTHCHECK --interval=99999999h CMD x"));

TEST(ExpandWord, LikeTheBuilder) {
  const std::vector<std::string> env{"A=1", "EMPTY=", "LONG=a b"};
  for (const auto& [word, want] : std::map<std::string, std::string>{{"x$A", "x1"},
                                                                     {"${A}x", "1x"},
                                                                     {"$AX", ""},
                                                                     {"\\$A", "$A"},
                                                                     {"'$A'", "$A"},
                                                                     {"\"$A\\\"\\n\"", "1\"\\n"},
                                                                     {"${NONE:-${A}2}", "12"},
                                                                     {"${EMPTY:-y}", "y"},
                                                                     {"${A:+y}${NONE:+y}", "y"},
                                                                     {"${A:?no}", "1"},
                                                                     {"$", "$"},
                                                                     {"a$ b", "a$ b"},
                                                                     {"$12x", "x"},
                                                                     {"\\", ""},
                                                                     {"$LONG", "a b"}})
    EXPECT_EQ(expand_word(word, env), want) << word;
  for (const char* word : {"${NONE:?it is needed}", "\"", "'", "${A", "${}", "${:x}", "${A:}", "${A:x}", "${A-x}"})
    EXPECT_THROW(expand_word(word, env), Error) << word;
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "${N:-";
  EXPECT_THROW(expand_word(deep, env), Error);
}

TEST(SplitWords, KeepsQuotesTogether) {
  EXPECT_THAT(split_words("a=1  b=\"c d\" e\\ f=g 'h i'"), ElementsAre("a=1", "b=\"c d\"", "e\\ f=g", "'h i'"));
  EXPECT_THAT(split_words("  "), testing::IsEmpty());
}

}  // namespace
}  // namespace cairn
