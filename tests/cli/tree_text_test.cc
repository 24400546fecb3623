#include "cli/tree_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/output/table.h"
#include "cli/report/layer_graph.h"

namespace cairn {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Le;
using testing::Not;
using testing::ResultOf;

ForestLayer layer(const std::string& id, const std::string& parent, int64_t size, size_t images) {
  ForestLayer out{id, parent, size};
  out.images = images;
  out.note = std::to_string(images) + " images";
  return out;
}

// base (two names), and on it: middle - app, and other; a lone one that no image has; an image without layers.
LayerTree tree() {
  LayerTree out;
  out.root = "/root \"of\" <x>";
  out.driver = "overlay2";
  out.forest =
      layer_forest({{layer("base", "", 1'000'000, 3), layer("middle", "base", 200'000, 1),
                     layer("app", "middle", 300'000, 1), layer("other", "base", 10, 1), layer("lone", "", 5, 0)},
                    {{"sha256:1", {"base:1", "base:2"}, "base"},
                     {"sha256:2", {"registry.example.org/team/app:1", "app:2"}, "app"},
                     {"sha256:3", {}, "other"},
                     {"sha256:4", {"empty:1"}, ""}}});
  out.images = 4;
  out.shared = {1, 1'000'000};
  out.unique = {3, 500'010};
  out.loose = {1, 5};
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

TEST(TreeText, DrawsRailsSizesAndNames) {
  EXPECT_EQ(tree_text(tree(), {.width = 70}),
            "LAYER           SIZE   IMAGES   NAME\n"
            "base             1MB        3   base:1, base:2\n"
            "├─ 2 layers    500kB        1   registry.example.org/team/app:1, app:2\n"
            "└─ other         10B        1   <none> sha256:3\n"
            "lone              5B        0   no image\n"
            "no layers         0B            empty:1\n"
            "\n"
            "4 images, 5 layers, 1.5MB: 1MB shared, 500kB in one image only, 5B in none\n");
}

TEST(TreeText, AllShowsEachLayerWithoutIndentingIt) {
  const auto lines = lines_of(tree_text(tree(), {.all = true, .width = 70}));
  EXPECT_THAT(lines[2], testing::StartsWith("├─ middle"));
  EXPECT_THAT(lines[3], testing::StartsWith("│  app"));
}

TEST(TreeText, FitsAndHasBarsWhereThereIsRoom) {
  for (const unsigned width : {40u, 60u, 80u, 120u}) {
    auto lines = lines_of(tree_text(tree(), {.width = width}));
    lines.pop_back();  // the summary wraps by itself
    EXPECT_THAT(lines, Each(ResultOf(display_width, Le(width)))) << width;
  }
  EXPECT_THAT(tree_text(tree(), {.width = 60}), HasSubstr("registry.exa…"));
  EXPECT_THAT(tree_text(tree(), {.width = 60}), HasSubstr("app:1 +1"));
  EXPECT_THAT(tree_text(tree(), {.width = 80}), HasSubstr("████████"));
  EXPECT_THAT(tree_text(tree(), {}), HasSubstr("████████████████        3   base:1, base:2"));
}

TEST(TreeText, ColoursOnlyIfAsked) {
  EXPECT_THAT(tree_text(tree(), {}), Not(HasSubstr("\033")));
  EXPECT_THAT(tree_text(tree(), {.colour = true}), HasSubstr("\033[1mbase:1, base:2\033[0m"));
}

TEST(TreeText, DeepTreesStayReadable) {
  LayerTree deep;
  ForestContent content;
  for (int i = 0; i < 3000; ++i) {
    const std::string id = "l" + std::to_string(i);
    content.layers.push_back(layer(id, i == 0 ? "" : "l" + std::to_string(i - 1), 1, 1));
    content.images.push_back({id, {id + ":1"}, id});
  }
  deep.forest = layer_forest(std::move(content));
  EXPECT_LT(tree_text(deep, {}).size(), 3000u * 400);
  // Rails that fill the column leave no room for what is beside them, and move nothing.
  const auto lines = lines_of(tree_text(deep, {.width = 80}));
  EXPECT_THAT(std::span(lines).first(3000), Each(ResultOf(display_width, Le(80u))));
}

TEST(TreeDot, QuotesEverything) {
  const std::string dot = tree_dot(tree(), false);
  EXPECT_THAT(dot, HasSubstr("label=\"Layers of /root \\\"of\\\" <x>\\n"));
  EXPECT_THAT(dot, HasSubstr("\"n0\" -> \"n1\";"));
  EXPECT_THAT(dot, HasSubstr("label=\"2 layers\\n500kB\\n1 images\""));
  EXPECT_THAT(tree_dot(tree(), true), HasSubstr("label=\"middle\\n200kB"));
}

TEST(LayerPicture, StandsAloneInLightAndDark) {
  const auto one = tree();
  const std::string svg = layer_picture(one.forest, "Layers of " + one.root, summary(one));
  EXPECT_THAT(svg, HasSubstr("<svg xmlns="));
  EXPECT_THAT(svg, HasSubstr("/root &quot;of&quot; &lt;x&gt;"));
  EXPECT_THAT(svg, HasSubstr("Without layers: empty:1"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(svg, Not(HasSubstr("var(--")));
  EXPECT_THAT(svg, Not(HasSubstr("<div")));
}

}  // namespace
}  // namespace cairn
