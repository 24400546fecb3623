#include "core/migrate/survey.h"

#include <gtest/gtest.h>

#include <map>

namespace cairn {
namespace {

TEST(Survey, WhatAnotherLookFoundIsToldWithWhatBecomesOfIt) {
  const Survey survey{{{"json-empty", "a", "", "rebuilt"}, {"parent-cut", "b", "", "completed"}}, {"lost", "lost:1"}};
  std::vector<Damage> found{{"json-empty", "a", "why"},           {"json-empty", "lost", "why"},
                            {"reference-dangling", "x:1", ""},    {"reference-dangling", "lost:1", ""},
                            {"overlay2-lower-dangling", "c", ""}, {"of-no-known-kind", "d", ""}};
  add_survey(survey, found);
  std::map<std::string, std::string> repairs;
  for (const auto& one : found) repairs[one.object] = one.repair;
  EXPECT_EQ(found.size(), 7u);
  EXPECT_EQ(repairs["a"], "rebuilt");
  EXPECT_EQ(repairs["b"], "completed");
  EXPECT_EQ(repairs["lost"], "none: the image is lost, and those built on it");
  EXPECT_EQ(repairs["x:1"], "what it lacks is rebuilt; nothing is lost");
  EXPECT_EQ(repairs["lost:1"], "left out");
  EXPECT_NE(repairs["c"], "");
  EXPECT_EQ(repairs["d"], "");
}

}  // namespace
}  // namespace cairn
