#include "core/image/v1_config.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

const DiffId kEmpty = empty_layer_diff_id();

std::string id_of(const std::string& config) { return Digest::of(config).hex(); }

// The two images of busybox as of October 2015, as 1.9 stored them after a pull and as 1.8.2 stored them.
const std::string kHost =
    R"("Hostname":"23304fc829f9","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,)";
const std::string kBusyboxId = "d1592a710ac323612bd786fa8ac20727c58d8a67847e5a65177c594f43919498";
const std::string kAdd =
    R"(["/bin/sh","-c","#(nop) ADD file:a3bc1e842b69636f9df5256c49c5374fb4eef1e281fe3f282c65fb853ee171c5 in /"])";
const std::string kCmd = R"(["/bin/sh","-c","#(nop) CMD [\"sh\"]"])";

std::string config_of_1_9(const std::string& cmd, const std::string& image) {
  return "{" + kHost + R"("Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":)" + cmd + R"(,"Image":")" +
         image + R"(","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null})";
}
std::string config_of_1_8(const std::string& cmd, const std::string& image) {
  return "{" + kHost +
         R"("ExposedPorts":null,"PublishService":"","Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":)" +
         cmd + R"(,"Image":")" + image + R"(","Volumes":null,"VolumeDriver":"","WorkingDir":"","Entrypoint":null,)" +
         R"("NetworkDisabled":false,"MacAddress":"","OnBuild":null,"Labels":null})";
}

struct Pair {
  std::string base, child;
};
Pair images_of_1_9() {
  return {R"({"architecture":"amd64","config":)" + config_of_1_9("null", "") +
              R"(,"container":"23304fc829f9b9349416f6eb1afec162907eba3a328f51d53a17f8986f865d65","container_config":)" +
              config_of_1_9(kAdd, "") +
              R"(,"created":"2015-10-31T22:22:54.690851953Z","docker_version":"1.8.2","layer_id":"sha256:)"
              R"(55dc925c23d1ed82551fd018c27ac3ee731377b6bad3963a2a4e76e753d70e57","os":"linux"})",
          R"({"architecture":"amd64","config":)" + config_of_1_9(R"(["sh"])", kBusyboxId) +
              R"(,"container":"349b014153779e30093d94f6df2a43c7a0a164e05aa207389917b540add39b51","container_config":)" +
              config_of_1_9(kCmd, kBusyboxId) +
              R"(,"created":"2015-10-31T22:22:55.613815829Z","docker_version":"1.8.2","layer_id":"sha256:)"
              R"(a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4","os":"linux","parent_id":"sha256:)"
              R"(039b63dd2cbaa10d6015ea574392530571ed8d7b174090f032211285a71881d0"})"};
}
Pair images_of_1_8() {
  return {
      R"({"id":")" + kBusyboxId +
          R"(","created":"2015-10-31T22:22:54.690851953Z","container":"23304fc829f9b9349416f6eb1afec162907eba3a328f51d53a17f8986f865d65",)"
          R"("container_config":)" +
          config_of_1_8(kAdd, "") + R"(,"docker_version":"1.8.2","config":)" + config_of_1_8("null", "") +
          R"(,"architecture":"amd64","os":"linux","Size":1108935})",
      R"({"id":"17583c7dd0dae6244203b8029733bdb7d17fccbb2b5d93e2b24cf48b8bfd06e2","parent":")" + kBusyboxId +
          R"(","created":"2015-10-31T22:22:55.613815829Z","container":"349b014153779e30093d94f6df2a43c7a0a164e05aa207389917b540add39b51",)"
          R"("container_config":)" +
          config_of_1_8(kCmd, kBusyboxId) + R"(,"docker_version":"1.8.2","config":)" +
          config_of_1_8(R"(["sh"])", kBusyboxId) + R"(,"architecture":"amd64","os":"linux","Size":0})"};
}

class Busybox : public testing::TestWithParam<int> {};
TEST_P(Busybox, GetsTheIdsDockerGaveIt) {
  const Pair pair = GetParam() == 19 ? images_of_1_9() : images_of_1_8();
  const std::vector<std::string> history{history_from_v1(pair.base), history_from_v1(pair.child)};
  const std::vector<DiffId> diffs{kEmpty, kEmpty};
  EXPECT_EQ(id_of(config_from_v1(pair.base, std::span(diffs).first(1), std::span(history).first(1))),
            "ca406eaf9c26898414ff5b7b3a023c33310759d6203be0663dbf1b3a712f432d");
  EXPECT_EQ(id_of(config_from_v1(pair.child, diffs, history)),
            "a488bec94bb96b26a968f913d25ef7d8d204d727ca328b52b4b059c7d03260b6");
}
INSTANTIATE_TEST_SUITE_P(WrittenBy, Busybox, testing::Values(18, 19));

const std::string kOld =
    R"({"id":"1111111111111111111111111111111111111111111111111111111111111111","comment":"a <b> & c",)"
    R"("created":"2013-06-13T14:03:50.8217690-07:00","container_config":{"Hostname":"h","User":"","Memory":0,"PortSpecs":null,"Tty":false,)"
    R"("Env":["A=1"],"Cmd":["/bin/sh","-c","echo x > /y"],"Dns":null,"Image":"base","Volumes":{"/data":{}},"VolumesFrom":"",)"
    R"("Entrypoint":null},"docker_version":"0.6.4","author":"J\u00f6 <j@x>","config":null,"architecture":"x86_64","Size":5})"
    "\n";

TEST(ConfigFromV1, RewritesWhatEnginesBefore183Wrote) {
  const auto config = config_from_v1(kOld, std::vector{kEmpty}, std::vector{history_from_v1(kOld)});
  EXPECT_EQ(config.size(), 776u);
  EXPECT_EQ(id_of(config), "2b4b1127d89eff7be0968313dc512744162e29127dc80a87babae51a9f53bf4a");
}

TEST(ConfigFromV1, CarriesWhatLaterEnginesWroteVerbatim) {
  const std::string child =
      R"({"id":"2222222222222222222222222222222222222222222222222222222222222222","parent":)"
      R"("1111111111111111111111111111111111111111111111111111111111111111","created":"2015-12-01T10:00:00+00:00",)"
      R"("docker_version":"1.9.1","zeta": 1.50 ,"Big":12345678901234567890,"config":{"B": "<", "A":"\u003c"},"os":"linux","Size":0,)"
      R"("throwaway":true})";
  const auto config =
      config_from_v1(child, std::vector{kEmpty, kEmpty}, std::vector{history_from_v1(kOld), history_from_v1(child)});
  EXPECT_EQ(id_of(config), "d5414934bf62c2961952de7f7f7039aaeb2d47281fd685ac4c01bc4355bef722") << config;
}

struct VersionCase {
  const char* version;
  bool rewritten;
};
class EngineVersion : public testing::TestWithParam<VersionCase> {};
TEST_P(EngineVersion, DecidesWhetherUnknownKeysSurvive) {
  const auto config =
      config_from_v1(R"({"docker_version":")" + std::string(GetParam().version) + R"(","odd":1})", {}, {});
  EXPECT_EQ(config.find("\"odd\"") == std::string::npos, GetParam().rewritten) << config;
}
INSTANTIATE_TEST_SUITE_P(, EngineVersion,
                         testing::Values(VersionCase{"", true}, VersionCase{"0.7.6", true}, VersionCase{"1.8.2", true},
                                         VersionCase{"1.8", true}, VersionCase{"3-dev", true},
                                         VersionCase{"1.8.3-dev", true}, VersionCase{"dev", true},
                                         VersionCase{"-1.9", true}, VersionCase{"1.8.3", false},
                                         VersionCase{"1.8.3.0", false}, VersionCase{"1.9.0-dev", false},
                                         VersionCase{"1.10", false}, VersionCase{"+2", false},
                                         VersionCase{"99999999999999999999", false},
                                         VersionCase{"-99999999999999999999", true}));

TEST(HistoryFromV1, JoinsTheCommandAndLeavesOutWhatIsEmpty) {
  EXPECT_EQ(history_from_v1("{}"), R"({"created":"0001-01-01T00:00:00Z"})");
  EXPECT_EQ(history_from_v1(R"({"container_config":{"Cmd":"echo <"},"author":"me"})", true),
            R"({"created":"0001-01-01T00:00:00Z","author":"me","created_by":"echo \u003c","empty_layer":true})");
  EXPECT_EQ(history_from_v1(R"({"container_config":{"Cmd":[]},"comment":"c"})"),
            R"({"created":"0001-01-01T00:00:00Z","comment":"c"})");
}

class BadImage : public testing::TestWithParam<const char*> {};
TEST_P(BadImage, IsRefusedAsDamaged) {
  for (const auto& call : {+[](const std::string& json) { history_from_v1(json); },
                           +[](const std::string& json) { config_from_v1(json, {}, {}); }}) {
    try {
      call(GetParam());
      ADD_FAILURE() << "was accepted: " << GetParam();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(, BadImage,
                         testing::Values("", "{", "[]", R"({"config":{"Tty":"yes"}})", R"({"Size":1.5})",
                                         R"({"created":"yesterday"})", R"({"container_config":{"Env":"A=1"}})",
                                         R"({"id":1})"));

TEST(ParentFromV1, TakesThePlainFieldOrTheHexOfTheStrongOne) {
  EXPECT_EQ(parent_from_v1(R"({"Parent":"abc"})"), "abc");
  EXPECT_EQ(parent_from_v1(R"({"parent":"abc","parent_id":"sha256:def"})"), "abc");
  EXPECT_EQ(parent_from_v1(R"({"parent":"","parent_id":"sha256:def"})"), "def");
  EXPECT_EQ(parent_from_v1(R"({"parent":null})"), "");
  EXPECT_THROW(parent_from_v1(R"({"parent":1})"), Error);
  EXPECT_THROW(parent_from_v1(R"({"parent_id":"def"})"), Error);
}

TEST(ContainerV2, ChangesTheImageOnlyAndSortsKeys) {
  const ImageId image(Digest::of("x"));
  EXPECT_EQ(container_v2_from_v1(R"({"State":{"Pid": 0}, "Image":"abc","Driver":"aufs","Name":"/<a>"})", image),
            R"({"Driver":"aufs","Image":")" + image.str() + R"(","Name":"/\u003ca\u003e","State":{"Pid":0}})");
  EXPECT_EQ(container_v2_from_v1(R"({"Image":"abc","Driver":"aufs"})", image, "overlay2"),
            R"({"Driver":"overlay2","Image":")" + image.str() + R"("})");
}

TEST(ContainerV2, WithoutAnImageIsRefused) {
  const ImageId image(Digest::of("x"));
  for (const char* text : {"{}", R"({"image":"abc"})", R"({"Image":null})", R"({"Image":1})", "[]", "{"})
    EXPECT_THROW(container_v2_from_v1(text, image), Error) << text;
}

TEST(StrongConfig, IsWhatDocker19MadeOfTheSameImages) {
  const Pair strong = images_of_1_9(), plain = images_of_1_8();
  const std::string base =
      strong_config_from_v1(plain.base, "sha256:55dc925c23d1ed82551fd018c27ac3ee731377b6bad3963a2a4e76e753d70e57", "");
  EXPECT_EQ(base, strong.base);
  EXPECT_EQ(
      strong_config_from_v1(plain.child, "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
                            "sha256:" + id_of(base)),
      strong.child);
}

}  // namespace
}  // namespace cairn
