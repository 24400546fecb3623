#include "registry/credential_helper.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "tests/registry/helper_programs.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using test::HelperPrograms;
using testing::HasSubstr;
using testing::Not;

// The message of the error that asking brings; its code in `code`.
std::string error_of(const std::string& name, Errc code, const HelperLimits& limits = {}) {
  try {
    ask_credential_helper(name, "reg:5000", limits);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return e.what();
  }
  ADD_FAILURE() << name << " brings no error";
  return "";
}

TEST(CredentialHelper, IsAskedAboutTheServerAndNothingElse) {
  HelperPrograms helpers;
  helpers.add("x.y_z-1", "test \"$*\" = get && cat >" + helpers.asked().string() + R"( && cat <<'END'
 {"ServerURL":"reg:5000","Username":"u","Secret":"a\nb\u00fc"}
END)");
  const auto found = ask_credential_helper("x.y_z-1", "reg:5000");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->username, "u");
  EXPECT_EQ(found->secret, "a\nbü");
  EXPECT_EQ(test::read_file(helpers.asked()), "reg:5000");
}

TEST(CredentialHelper, GivesAnIdentityTokenToAUserOfThatName) {
  HelperPrograms helpers;
  helpers.add_answering("x", "<token>", "idtok");
  const auto found = ask_credential_helper("x", "reg:5000");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->identity_token, "idtok");
  EXPECT_TRUE(found->username.empty() && found->secret.empty());
}

TEST(CredentialHelper, MayKnowNothing) {
  HelperPrograms helpers;
  helpers.add("none", "echo credentials not found in native keychain; exit 1");
  helpers.add("empty", "echo '{\"ServerURL\":\"\",\"Username\":\"\",\"Secret\":\"\"}'");
  EXPECT_FALSE(ask_credential_helper("none", "reg:5000"));
  EXPECT_FALSE(ask_credential_helper("empty", "reg:5000"));
}

TEST(CredentialHelper, HasANameThatCannotBeAnythingElse) {
  HelperPrograms helpers;
  for (const std::string name : {"", "a/b", "../x", "a b", "x;id", "$(id)", "ü", "a\nb"})
    EXPECT_THAT(error_of(name, Errc::invalid), HasSubstr("no name of a program"));
  EXPECT_THAT(error_of("is-not-there", Errc::not_found),
              HasSubstr("'docker-credential-is-not-there' about 'reg:5000'"));
}

TEST(CredentialHelper, SaysWhyItFailed) {
  HelperPrograms helpers;
  helpers.add("locked", "printf 'the keyring is\\033 locked\\nmore'; exit 3");
  helpers.add("silent", "exit 1");
  helpers.add("killed", "kill -9 $$");
  EXPECT_THAT(error_of("locked", Errc::io), HasSubstr("it failed: the keyring is\\x1b locked"));
  EXPECT_THAT(error_of("silent", Errc::io), testing::EndsWith("it failed"));
  EXPECT_THAT(error_of("killed", Errc::io), testing::EndsWith("it failed"));
}

TEST(CredentialHelper, NeverHasItsSecretsRepeated) {
  HelperPrograms helpers;
  helpers.add("failing", "echo '{\"Username\":\"u\",\"Secret\":\"s3cret\"}'; exit 1");
  helpers.add("plain", "echo s3cret");
  helpers.add("list", "echo '{\"Username\":\"u\",\"Secret\":[\"s3cret\"]}'");
  helpers.add("cut", "printf '{\"Username\":\"u\",\"Secret\":\"s3cret'");
  EXPECT_THAT(error_of("failing", Errc::io), Not(HasSubstr("s3cret")));
  for (const char* name : {"plain", "list", "cut"})
    EXPECT_THAT(error_of(name, Errc::corrupt), Not(HasSubstr("s3cret")));
}

TEST(CredentialHelper, IsStoppedWhenItTalksOrWaitsForever) {
  HelperPrograms helpers;
  helpers.add("loud", "exec cat /dev/zero");
  helpers.add("asleep", "exec sleep 1000");
  helpers.add("closed", "exec sleep 1000 >&-");
  EXPECT_THAT(error_of("loud", Errc::corrupt), HasSubstr("does not stop talking"));
  EXPECT_THAT(error_of("asleep", Errc::io, {milliseconds(100), 1000}), HasSubstr("no answer within 100 ms"));
  EXPECT_THAT(error_of("closed", Errc::io, {milliseconds(100), 1000}), HasSubstr("no answer within"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "one of them is still there";
}

TEST(CredentialHelper, IsStoppedByCtrlC) {
  HelperPrograms helpers;
  helpers.add("asleep", "exec sleep 1000");
  interrupt_requested = true;
  error_of("asleep", Errc::interrupted);
  interrupt_requested = false;
}

TEST(CredentialHelper, NeedNotReadTheQuestion) {
  HelperPrograms helpers;
  helpers.add("deaf", "exec <&-; echo '{\"Username\":\"u\",\"Secret\":\"s\"}'");
  EXPECT_TRUE(ask_credential_helper("deaf", "reg:5000"));
}

}  // namespace
}  // namespace cairn
