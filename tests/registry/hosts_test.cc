#include "registry/hosts.h"

#include <gmock/gmock.h>

#include "core/util/error.h"
#include "registry/certificates.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

using test::write_file;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kPem[] = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";

// A host whose files and names are the test's.
class Hosts : public testing::Test {
 protected:
  Hosts() {
    options_.daemon_json = dir_ / "daemon.json";
    options_.certs_dirs = {dir_ / "docker", dir_ / "containers"};
    options_.resolve = [this](const std::string& name) {
      asked_.push_back(name);
      return name == "localhost" || name == "here.test" ? std::vector<std::string>{"::1", "127.0.0.1"}
             : name == "near.test"                      ? std::vector<std::string>{"10.1.2.3"}
             : name == "both.test"                      ? std::vector<std::string>{"127.0.0.1", "203.0.113.9"}
                                                        : std::vector<std::string>{};
    };
  }
  void daemon(const std::string& text) { write_file(options_.daemon_json, text); }
  std::vector<RegistryEndpoint> endpoints(const std::string& domain, RegistryUse use = RegistryUse::pull) {
    return endpoints_for(domain, use, options_);
  }
  // "https://a", "https://b unverified", "http://c mirror"
  std::vector<std::string> told(const std::string& domain, RegistryUse use = RegistryUse::pull) {
    std::vector<std::string> out;
    for (const auto& one : endpoints(domain, use))
      out.push_back(one.base_url + (one.verify || one.is_plain() ? "" : " unverified") +
                    (one.is_mirror ? " mirror" : ""));
    return out;
  }
  void expect_error(const std::string& domain, Errc code, const std::string& text) {
    try {
      endpoints(domain);
      ADD_FAILURE() << domain;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_THAT(e.what(), HasSubstr(text));
    }
  }

  test::TempDir dir_;
  HostOptions options_;
  std::vector<std::string> asked_;
};

TEST_F(Hosts, AreReachedOverVerifiedTls) {
  EXPECT_THAT(told("r.io"), ElementsAre("https://r.io"));
  EXPECT_THAT(told("r.io:5000", RegistryUse::push), ElementsAre("https://r.io:5000"));
  EXPECT_THAT(told("docker.io"), ElementsAre("https://registry-1.docker.io"));
  EXPECT_EQ(endpoints("docker.io").at(0).host, "docker.io");
  EXPECT_EQ(endpoints("r.io").at(0).ca_pem, "");
}

TEST_F(Hosts, OnThisMachineNeedNoCertificate) {
  for (const char* host : {"localhost:5000", "127.0.0.1", "127.9.9.9:80", "[::1]:5000", "here.test"}) {
    const std::string text = host;
    EXPECT_THAT(told(host), ElementsAre("https://" + text + " unverified", "http://" + text)) << host;
  }
  EXPECT_THAT(told("128.0.0.1"), ElementsAre("https://128.0.0.1"));
  EXPECT_THAT(told("both.test"), ElementsAre("https://both.test"));
}

TEST_F(Hosts, AreInsecureWhenTheEngineHoldsThemForIt) {
  daemon(R"({"insecure-registries":["r.io:5000","https://s.io","10.0.0.0/8"],"debug":true})");
  EXPECT_THAT(told("r.io:5000"), ElementsAre("https://r.io:5000 unverified", "http://r.io:5000"));
  EXPECT_THAT(told("s.io"), ElementsAre("https://s.io unverified", "http://s.io"));
  EXPECT_THAT(told("near.test:1"), ElementsAre("https://near.test:1 unverified", "http://near.test:1"));
  EXPECT_THAT(told("10.9.9.9"), ElementsAre("https://10.9.9.9 unverified", "http://10.9.9.9"));
  EXPECT_THAT(told("r.io"), ElementsAre("https://r.io"));
  EXPECT_THAT(asked_, testing::Contains("near.test"));
}

TEST_F(Hosts, ObeyFlagsBeforeFiles) {
  daemon(R"({"insecure-registries":["r.io"]})");
  options_.tls_verify = true;
  EXPECT_THAT(told("r.io"), ElementsAre("https://r.io"));
  EXPECT_THAT(told("localhost"), ElementsAre("https://localhost"));
  options_.tls_verify = false;
  EXPECT_THAT(told("t.io"), ElementsAre("https://t.io unverified", "http://t.io"));
  EXPECT_THAT(told("docker.io", RegistryUse::push),
              ElementsAre("https://registry-1.docker.io unverified", "http://registry-1.docker.io"));
  options_.plain_http = true;
  EXPECT_THAT(told("t.io"), ElementsAre("http://t.io"));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Hosts, OfTheHubHaveMirrorsToPullFrom) {
  daemon(R"({"registry-mirrors":["https://m.io/","http://n.io:5000","https://i.io"],"insecure-registries":["i.io"]})");
  EXPECT_THAT(told("docker.io"), ElementsAre("https://m.io mirror", "http://n.io:5000 mirror",
                                             "https://i.io unverified mirror", "https://registry-1.docker.io"));
  EXPECT_EQ(endpoints("docker.io").at(1).host, "n.io:5000");
  EXPECT_THAT(told("docker.io", RegistryUse::push), ElementsAre("https://registry-1.docker.io"));
  EXPECT_THAT(told("r.io"), ElementsAre("https://r.io"));
  options_.tls_verify = true;
  EXPECT_THAT(told("docker.io"),
              ElementsAre("https://m.io mirror", "https://i.io mirror", "https://registry-1.docker.io"));
}

TEST_F(Hosts, NameTheFileThatIsDamaged) {
  for (const char* text : {"{", R"({"registry-mirrors":"https://m.io"})", R"({"registry-mirrors":["m.io"]})",
                           R"({"registry-mirrors":["https://m.io/path"]})",
                           R"({"registry-mirrors":["https://u:p@m.io"]})", R"({"registry-mirrors":["https://"]})",
                           R"({"registry-mirrors":["https://m.io?x"]})", R"({"registry-mirrors":["ftp://m.io"]})"}) {
    daemon(text);
    expect_error("docker.io", Errc::corrupt, "daemon.json'");
  }
  daemon(R"({"insecure-registries":["10.0.0.0/99"]})");
  expect_error("r.io", Errc::corrupt, "10.0.0.0/99");
  daemon("");
  EXPECT_NO_THROW(endpoints("r.io"));
  daemon("{");
  options_.tls_verify = true;
  EXPECT_NO_THROW(endpoints("r.io")) << "it is not needed";
}

TEST_F(Hosts, HaveNamesThatCannotBePaths) {
  for (const char* name : {"", "..", ".x", "a/b", "a b", "a@b", "a\nb", "a?b", "a#b", "a%b"})
    expect_error(name, Errc::invalid, "no name of a host");
}

TEST_F(Hosts, HaveCertificatesByNameAndPort) {
  write_file(dir_ / "docker/r.io:5000/a.crt", kPem);
  write_file(dir_ / "docker/r.io:5000/b.crt", std::string("# second\n") + kPem + "\n");
  write_file(dir_ / "docker/r.io:5000/client.cert", "cert");
  write_file(dir_ / "docker/r.io:5000/client.key", "key");
  write_file(dir_ / "docker/r.io:5000/other.cert", "cert");
  write_file(dir_ / "docker/r.io:5000/other.key", "key");
  write_file(dir_ / "docker/r.io:5000/README", "x");
  write_file(dir_ / "containers/r.io:5000/c.crt", std::string("# third\n") + kPem);
  const auto found = endpoints("r.io:5000").at(0);
  const std::string pem = kPem;
  EXPECT_EQ(found.ca_pem, system_authorities() + pem + "\n# second\n" + pem + "\n# third\n" + pem + "\n");
  EXPECT_EQ(found.client_cert, (dir_ / "docker/r.io:5000/client.cert").string());
  EXPECT_EQ(found.client_key, (dir_ / "docker/r.io:5000/client.key").string());
  EXPECT_EQ(endpoints("r.io").at(0).ca_pem, "");
  write_file(dir_ / "docker/docker.io/a.crt", kPem);
  EXPECT_NE(endpoints("docker.io").at(0).ca_pem, "");
}

TEST_F(Hosts, HaveCertificatesFromADirectoryGivenInstead) {
  write_file(dir_ / "docker/r.io/a.crt", kPem);
  write_file(dir_ / "given/x.cert", "cert");
  write_file(dir_ / "given/x.key", "key");
  options_.cert_dir = dir_ / "given";
  const auto found = endpoints("r.io").at(0);
  EXPECT_EQ(found.ca_pem, "");
  EXPECT_EQ(found.client_cert, (dir_ / "given/x.cert").string());
  daemon(R"({"registry-mirrors":["https://m.io"]})");
  EXPECT_EQ(endpoints("docker.io").at(0).client_cert, "") << "a mirror is somebody else";
  EXPECT_NE(endpoints("docker.io").at(1).client_cert, "");
  options_.cert_dir = dir_ / "no";
  expect_error("r.io", Errc::not_found, "--cert-dir");
}

TEST_F(Hosts, WithHalfAPairOfCertificatesAreNotReached) {
  write_file(dir_ / "docker/a.io/client.cert", kPem);
  expect_error("a.io", Errc::corrupt, "docker/a.io': the client's certificate 'client.cert' has no key");
  write_file(dir_ / "docker/b.io/client.key", kPem);
  expect_error("b.io", Errc::corrupt, "the key 'client.key' has no certificate");
  write_file(dir_ / "docker/c.io/ca.crt", "\x30\x82 this is DER");
  expect_error("c.io", Errc::corrupt, "'ca.crt' holds no certificate in PEM");
}

TEST(SystemAuthorities, AreThoseOfTheEnvironmentIfItNamesSome) {
  const test::TempDir dir;
  write_file(dir / "own.pem", "own");
  ::setenv("SSL_CERT_FILE", (dir / "own.pem").c_str(), 1);
  EXPECT_EQ(system_authorities(), "own\n");
  ::unsetenv("SSL_CERT_FILE");
  EXPECT_NE(system_authorities(), "own\n");
}

}  // namespace
}  // namespace cairn
