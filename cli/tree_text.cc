#include "cli/tree_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/report/html.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr size_t kDeepest = 40;  // levels that are indented

struct Style {
  const char *start, *stop;
};
constexpr Style kQuiet{"\033[2m", "\033[0m"}, kName{"\033[1m", "\033[0m"}, kShared{"\033[36m", "\033[0m"},
    kHead{"\033[1;2m", "\033[0m"}, kPlain{"", ""};

struct Line {
  std::string rails, layer, size, images, name;
  uint64_t bytes = 0;
  bool shared = false, unnamed = false;
};

std::string name_of(const ForestImage& image) {
  if (image.tags.empty()) return "<none> " + short_id(image.id);
  std::string out;
  for (const auto& tag : image.tags) out += (out.empty() ? "" : ", ") + printable(tag);
  return out;
}

// Of each run whether another one follows on the same layers: then a rail goes on beside what lies on it.
std::vector<bool> followed_runs(const LayerForest& forest) {
  std::vector<bool> out(forest.runs.size());
  std::vector<bool> seen;  // by depth: there was a run, and none below it since
  for (size_t i = forest.runs.size(); i-- > 0;) {
    const size_t depth = forest.runs[i].depth;
    seen.resize(std::max(seen.size(), depth + 1));
    out[i] = seen[depth];
    seen.resize(depth + 1);
    seen[depth] = true;
  }
  return out;
}

class Lines {
 public:
  Lines(const LayerForest& forest, bool all) : forest_(forest), all_(all), followed_(followed_runs(forest)) {}

  std::vector<Line> take() {
    for (size_t i = 0; i < forest_.runs.size(); ++i) add(i);
    for (const auto* image : forest_.without_layers)
      out_.push_back({"", "no layers", human_size(uint64_t{0}), "", name_of(*image), 0, false, image->tags.empty()});
    return std::move(out_);
  }

 private:
  void add(size_t index) {
    const LayerRun& run = forest_.runs[index];
    const bool is_root = run.depth == 0,
               has_more = index + 1 < forest_.runs.size() && forest_.runs[index + 1].depth > run.depth;
    rails_.resize(std::min(run.depth, kDeepest));
    std::string before;
    for (size_t depth = 1; depth < rails_.size(); ++depth) before += rails_[depth];
    const std::string first = is_root ? "" : followed_[index] ? "├─ " : "└─ ";
    const std::string rest = is_root ? "" : followed_[index] ? "│  " : "   ";
    rails_.push_back(rest);
    const size_t begin = out_.size();
    if (all_ || run.layers.size() == 1) {
      for (const auto* layer : run.layers)
        push(run, before + (out_.size() == begin ? first : rest), short_id(layer->id),
             static_cast<uint64_t>(std::max<int64_t>(layer->size, 0)));
    } else {
      push(run, before + first, fmt::format("{} layers", run.layers.size()), run.bytes);
    }
    add_names(run, before + rest + (has_more ? "│" : ""));
  }

  void push(const LayerRun& run, std::string rails, std::string layer, uint64_t bytes) {
    const size_t images = run.layers.front()->images;
    out_.push_back(
        {std::move(rails), std::move(layer), human_size(bytes), std::to_string(images), "", bytes, images > 1, false});
  }

  // At the uppermost layer; those that do not find room there below it.
  void add_names(const LayerRun& run, const std::string& rails) {
    for (size_t i = 0; i < run.images.size(); ++i) {
      if (i > 0) out_.push_back({rails, "", "", "", "", 0, false, false});
      out_.back().name = name_of(*run.images[i]);
      out_.back().unnamed = run.images[i]->tags.empty();
    }
    if (run.layers.front()->images == 0 && run.images.empty())
      out_.back().name = "no image", out_.back().unnamed = true;
  }

  const LayerForest& forest_;
  const bool all_;
  const std::vector<bool> followed_;
  std::vector<std::string> rails_;  // by depth
  std::vector<Line> out_;
};

// Eighths of a character, as long as the layer is large.
std::string bar_of(uint64_t bytes, uint64_t largest, size_t width) {
  static constexpr const char* parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (bytes == 0 || largest == 0) return "";
  const auto eighths =
      static_cast<size_t>(static_cast<double>(bytes) / static_cast<double>(largest) * static_cast<double>(8 * width));
  std::string out;
  for (size_t i = 0; i < eighths / 8; ++i) out += "█";
  out += parts[eighths % 8];
  return out.empty() ? parts[1] : out;
}

class Painter {
 public:
  Painter(const std::vector<Line>& lines, const TextLook& look) : look_(look) {
    for (const auto& line : lines) {
      layer_ = std::max(layer_, display_width(line.rails) + display_width(line.layer));
      size_ = std::max(size_, display_width(line.size));
      largest_ = std::max(largest_, line.bytes);
    }
    bar_ = look.width == 0 || look.width >= 110 ? 16 : look.width >= 76 ? 8 : 0;
    if (look.width > 0) layer_ = std::min<size_t>(layer_, std::max<size_t>(look.width / 2, 20));
    const size_t used = layer_ + 3 + size_ + (bar_ > 0 ? bar_ + 1 : 0) + 3 + images_ + 3;
    name_ = look.width == 0 ? std::string::npos : std::max<size_t>(look.width > used ? look.width - used : 0, 8);
  }

  std::string head() const {
    return paint(kHead, left("LAYER", layer_) + "   " + right("SIZE", size_) +
                            (bar_ > 0 ? std::string(bar_ + 1, ' ') : "") + "   " + right("IMAGES", images_) +
                            "   NAME") +
           "\n";
  }
  std::string paint(const Line& line) const {
    const size_t rails = display_width(line.rails);
    std::string out = paint(kQuiet, ellipsis(line.rails, layer_));
    out += left(ellipsis(line.layer, layer_ - std::min(rails, layer_)), layer_ - std::min(rails, layer_)) + "   " +
           right(line.size, size_);
    if (bar_ > 0) out += " " + paint(line.shared ? kShared : kQuiet, left(bar_of(line.bytes, largest_, bar_), bar_));
    out += "   " + paint(line.shared ? kShared : kPlain, right(line.images, images_));
    if (!line.name.empty()) out += "   " + paint(line.unnamed ? kQuiet : kName, fitted(line.name, name_));
    return trimmed(out) + "\n";
  }
  std::string paint(const Style& style, const std::string& text) const {
    return look_.colour && text.find_first_not_of(' ') != text.npos ? style.start + text + style.stop : text;
  }

 private:
  static std::string left(const std::string& text, size_t width) {
    return text + std::string(width - std::min(width, display_width(text)), ' ');
  }
  static std::string right(const std::string& text, size_t width) {
    return std::string(width - std::min(width, display_width(text)), ' ') + text;
  }
  // Of several names the first and how many more; registries begin alike, so the middle goes.
  static std::string fitted(const std::string& name, size_t width) {
    if (display_width(name) <= width) return name;
    const auto more = std::count(name.begin(), name.end(), ',');
    const std::string tail = more > 0 ? fmt::format(" +{}", more) : "";
    return shortened(name.substr(0, name.find(',')), width - std::min(width, tail.size())) + tail;
  }
  static std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

  const TextLook& look_;
  size_t layer_ = 12, size_ = 4, name_ = 0, bar_ = 0;
  const size_t images_ = 6;
  uint64_t largest_ = 0;
};

// A string of Graphviz's language, in which a backslash begins an escape.
std::string dot_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string tree_text(const LayerTree& tree, const TextLook& look) {
  const auto lines = Lines(tree.forest, look.all).take();
  const Painter painter(lines, look);
  std::string out;
  if (!lines.empty()) out = painter.head();
  for (const auto& line : lines) out += painter.paint(line);
  return out + (lines.empty() ? "" : "\n") + painter.paint(kQuiet, summary(tree)) + "\n";
}

std::string tree_dot(const LayerTree& tree, bool all) {
  std::string out = fmt::format(
      "digraph {} {{\n  graph [label={}, labelloc=\"t\", rankdir=\"LR\", fontname=\"sans-serif\"];\n"
      "  node [shape=\"box\", style=\"rounded,filled\", fillcolor=\"#e4efec\", color=\"#418f89\", "
      "fontname=\"sans-serif\"];\n"
      "  edge [color=\"#716b60\", arrowhead=\"none\"];\n",
      dot_string("layers"), dot_string("Layers of " + printable(tree.root) + "\n" + summary(tree)));
  size_t nodes = 0;
  std::vector<size_t> path;  // the last node of the run at each depth
  const auto node = [&](const std::string& attributes, std::optional<size_t> below) {
    out += fmt::format("  \"n{}\" [{}];\n", nodes, attributes);
    if (below) out += fmt::format("  \"n{}\" -> \"n{}\";\n", *below, nodes);
    return nodes++;
  };
  const auto image_node = [&](const ForestImage& image, std::optional<size_t> below) {
    std::string label;
    for (const auto& tag : image.tags) label += printable(tag) + "\n";
    node(fmt::format("label={}, shape=\"plaintext\", style=\"\"", dot_string(label + short_id(image.id))), below);
  };
  for (const auto& run : tree.forest.runs) {
    path.resize(run.depth);
    std::optional<size_t> below;
    if (!path.empty()) below = path.back();
    const size_t images = run.layers.front()->images;
    const auto add = [&](const std::string& name, uint64_t bytes) {
      below =
          node(fmt::format("label={}{}", dot_string(name + "\n" + human_size(bytes) + "\n" + run.layers.front()->note),
                           images > 1 ? ", fillcolor=\"#86c0b8\"" : ""),
               below);
    };
    if (all || run.layers.size() == 1)
      for (const auto* layer : run.layers)
        add(short_id(layer->id), static_cast<uint64_t>(std::max<int64_t>(layer->size, 0)));
    else
      add(fmt::format("{} layers", run.layers.size()), run.bytes);
    path.push_back(*below);
    for (const auto* image : run.images) image_node(*image, below);
  }
  for (const auto* image : tree.forest.without_layers) image_node(*image, std::nullopt);
  return out + "}\n";
}

}  // namespace cairn
