#include "cli/report/layer_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/report/html.h"
#include "cli/report/style.h"

namespace cairn {

namespace {

constexpr size_t kRow = 26, kLabel = 430, kWidth = 1060;
constexpr size_t kRowsOfPart = 60;   // as long as trees can be told apart
constexpr size_t kRowsOfTree = 400;  // of one picture, whatever it shows
constexpr size_t kRowsOfAll = 3000;
constexpr size_t kDeepest = 48;  // columns drawn
constexpr int kShades = 5;

struct Scale {
  size_t column, columns;
  uint64_t largest;

  size_t labels() const { return columns * column + 14; }
  size_t width() const { return std::max(kWidth, labels() + kLabel); }
  // Each shade stands for sizes ten times those of the one before.
  int shade(uint64_t bytes) const {
    int shade = kShades - 1;
    for (uint64_t at_least = largest / 10; shade > 0 && bytes < at_least; at_least /= 10) --shade;
    return bytes == 0 ? 0 : shade;
  }
};

Scale scale_of(const LayerForest& forest) {
  Scale scale{0, std::clamp<size_t>(forest.depth, 1, kDeepest), 0};
  scale.column = std::clamp<size_t>((kWidth - kLabel) / scale.columns, 54, 168);
  for (const auto& run : forest.runs) scale.largest = std::max(scale.largest, run.bytes);
  return scale;
}

bool is_bad(const LayerRun& run) {
  return std::any_of(run.layers.begin(), run.layers.end(), [](const auto* layer) { return layer->failed; });
}

std::string name_of(const LayerRun& run) {
  return run.layers.size() == 1 ? short_id(run.layers[0]->id) : fmt::format("{} layers", run.layers.size());
}

std::string tooltip(const LayerRun& run) {
  constexpr size_t most = 12;
  std::string out;
  for (size_t i = 0; i < std::min(run.layers.size(), most); ++i) {
    const ForestLayer& layer = *run.layers[i];
    out += fmt::format("{}{}  {}  {}", out.empty() ? "" : "\n", html(short_id(layer.id)),
                       human_size(std::max<int64_t>(layer.size, 0)), html(layer.note));
  }
  if (run.layers.size() > most) out += fmt::format("\nand {} more", run.layers.size() - most);
  return out + fmt::format("\n{} below", human_size(run.bytes_below));
}

std::string tags_of(const ForestImage& image) {
  if (image.tags.empty()) return "no tag";
  std::string out = image.tags[0];
  if (image.tags.size() == 2) out += ", " + image.tags[1];
  if (image.tags.size() > 2) out += fmt::format(" and {} more", image.tags.size() - 1);
  return out;
}

std::string tooltip(const ForestImage& image) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(image.tags.size(), 20); ++i) out += html(image.tags[i]) + "\n";
  return out + html(image.id) + (image.note.empty() ? "" : "\n" + html(image.note));
}

// One picture: the runs whose rows are [first, first + rows) of the forest.
class Picture {
 public:
  Picture(const Scale& scale, size_t first, size_t rows) : scale_(scale), first_(first), rows_(rows) {}

  std::string draw(std::span<const LayerRun> runs) {
    for (const auto& run : runs)
      if (run.row < first_ + rows_) draw(run);
    return std::move(out_);
  }

 private:
  size_t y_of(size_t row) const { return (row - first_) * kRow + 1; }

  void draw(const LayerRun& run) {
    const size_t rows = std::min(run.rows, first_ + rows_ - run.row);
    if (run.depth < scale_.columns) block(run, rows);
    for (size_t i = 0; i < std::min(run.images.size(), rows); ++i) label(run, *run.images[i], run.row + i);
    if (run.images.empty() && run.rows == 1) text(scale_.labels(), run.row, "quiet", "no image: a container's");
  }

  void block(const LayerRun& run, size_t rows) {
    const size_t x = run.depth * scale_.column, y = y_of(run.row), width = scale_.column - 3, height = rows * kRow - 3;
    out_ += fmt::format(
        "<g class=\"run {}\"><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>",
        is_bad(run) ? "bad" : fmt::format("s{}", scale_.shade(run.bytes)), tooltip(run), x, y, width, height);
    const std::string size = human_size(run.bytes);
    const bool wide = width > 130, tall = rows > 1;
    out_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"size\">{}</text>", x + 8, y + 16, size);
    if (tall || wide)
      out_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"id\"{}>{}</text></g>\n", tall ? x + 8 : x + width - 8,
                          tall ? y + 32 : y + 16, tall ? "" : " text-anchor=\"end\"",
                          html(shortened(name_of(run), std::max<size_t>((width - 14) / 7, 4))));
    else
      out_ += "</g>\n";
  }

  void label(const LayerRun& run, const ForestImage& image, size_t row) {
    const size_t from = (std::min(run.depth, scale_.columns - 1) + 1) * scale_.column, y = y_of(row) + 12;
    if (scale_.labels() > from + 16)
      out_ += fmt::format("<path class=\"way\" d=\"M{} {}H{}\"/>", from, y, scale_.labels() - 6);
    out_ += fmt::format("<g class=\"image{}\"><title>{}</title>", image.failed ? " bad" : "", tooltip(image));
    text(scale_.labels(), row, image.tags.empty() ? "quiet" : "tag", html(shortened(tags_of(image), 36)));
    out_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"id\" text-anchor=\"end\">{}  {:>7}</text></g>\n",
                        scale_.width() - 2, y + 4, html(short_id(image.id)), human_size(run.bytes + run.bytes_below));
  }

  void text(size_t x, size_t row, const char* style, const std::string& escaped) {
    out_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>", x, y_of(row) + 16, style, escaped);
  }

  const Scale& scale_;
  const size_t first_, rows_;
  std::string out_;
};

// Trees that fit into one picture, by their runs.
struct Part {
  size_t begin, end;  // of forest.runs
  size_t first, rows;
};

std::vector<Part> parts_of(const LayerForest& forest) {
  std::vector<Part> out;
  for (size_t i = 0; i < forest.runs.size(); ++i) {
    const LayerRun& run = forest.runs[i];
    const bool root = run.depth == 0;
    if (root && (out.empty() || out.back().rows + run.rows > kRowsOfPart)) out.push_back({i, i, run.row, 0});
    if (root) out.back().rows += run.rows;
    out.back().end = i + 1;
  }
  return out;
}

std::string summary_of(const LayerForest& forest, const Part& part) {
  size_t layers = 0, images = 0;
  uint64_t bytes = 0;
  const ForestImage* first = nullptr;
  for (size_t i = part.begin; i < part.end; ++i) {
    const LayerRun& run = forest.runs[i];
    layers += run.layers.size(), bytes += run.bytes, images += run.images.size();
    for (const auto* image : run.images)
      if (!first || (first->tags.empty() && !image->tags.empty())) first = image;
  }
  return fmt::format("{}{} <span class=\"quiet\">{} image{}, {} layer{}, {}</span>",
                     first ? html(shortened(tags_of(*first), 60)) : "Layers", images > 1 ? " …" : "", images,
                     images == 1 ? "" : "s", layers, layers == 1 ? "" : "s", human_size(bytes));
}

}  // namespace

std::string layer_graph(const LayerForest& forest) {
  const Scale scale = scale_of(forest);
  const auto parts = parts_of(forest);
  std::string out;
  size_t drawn = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const size_t rows = std::min(part.rows, kRowsOfTree);
    if (drawn + rows > kRowsOfAll) {
      out += fmt::format("<p class=\"quiet\">{} more rows are left out here; the JSON report has all.</p>\n",
                         forest.rows - drawn);
      break;
    }
    const auto runs = std::span(forest.runs).subspan(part.begin, part.end - part.begin);
    const std::string picture = fmt::format(
        "<div class=\"graph\"><svg width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" "
        "aria-label=\"Layers and the images made of them\">{2}</svg></div>\n",
        scale.width(), rows * kRow + 2, Picture(scale, part.first, rows).draw(runs));
    out += parts.size() == 1 ? picture
                             : fmt::format("<details{}><summary>{}</summary>\n{}</details>\n", i == 0 ? " open" : "",
                                           summary_of(forest, part), picture);
    if (rows < part.rows)
      out +=
          fmt::format("<p class=\"quiet\">{} more rows of this tree are left out here; the JSON report has all.</p>\n",
                      part.rows - rows);
    drawn += part.rows;
  }
  return out;
}

static std::string legend(size_t x, size_t y) {
  constexpr size_t box = 22;
  std::string out =
      fmt::format("<text x=\"{}\" y=\"{}\" class=\"lead\" text-anchor=\"end\">small</text>", x - 6, y + 10);
  for (int i = 0; i < kShades; ++i)
    out += fmt::format("<g class=\"s{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\" rx=\"3\"/></g>", i,
                       x + static_cast<size_t>(i) * (box + 3), y, box);
  return out + fmt::format("<text x=\"{}\" y=\"{}\" class=\"lead\">large, ten times from one to the next</text>\n",
                           x + kShades * (box + 3) + 4, y + 10);
}

std::string layer_picture(const LayerForest& forest, const std::string& title, const std::string& lead) {
  constexpr size_t margin = 24, head = 86;
  const Scale scale = scale_of(forest);
  const size_t width = scale.width() + 2 * margin;
  std::string names;
  for (const auto* image : forest.without_layers)
    names +=
        (names.empty() ? "Without layers: " : ", ") + (image->tags.empty() ? short_id(image->id) : tags_of(*image));
  const size_t below = head + forest.rows * kRow + 2, height = below + (names.empty() ? 0 : 30) + margin;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"graph\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "role=\"img\" aria-label=\"{2}\">\n<style>{3}</style>\n<rect class=\"page\" width=\"{0}\" height=\"{1}\"/>\n"
      "<text x=\"{4}\" y=\"38\" class=\"title\">{2}</text><text x=\"{4}\" y=\"60\" class=\"lead\">{5}</text>\n",
      width, height, html(shortened(title, 90)), picture_style(), margin, html(lead));
  out += legend(width - margin - 350, 28);
  out += fmt::format("<g transform=\"translate({} {})\">\n{}</g>\n", margin, head,
                     Picture(scale, 0, forest.rows).draw(forest.runs));
  if (!names.empty())
    out += fmt::format("<text x=\"{}\" y=\"{}\" class=\"lead\">{}</text>\n", margin, below + 22,
                       html(shortened(names, 150)));
  return out + "</svg>\n";
}

}  // namespace cairn
