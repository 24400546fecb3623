#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/report/html.h"
#include "cli/report/layer_graph.h"
#include "cli/report/migrated_forest.h"
#include "cli/report/page.h"

namespace cairn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

MigratedLayer layer(const std::string& id, const std::string& parent, int64_t size = 100) {
  MigratedLayer out;
  out.source_id = id, out.parent = parent, out.size = size, out.status = "migrated", out.method = "kept";
  return out;
}
MigratedImage image(const std::string& top, const std::vector<std::string>& tags) {
  return {"image-" + top, "sha256:" + top, tags, "migrated", "", top};
}

// base - middle - app:1, and on base: other:1 (with a tag twice), and base:1 itself.
MigrationReport small_report() {
  MigrationReport report;
  report.layers = {layer("base", "", 1000), layer("middle", "base"), layer("app", "middle", 10),
                   layer("other", "base", 1)};
  report.images = {image("base", {"base:1"}), image("middle", {}), image("app", {"app:1"}),
                   image("other", {"other:1", "o:1"})};
  return report;
}

std::vector<std::string> ids(const LayerRun& run) {
  std::vector<std::string> out;
  for (const auto* one : run.layers) out.push_back(one->id);
  return out;
}

TEST(LayerForest, LayersWithNothingBetweenThemAreOne) {
  const auto report = small_report();
  const auto forest = layer_forest(report);
  ASSERT_EQ(forest.runs.size(), 3u);
  EXPECT_THAT(ids(forest.runs[0]), ElementsAre("base"));
  EXPECT_THAT(ids(forest.runs[1]), ElementsAre("middle", "app"));
  EXPECT_THAT(ids(forest.runs[2]), ElementsAre("other"));
  EXPECT_EQ(forest.runs[1].bytes, 110u);
  EXPECT_EQ(forest.runs[1].bytes_below, 1000u);
  EXPECT_EQ(forest.depth, 2u);
}

TEST(LayerForest, ALayerIsAsTallAsTheImagesThatShareIt) {
  const auto report = small_report();
  const auto forest = layer_forest(report);
  EXPECT_EQ(forest.rows, 3u);
  EXPECT_EQ(forest.runs[0].rows, 3u);
  EXPECT_EQ(forest.runs[0].row, 0u);
  EXPECT_EQ(forest.runs[1].row, 1u);
  EXPECT_EQ(forest.runs[2].row, 2u);
}

TEST(LayerForest, ImagesOfTheSameLayersHaveARowEach) {
  MigrationReport report;
  report.layers = {layer("a", "")};
  report.images = {
      image("a", {"x:1"}), image("a", {"y:1"}), image("gone", {"z:1"}), {"none", "", {}, "migrated", "", ""}};
  const auto forest = layer_forest(report);
  EXPECT_EQ(forest.rows, 2u);
  EXPECT_EQ(forest.runs[0].images.size(), 2u);
  EXPECT_EQ(forest.without_layers.size(), 2u);
}

TEST(LayerForest, TreesGoByTheirFirstName) {
  MigrationReport report;
  report.layers = {layer("a", ""), layer("b", ""), layer("c", ""), layer("d", "b"), layer("e", "b")};
  report.images = {image("a", {"m:1"}), image("c", {}), image("d", {"z:1"}), image("e", {"b:1"})};
  std::vector<std::string> order;
  for (const auto& run : layer_forest(report).runs) order.push_back(run.layers.back()->id);
  EXPECT_THAT(order, ElementsAre("b", "e", "d", "a", "c"));
}

TEST(LayerForest, CirclesAndDeepChainsEnd) {
  MigrationReport report;
  report.layers = {layer("a", "b"), layer("b", "a"), layer("self", "self")};
  EXPECT_EQ(layer_forest(report).rows, 2u);
  report.layers.clear();
  for (int i = 0; i < 20000; ++i) {
    report.layers.push_back(layer(std::to_string(i), i == 0 ? "" : std::to_string(i - 1)));
    report.images.push_back(image(std::to_string(i), {"t:" + std::to_string(i)}));
  }
  const auto forest = layer_forest(report);
  EXPECT_EQ(forest.depth, 20000u);
  EXPECT_LT(layer_graph(forest).size(), 4u << 20);
}

TEST(LayerGraph, ManyImagesComeInPartsThatFold) {
  MigrationReport report;
  for (int i = 0; i < 500; ++i) {
    const std::string id = std::to_string(i);
    report.layers.push_back(layer("l" + id, i % 5 == 0 ? "" : "l" + std::to_string(i / 5 * 5)));
    report.images.push_back(image("l" + id, {"many/image:" + id}));
  }
  const std::string graph = layer_graph(layer_forest(report));
  size_t parts = 0;
  for (size_t at = 0; (at = graph.find("<details", at)) != std::string::npos; ++at) ++parts;
  EXPECT_GE(parts, 500u / 60);
  EXPECT_LE(parts, 500u / 50 + 1);
  for (int i = 0; i < 500; ++i) EXPECT_THAT(graph, HasSubstr(">many/image:" + std::to_string(i) + "<"));
  EXPECT_LT(graph.size(), 1u << 20);
  EXPECT_THAT(layer_graph(layer_forest(small_report())), Not(HasSubstr("<details")));
}

TEST(Html, EscapesMarkupControlBytesAndWhatReordersText) {
  EXPECT_EQ(html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(html("a\nb\xff"), "a\\x0ab\\xff");
  EXPECT_EQ(html("a\u202eb\u2066c"), "a\\u202eb\\u2066c");
  EXPECT_EQ(html("naïve – 水"), "naïve – 水");
}

TEST(Html, ShortensTheMiddle) {
  EXPECT_EQ(shortened("abcdefghij", 10), "abcdefghij");
  EXPECT_EQ(shortened("abcdefghij", 5), "ab…ij");
  EXPECT_EQ(shortened("ääääääää", 5), "ää…ää");
  EXPECT_EQ(shortened("äbcd", 3), "ä…d");
  EXPECT_EQ(shortened("äbcd", 2), "…d");
  EXPECT_EQ(shortened("äbcd", 1), "…");
  EXPECT_EQ(shortened("äbcd", 0), "");
  EXPECT_EQ(shortened("", 0), "");
}

MigrationFrame frame() {
  return {.source = "/old/<root>",
          .source_drivers = "aufs (graph)",
          .target = "/new",
          .target_driver = "overlay2",
          .in_place = false,
          .dry_run = false,
          .verified = true,
          .started = "2026-01-02T03:04:05Z"};
}

TEST(ReportPage, NothingFromTheDiskIsMarkup) {
  const std::string evil = "<script>alert(1)</script>";
  MigrationReport report = small_report();
  report.layers.push_back(layer(evil, evil));
  report.images.push_back({evil, evil, {evil, evil}, "failed", evil, evil});
  report.containers = {{evil, evil, evil, "failed", evil}};
  report.state = {{evil, evil, "left", evil}};
  report.damage = {{evil, evil, evil}};
  MigrationFrame evil_frame = frame();
  evil_frame.source = evil_frame.target = evil_frame.source_drivers = evil_frame.target_driver = evil;
  EXPECT_THAT(report_page(report, evil_frame), Not(HasSubstr("<script")));
}

TEST(ReportPage, NeedsNothingElse) {
  const std::string page = report_page(small_report(), frame());
  EXPECT_THAT(page, AllOf(Not(HasSubstr("http:")), Not(HasSubstr("https:")), Not(HasSubstr("url(")),
                          Not(HasSubstr("<link")), Not(HasSubstr("<script")), Not(HasSubstr("@import"))));
}

TEST(ReportPage, SaysWhatCameOverWhatDidNotAndWhatWasChecked) {
  MigrationReport report = small_report();
  EXPECT_THAT(
      report_page(report, frame()),
      AllOf(HasSubstr("Everything came over"), HasSubstr("app:1"), HasSubstr("Every layer was read back"),
            HasSubstr("/old/&lt;root&gt;"), HasSubstr(CAIRN_VERSION), Not(HasSubstr("What did not come over"))));
  report.images[2].status = "failed", report.images[2].error = "its disk is bad";
  MigrationFrame unverified = frame();
  unverified.verified = false;
  EXPECT_THAT(report_page(report, unverified),
              AllOf(HasSubstr("1 thing did not come over"), HasSubstr("its disk is bad"),
                    HasSubstr("What did not come over"), HasSubstr("was not read back")));
}

}  // namespace
}  // namespace cairn
