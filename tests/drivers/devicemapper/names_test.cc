#include "drivers/devicemapper/names.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "core/util/error.h"

namespace cairn::devicemapper {
namespace {

TEST(Names, AreTheEngines) {
  struct stat home {};
  home.st_dev = makedev(8, 1);
  home.st_ino = 1234;
  const std::string prefix = device_prefix(home);
  EXPECT_EQ(prefix, "docker-8:1-1234");
  EXPECT_EQ(device_name(prefix, ""), "docker-8:1-1234-base");
  EXPECT_EQ(device_name(prefix, "abc"), "docker-8:1-1234-abc");
}

TEST(Tables, AreTheEngines) {
  EXPECT_EQ(
      pool_table(100ull << 30, "/dev/loop1", "/dev/loop0", 128),
      (DmTarget{0, 209715200, "thin-pool", "/dev/loop1 /dev/loop0 128 32768 2 skip_block_zeroing error_if_no_space"}));
  EXPECT_EQ(thin_table(10ull << 30, "/dev/dm-3", 1), (DmTarget{0, 20971520, "thin", "/dev/dm-3 1"}));
}

TEST(Uuids, TellOwnDevicesFromOthers) {
  const std::string name = device_name("docker-8:1-1234", std::string(64, 'a'));
  DmInfo info;
  EXPECT_FALSE(is_own(info));
  info.uuid = own_uuid(name);
  EXPECT_TRUE(is_own(info));
  EXPECT_LE(info.uuid.size(), name.size()) << "the kernel takes as many characters for both";
  EXPECT_NE(own_uuid(name), own_uuid(name + "b"));
}

TEST(PoolTables, AreRead) {
  const auto table = parse_pool_table({{0, 100, "thin-pool", "7:1 7:0 128 32768 1 skip_block_zeroing"}});
  EXPECT_EQ(table.metadata_device, "7:1");
  EXPECT_EQ(table.data_device, "7:0");
  EXPECT_EQ(table.block_bytes, 65536u);
  EXPECT_THROW(parse_pool_table({{0, 100, "linear", "7:1 0"}}), Error);
  EXPECT_THROW(parse_pool_table({}), Error);
}

TEST(PoolStatusLine, IsRead) {
  const auto status = parse_pool_status("236 141/524288 1009/32768 - rw discard_passdown queue_if_no_space - 1024");
  EXPECT_EQ(status.transaction_id, 236u);
  EXPECT_EQ(status.used_metadata, 141u);
  EXPECT_EQ(status.total_data, 32768u);
  EXPECT_FALSE(refuses_changes(status));
  EXPECT_FALSE(refuses_more(status, 10));
  EXPECT_TRUE(parse_pool_status("Fail").failed);
  EXPECT_THROW(parse_pool_status("1 2 3"), Error);
  EXPECT_THROW(parse_pool_status(""), Error);
}

struct Case {
  const char *name, *status;
  bool changes;  // removals are refused as well
  Errc code;
  const char* says;
};
class PoolRefuses : public testing::TestWithParam<Case> {};
TEST_P(PoolRefuses, BeforeDataIsLost) {
  const auto status = parse_pool_status(GetParam().status);
  EXPECT_EQ(refuses_changes(status).has_value(), GetParam().changes);
  const auto refusal = refuses_more(status, 10);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, GetParam().code);
  EXPECT_NE(refusal->why.find(GetParam().says), std::string::npos) << refusal->why;
}
INSTANTIATE_TEST_SUITE_P(
    , PoolRefuses,
    testing::Values(
        Case{"failed", "Fail", true, Errc::corrupt, "thin_check"},
        Case{"needs_check", "1 1/10 1/10 - rw discard_passdown queue_if_no_space needs_check", true, Errc::corrupt,
             "lvconvert --repair"},
        Case{"read_only", "1 1/10 1/10 - ro discard_passdown queue_if_no_space -", true, Errc::corrupt, "read-only"},
        Case{"out_of_metadata", "1 10/10 1/10 - ro discard_passdown queue_if_no_space -", true, Errc::no_space,
             "poolmetadatasize"},
        Case{"full", "1 1/10 10/10 - out_of_data_space discard_passdown queue_if_no_space -", false, Errc::no_space,
             "full"},
        Case{"data_scarce", "1 1/100 91/100 - rw discard_passdown queue_if_no_space -", false, Errc::no_space,
             "data space"},
        Case{"tiny", "1 1/100 5/5 - rw discard_passdown queue_if_no_space -", false, Errc::no_space, "data space"},
        Case{"metadata_scarce", "1 95/100 1/100 - rw discard_passdown queue_if_no_space -", false, Errc::no_space,
             "metadata space"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace cairn::devicemapper
