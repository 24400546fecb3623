#include "cli/driver_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/exit.h"

namespace cairn {

struct ChoiceCase {
  const char* name;
  std::string flag, environment;
  std::vector<HeldDriver> held;
  std::string want;
};
class ChooseDriver : public testing::TestWithParam<ChoiceCase> {};

TEST_P(ChooseDriver, ByTheRules) {
  const auto& c = GetParam();
  EXPECT_EQ(choose_driver(c.flag, c.environment, c.held, [] { return "best"; }), c.want);
}

const HeldDriver kFull{"overlay2", 3, 5, 0}, kOther{"vfs", 1, 1, 0}, kEmpty{"aufs", 0, 0, 0};

INSTANTIATE_TEST_SUITE_P(
    , ChooseDriver,
    testing::Values(ChoiceCase{"flag_wins", "vfs", "aufs", {kFull}, "vfs"},
                    ChoiceCase{"flag_wins_over_several", "vfs", "", {kFull, kOther}, "vfs"},
                    ChoiceCase{"the_one_held_before_the_environment", "", "vfs", {kFull}, "overlay2"},
                    ChoiceCase{"what_is_empty_does_not_count", "", "", {kEmpty, kFull}, "overlay2"},
                    ChoiceCase{"environment_names_one_of_several", "", "vfs", {kFull, kOther}, "vfs"},
                    ChoiceCase{"environment_for_a_new_root", "", "vfs", {}, "vfs"},
                    ChoiceCase{"an_empty_world_is_better_than_a_guess", "", "", {kEmpty}, "aufs"},
                    ChoiceCase{"best_for_a_new_root", "", "", {}, "best"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ChooseNoDriver, ListsSeveralWithTheirImageCounts) {
  for (const char* environment : {"", "aufs"}) {
    try {
      choose_driver("", environment, {kFull, kOther, kEmpty}, [] { return ""; });
      FAIL() << "chose one";
    } catch (const UserError& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("overlay2 (3 images), vfs (1 image); name one with --storage-driver"));
    }
  }
}

}  // namespace cairn
