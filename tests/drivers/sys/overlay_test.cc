#include "drivers/sys/overlay.h"

#include <gtest/gtest.h>

#include "core/util/error.h"
#include "drivers/sys/mount_table.h"

namespace cairn {

namespace {

struct SpecCase {
  const char* name;
  std::string home;
  OverlayLayers layers;
  std::vector<std::string> options;
  std::string data, directory;
};
std::ostream& operator<<(std::ostream& out, const SpecCase& one) { return out << one.name; }

class OverlaySpec : public testing::TestWithParam<SpecCase> {};

}  // namespace

TEST_P(OverlaySpec, Composes) {
  const auto& c = GetParam();
  const MountSpec spec = overlay_spec(c.home, c.layers, c.options, "/target", 4096);
  EXPECT_EQ(spec.type, "overlay");
  EXPECT_EQ(spec.source, "overlay");
  EXPECT_EQ(spec.target, "/target");
  EXPECT_EQ(spec.flags, 0u);
  EXPECT_EQ(spec.data, c.data);
  EXPECT_EQ(spec.directory, c.directory);
}

INSTANTIATE_TEST_SUITE_P(
    , OverlaySpec,
    testing::Values(
        SpecCase{"read_only_has_no_upper", "/h", {{"b", "a"}, "", ""}, {}, "lowerdir=/h/b:/h/a", ""},
        SpecCase{"writable",
                 "/h",
                 {{"l/A"}, "t/diff", "t/work"},
                 {"index=off"},
                 "index=off,lowerdir=/h/l/A,upperdir=/h/t/diff,workdir=/h/t/work",
                 ""},
        SpecCase{"colon_in_the_home_makes_it_relative", "/h:x", {{"b", "a"}, "", ""}, {}, "lowerdir=b:a", "/h:x"},
        SpecCase{"comma_in_the_home_makes_it_relative",
                 "/h,x",
                 {{"b"}, "u", "w"},
                 {"o"},
                 "o,lowerdir=b,upperdir=u,workdir=w",
                 "/h,x"},
        SpecCase{"backslash_in_the_home_makes_it_relative", "/h\\", {{"b", "a"}, "", ""}, {}, "lowerdir=b:a", "/h\\"},
        SpecCase{"blanks_need_nothing", "/h x\ny", {{"b", "a"}, "", ""}, {}, "lowerdir=/h x\ny/b:/h x\ny/a", ""}),
    [](const auto& test) { return std::string(test.param.name); });

static OverlayLayers engine_layers(size_t lowers) {
  OverlayLayers layers;
  for (size_t i = 0; i < lowers; ++i) layers.lowers.push_back("l/ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  layers.upper = std::string(64, 'a') + "/diff";
  layers.work = std::string(64, 'a') + "/work";
  return layers;
}

// The engine's own figures for /var/lib/docker: 225 + 54 bytes a lower, so 71 of them; relative with 128 needs 3887.
TEST(OverlayOptions, AreAbsoluteAsLongAsTheyFitIntoAPage) {
  const auto of = [](size_t lowers) {
    return overlay_spec("/var/lib/docker/overlay2", engine_layers(lowers), {"index=off"}, "/t", 4096);
  };
  EXPECT_EQ(of(71).data.size(), 225u + 54 * 71);
  EXPECT_TRUE(of(71).directory.empty());
  EXPECT_EQ(of(72).directory, "/var/lib/docker/overlay2");
  EXPECT_LT(of(128).data.size(), 3900u);
}

TEST(OverlayOptions, ThatFitInNoFormAreRefusedAndSayWhatWorks) {
  try {
    overlay_spec("/h", engine_layers(140), {}, "/t", 4096);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unsupported);
    EXPECT_NE(std::string(e.what()).find("export"), std::string::npos);
  }
}

TEST(OverlayOptions, ALayerNameThatWouldSplitThemIsRefused) {
  EXPECT_THROW(overlay_spec("/h", {{"l/a:b", "c"}, "", ""}, {}, "/t", 4096), Error);
}

namespace {
struct OptionsCase {
  const char* name;
  OverlayParameters parameters;
  Access access;
  std::vector<std::string> want;
};
std::ostream& operator<<(std::ostream& out, const OptionsCase& one) { return out << one.name; }
class OverlayOptionsFor : public testing::TestWithParam<OptionsCase> {};
}  // namespace

TEST_P(OverlayOptionsFor, Kernel) {
  EXPECT_EQ(overlay_options(GetParam().parameters, GetParam().access), GetParam().want);
}

using Strings = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(
    , OverlayOptionsFor,
    testing::Values(
        OptionsCase{"linux_4_9", {}, Access::read_only, {}},
        OptionsCase{
            "linux_4_13_read_only", {'N', 'N', 0, 0}, Access::read_only, Strings{"index=off", "redirect_dir=on"}},
        OptionsCase{"linux_4_13_writable", {'N', 'N', 0, 0}, Access::read_write, Strings{"index=off"}},
        OptionsCase{"today_read_only", {'N', 'N', 'Y', 'N'}, Access::read_only, Strings{"index=off", "metacopy=on"}},
        OptionsCase{"today_writable", {'N', 'N', 'Y', 'N'}, Access::read_write, Strings{"index=off"}},
        OptionsCase{"not_following_by_default",
                    {'Y', 'N', 'N', 'N'},
                    Access::read_write,
                    Strings{"index=off", "redirect_dir=follow"}},
        OptionsCase{"redirecting_by_default", {'Y', 'Y', 'N', 'Y'}, Access::read_write, Strings{"index=off"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(OverlayBranches, AreReadBackFromMountinfo) {
  EXPECT_EQ(overlay_branches("rw,lowerdir=/a:/b,upperdir=/c,workdir=/d"), (Strings{"/a", "/b", "/c"}));
  EXPECT_EQ(overlay_branches("rw,lowerdir=/a\\:x:/b\\,y,upperdir=/c\\\\z"), (Strings{"/a:x", "/b,y", "/c\\z"}));
  EXPECT_EQ(overlay_branches("rw,lowerdir+=/a,lowerdir+=/b"), (Strings{"/a", "/b"}));
  EXPECT_EQ(overlay_branches("rw,index=off"), Strings{});
}

}  // namespace cairn
