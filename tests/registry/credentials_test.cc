#include "registry/credentials.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "core/archive/base64.h"
#include "core/util/error.h"
#include "tests/registry/helper_programs.h"

namespace cairn {
namespace {

using test::HelperPrograms;
using test::write_file;
using testing::HasSubstr;
using testing::Not;

std::string base64(const std::string& text) {
  std::string out;
  append_base64(out, text);
  return out;
}
std::string entry(const std::string& user_and_secret) { return R"({"auth":")" + base64(user_and_secret) + "\"}"; }
std::string auths(const std::map<std::string, std::string>& entries, const std::string& more = "") {
  std::string out;
  for (const auto& [key, value] : entries) out += (out.empty() ? "\"" : ",\"") + key + "\":" + value;
  return R"({"auths":{)" + out + "}" + more + "}";
}
std::string told(const Credential& who) { return who.username + ":" + who.secret; }

std::string found_in(const std::string& text, const std::string& host, const std::string& path = "a/b",
                     AuthFile::Form form = AuthFile::Form::config) {
  return told(AuthFile("f", text, form).find(host, path).value_or(Credential()));
}

struct KeyCase {
  const char* name;
  const char* key;
  const char* host;
  const char* path;
  bool fits;
};
class AuthKeys : public testing::TestWithParam<KeyCase> {};
TEST_P(AuthKeys, Fit) {
  const auto& c = GetParam();
  EXPECT_EQ(found_in(auths({{c.key, entry("u:p")}}), c.host, c.path), c.fits ? "u:p" : ":");
}
INSTANTIATE_TEST_SUITE_P(
    , AuthKeys,
    testing::Values(KeyCase{"host", "r.io", "r.io", "a/b", true}, KeyCase{"other_host", "r.io", "s.io", "a/b", false},
                    KeyCase{"host_and_port", "r.io:5000", "r.io:5000", "a", true},
                    KeyCase{"other_port", "r.io:5000", "r.io", "a", false},
                    KeyCase{"port_missing", "r.io", "r.io:5000", "a", false},
                    KeyCase{"url", "https://r.io/v1/", "r.io", "a/b", true},
                    KeyCase{"url_v2", "https://r.io/v2/", "r.io", "a/b", true},
                    KeyCase{"url_without_path", "https://r.io", "r.io", "a/b", true},
                    KeyCase{"plain_url", "http://r.io:5000/v1", "r.io:5000", "a/b", true},
                    KeyCase{"url_without_scheme", "r.io/v1/", "r.io", "a/b", true},
                    KeyCase{"url_of_another", "https://r.io.evil/v1/", "r.io", "a/b", false},
                    KeyCase{"trailing_slash", "r.io/", "r.io", "a/b", true},
                    KeyCase{"hub_as_docker_has_it", "https://index.docker.io/v1/", "docker.io", "library/x", true},
                    KeyCase{"hub", "docker.io", "docker.io", "library/x", true},
                    KeyCase{"hub_index", "index.docker.io", "docker.io", "library/x", true},
                    KeyCase{"hub_api", "registry-1.docker.io", "docker.io", "library/x", true},
                    KeyCase{"hub_by_api_host", "https://index.docker.io/v1/", "registry-1.docker.io", "x", true},
                    KeyCase{"not_hub", "https://index.docker.io/v1/", "r.io", "x", false},
                    KeyCase{"repository", "r.io/a/b", "r.io", "a/b", true},
                    KeyCase{"namespace_above", "r.io/a", "r.io", "a/b/c", true},
                    KeyCase{"part_of_a_name", "r.io/a", "r.io", "ab/c", false},
                    KeyCase{"other_namespace", "r.io/b", "r.io", "a/b", false},
                    KeyCase{"below_the_repository", "r.io/a/b/c", "r.io", "a/b", false},
                    KeyCase{"hub_repository", "docker.io/library", "docker.io", "library/x", true}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(AuthFiles, PreferTheMostSpecificKey) {
  const auto text = auths({{"r.io", entry("host:p")},
                           {"r.io/a", entry("space:p")},
                           {"r.io/a/b", entry("repo:p")},
                           {"https://r.io/v1/", entry("url:p")},
                           {"r.io/v1", entry("v1:p")}});
  EXPECT_EQ(found_in(text, "r.io", "a/b"), "repo:p");
  EXPECT_EQ(found_in(text, "r.io", "a/c"), "space:p");
  EXPECT_EQ(found_in(text, "r.io", "c"), "host:p");
}

TEST(AuthFiles, PassOverEntriesThatSayNothing) {
  EXPECT_EQ(found_in(auths({{"r.io/a/b", "{}"}, {"r.io", entry("u:p")}, {"https://r.io", "null"}}), "r.io"), "u:p");
  EXPECT_EQ(found_in(auths({{"r.io", R"({"email":"x","auth":""})"}}), "r.io"), ":");
}

TEST(AuthFiles, TellSecretsInAllForms) {
  EXPECT_EQ(found_in(auths({{"r.io", entry("u:p:q")}}), "r.io"), "u:p:q");
  EXPECT_EQ(found_in(auths({{"r.io", entry(std::string("u:p\0\0", 5))}}), "r.io"), "u:p");
  EXPECT_EQ(found_in(auths({{"r.io", R"({"auth":"dTpw"})"}}), "r.io"), "u:p");
  EXPECT_EQ(found_in(auths({{"r.io", R"({"auth":"dTpwcA"})"}}), "r.io"), "u:pp");  // no padding
  EXPECT_EQ(found_in(auths({{"r.io", R"({"username":"u","password":"p"})"}}), "r.io"), "u:p");
  const auto both = AuthFile("f", auths({{"r.io", R"({"auth":"dTo=","identitytoken":"i"})"}}), AuthFile::Form::config)
                        .find("r.io", "a");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->username, "u");
  EXPECT_EQ(both->identity_token, "i");
  EXPECT_EQ(AuthFile("f", auths({{"r.io", R"({"registrytoken":"t"})"}}), AuthFile::Form::config)
                .find("r.io", "a")
                ->registry_token,
            "t");
}

TEST(AuthFiles, OfTheOldFormHaveHostsAtTheTop) {
  const auto text = R"({"https://index.docker.io/v1/":)" + entry("u:p") + R"(,"auths":)" + entry("odd:p") + "}";
  EXPECT_EQ(found_in(text, "docker.io", "library/x", AuthFile::Form::dockercfg), "u:p");
  EXPECT_EQ(found_in(text, "auths", "x", AuthFile::Form::dockercfg), "odd:p");
}

TEST(AuthFiles, MayBeEmpty) {
  for (const char* text : {"", " \n", "{}", "null", R"({"auths":null,"credHelpers":null})"})
    EXPECT_EQ(found_in(text, "r.io"), ":") << text;
}

TEST(AuthFiles, AreNamedAndNotQuotedWhenDamaged) {
  for (const std::string& text :
       {std::string("s3cret"), std::string("[\"s3cret\"]"), auths({{"r.io", "\"s3cret\""}}),
        auths({{"r.io", R"({"auth":["s3cret"]})"}}), auths({{"r.io", R"({"auth":"!s3cret"})"}}),
        auths({{"r.io", entry("s3cret")}}), auths({{"r.io", entry(":s3cret")}}),
        auths({{"r.io", R"({"username":"u","password":{"a":"s3cret"}})"}}), std::string(R"({"auths":"s3cret"})"),
        std::string(R"({"auths":{},"credsStore":["s3cret"]})"), std::string(R"({"credHelpers":{"r.io":["s3cret"]}})")})
    try {
      AuthFile("/h/config.json", text, AuthFile::Form::config).find("r.io", "a");
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << text;
      EXPECT_THAT(e.what(), HasSubstr("'/h/config.json'"));
      EXPECT_THAT(e.what(), Not(HasSubstr("s3cret")));
    }
}

TEST(AuthFiles, LookAtAnEntryOnlyWhenItIsAskedFor) {
  EXPECT_EQ(found_in(auths({{"bad.io", "\"x\""}, {"r.io", entry("u:p")}}), "r.io"), "u:p");
}

TEST(AuthFiles, NameHelpers) {
  const AuthFile file("f", R"({"credsStore":"all","credHelpers":{"gcr.io":"g","https://index.docker.io/v1/":"h"}})",
                      AuthFile::Form::config);
  EXPECT_EQ(file.helper_for("gcr.io"), "g");
  EXPECT_EQ(file.helper_for("docker.io"), "h");
  EXPECT_EQ(file.helper_for("r.io"), "all");
  EXPECT_EQ(AuthFile("f", "{}", AuthFile::Form::config).helper_for("r.io"), "");
}

// A home, a runtime directory and an environment of the test's own.
class CredentialStores : public testing::Test {
 protected:
  CredentialStores() {
    variables_ = {{"HOME", (dir_ / "home").string()}, {"XDG_RUNTIME_DIR", (dir_ / "run").string()}};
  }
  CredentialOptions options(const std::string& creds = "", const std::string& authfile = "") {
    CredentialOptions out;
    out.creds = creds;
    out.authfile = authfile;
    out.environment = [this](const char* name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? "" : found->second;
    };
    return out;
  }
  std::string found(const std::string& host = "r.io") { return told(CredentialStore(options()).find(host, "a/b")); }
  void file(const std::string& path, const std::string& user) {
    write_file(dir_ / path, auths({{"r.io", entry(user + ":p")}}));
  }

  test::TempDir dir_;
  std::map<std::string, std::string> variables_;
};

TEST_F(CredentialStores, KnowNobodyWhereNothingIs) {
  EXPECT_TRUE(CredentialStore(options()).find("r.io", "a").empty());
  variables_.clear();
  EXPECT_NO_THROW(CredentialStore{options()});
  variables_["HOME"] = "/dev/null";
  EXPECT_EQ(found(), ":");
}

TEST_F(CredentialStores, LookInOnePlaceAfterTheOther) {
  write_file(dir_ / "home/.dockercfg", R"({"r.io":)" + entry("cfg:p") + "}");
  EXPECT_EQ(found(), "cfg:p");
  file("home/.docker/config.json", "docker");
  EXPECT_EQ(found(), "docker:p");
  file("d/config.json", "elsewhere");
  variables_["DOCKER_CONFIG"] = (dir_ / "d").string();
  EXPECT_EQ(found(), "elsewhere:p");
  file("home/.config/containers/auth.json", "podman");
  EXPECT_EQ(found(), "podman:p");
  file("x/containers/auth.json", "xdg");
  variables_["XDG_CONFIG_HOME"] = (dir_ / "x").string();
  EXPECT_EQ(found(), "xdg:p");
  file("run/containers/auth.json", "session");
  EXPECT_EQ(found(), "session:p");
  file("named.json", "named");
  variables_["REGISTRY_AUTH_FILE"] = (dir_ / "named.json").string();
  EXPECT_EQ(found(), "named:p");
  EXPECT_EQ(found("s.io"), ":");
  file("flag.json", "flag");
  EXPECT_EQ(told(CredentialStore(options("", dir_ / "flag.json")).find("r.io", "a")), "flag:p");
  EXPECT_EQ(told(CredentialStore(options("me:se:cret", dir_ / "flag.json")).find("r.io", "a")), "me:se:cret");
}

TEST_F(CredentialStores, LookOnlyInAFileThatIsNamed) {
  file("home/.docker/config.json", "docker");
  write_file(dir_ / "flag.json", "{}");
  EXPECT_TRUE(CredentialStore(options("", dir_ / "flag.json")).find("r.io", "a").empty());
}

TEST_F(CredentialStores, InsistOnAFileThatIsNamed) {
  for (const bool flag : {true, false}) {
    if (!flag) variables_["REGISTRY_AUTH_FILE"] = "/no/such";
    try {
      CredentialStore{options("", flag ? "/no/such" : "")};
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::not_found);
      EXPECT_THAT(e.what(), HasSubstr("'/no/such'"));
      EXPECT_THAT(e.what(), HasSubstr(flag ? "--authfile" : "$REGISTRY_AUTH_FILE"));
    }
  }
}

TEST_F(CredentialStores, ReadANamedPipeOnce) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const auto text = auths({{"r.io", entry("u:p")}});
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const CredentialStore store(options("", "/dev/fd/" + std::to_string(ends[0])));
  ::close(ends[0]);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(told(store.find("r.io", "a")), "u:p");
}

TEST_F(CredentialStores, GiveWhatTheCommandLineHoldsToTheRegistryMeant) {
  auto own = options("me");
  own.creds_host = "docker.io";
  file("home/.docker/config.json", "docker");
  const CredentialStore store(own);
  EXPECT_EQ(told(store.find("docker.io", "a")), "me:");
  EXPECT_EQ(told(store.find("registry-1.docker.io", "a")), "me:");
  EXPECT_EQ(told(store.find("r.io", "a")), "docker:p");
  EXPECT_TRUE(store.find("mirror.io", "a").empty());
}

TEST_F(CredentialStores, WantAName) {
  try {
    CredentialStore{options(":s3cret")};
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::invalid);
    EXPECT_THAT(e.what(), Not(HasSubstr("s3cret")));
  }
}

TEST_F(CredentialStores, MindDamageOnlyWhereTheyHaveToLook) {
  write_file(dir_ / "home/.docker/config.json", "{");
  file("run/containers/auth.json", "session");
  EXPECT_EQ(found(), "session:p");
  EXPECT_THAT([&] { found("s.io"); }, testing::ThrowsMessage<Error>(HasSubstr("home/.docker/config.json'")));
}

TEST_F(CredentialStores, AskHelpersBeforeTheFilesOwnEntries) {
  HelperPrograms helpers;
  helpers.add_answering("one", "one", "p");
  helpers.add_answering("all", "all", "p");
  helpers.add("none", "echo credentials not found in native keychain; exit 1");
  const auto config = [&](const std::string& more) {
    write_file(dir_ / "home/.docker/config.json", auths({{"r.io", entry("file:p")}, {"docker.io", "{}"}}, more));
  };
  config(R"(,"credsStore":"all","credHelpers":{"r.io":"one"})");
  EXPECT_EQ(found(), "one:p");
  EXPECT_EQ(test::read_file(helpers.asked()), "r.io");
  EXPECT_EQ(found("docker.io"), "all:p");
  EXPECT_EQ(test::read_file(helpers.asked()), "https://index.docker.io/v1/");
  config(R"(,"credsStore":"none")");
  EXPECT_EQ(found(), "file:p");
  EXPECT_EQ(found("s.io"), ":");
}

TEST_F(CredentialStores, SayWhichFileNamesAHelperThatFails) {
  write_file(dir_ / "home/.docker/config.json", R"({"credsStore":"is-not-there"})");
  EXPECT_THAT([&] { found(); },
              testing::ThrowsMessage<Error>(
                  testing::AllOf(HasSubstr("home/.docker/config.json'"), HasSubstr("docker-credential-is-not-there"))));
  write_file(dir_ / "home/.docker/config.json", R"({"credsStore":"../evil"})");
  EXPECT_THAT([&] { found(); }, testing::ThrowsMessage<Error>(HasSubstr("no name of a program")));
}

}  // namespace
}  // namespace cairn
