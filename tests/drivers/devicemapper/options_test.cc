#include "drivers/devicemapper/options.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn::devicemapper {
namespace {

Errc code_of(const std::string& key, const std::string& value) {
  try {
    Options::parse({{{key, value}}});
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(key), std::string::npos) << e.what();
    return e.code();
  }
  return Errc::io;
}

TEST(DeviceMapperOptions, AreTheEngines) {
  const auto options = Options::parse({{{"dm.thinpooldev", "/dev/mapper/vg-pool"},
                                        {"dm.basesize", "20G"},
                                        {"dm.min_free_space", "5%"},
                                        {"dm.use_deferred_removal", "true"}}});
  EXPECT_EQ(options.thin_pool, "vg-pool");
  EXPECT_EQ(options.base_bytes, 20ull << 30);
  EXPECT_EQ(options.min_free_percent, 5u);
  EXPECT_FALSE(options.discard) << "not on a pool of one's own";
  EXPECT_TRUE(Options::parse({}).discard);
}

TEST(DeviceMapperOptions, DeferredDeletionNeedsDeferredRemoval) {
  EXPECT_TRUE(Options::parse({{{"dm.use_deferred_deletion", "true"}}}).deferred_deletion);
  EXPECT_FALSE(Options::parse({}).deferred_deletion);
  EXPECT_THROW(Options::parse({{{"dm.use_deferred_deletion", "true"}, {"dm.use_deferred_removal", "false"}}}), Error);
}

TEST(DeviceMapperOptions, MistakesAreNamed) {
  EXPECT_EQ(code_of("dm.nonsense", "1"), Errc::invalid);
  EXPECT_EQ(code_of("overlay2.size", "1"), Errc::invalid);
  EXPECT_EQ(code_of("dm.basesize", "many"), Errc::invalid);
  EXPECT_EQ(code_of("dm.min_free_space", "100%"), Errc::invalid);
  EXPECT_EQ(code_of("dm.blkdiscard", "maybe"), Errc::invalid);
  EXPECT_EQ(code_of("dm.offline", "maybe"), Errc::invalid);
  EXPECT_EQ(code_of("dm.fs", "btrfs"), Errc::unsupported);
  EXPECT_EQ(code_of("dm.blocksize", "100K"), Errc::invalid);
  EXPECT_EQ(code_of("dm.xfs_nospace_max_retries", "many"), Errc::invalid);
  EXPECT_EQ(code_of("dm.directlvm_device", "/dev/sdb"), Errc::unsupported);
}

}  // namespace
}  // namespace cairn::devicemapper
