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
  EXPECT_EQ(pool_table(100ull << 30, "/dev/loop1", "/dev/loop0", 128),
            (DmTarget{0, 209715200, "thin-pool", "/dev/loop1 /dev/loop0 128 32768 1 skip_block_zeroing"}));
  EXPECT_EQ(thin_table(10ull << 30, "docker-8:1-1234-pool", 1),
            (DmTarget{0, 20971520, "thin", "/dev/mapper/docker-8:1-1234-pool 1"}));
}

TEST(PoolStatusLine, IsRead) {
  const auto status = parse_pool_status("236 141/524288 1009/32768 - rw discard_passdown queue_if_no_space - 1024");
  EXPECT_EQ(status.transaction_id, 236u);
  EXPECT_EQ(status.used_metadata, 141u);
  EXPECT_EQ(status.total_data, 32768u);
  EXPECT_EQ(refuses_writes(status, 10), "");
  EXPECT_TRUE(parse_pool_status("Fail").failed);
  EXPECT_THROW(parse_pool_status("1 2 3"), Error);
  EXPECT_THROW(parse_pool_status(""), Error);
}

struct Refusal {
  const char *name, *status, *says;
};
class PoolRefuses : public testing::TestWithParam<Refusal> {};
TEST_P(PoolRefuses, BeforeDataIsLost) {
  const std::string why = refuses_writes(parse_pool_status(GetParam().status), 10);
  EXPECT_NE(why.find(GetParam().says), std::string::npos) << why;
}
INSTANTIATE_TEST_SUITE_P(
    , PoolRefuses,
    testing::Values(
        Refusal{"failed", "Fail", "failed"},
        Refusal{"needs_check", "1 1/10 1/10 - rw discard_passdown queue_if_no_space needs_check", "thin_check"},
        Refusal{"read_only", "1 1/10 1/10 - ro discard_passdown queue_if_no_space -", "read-only"},
        Refusal{"full", "1 1/10 10/10 - out_of_data_space discard_passdown queue_if_no_space -", "full"},
        Refusal{"data_scarce", "1 1/100 91/100 - rw discard_passdown queue_if_no_space -", "data space"},
        Refusal{"metadata_scarce", "1 95/100 1/100 - rw discard_passdown queue_if_no_space -", "metadata space"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace cairn::devicemapper
