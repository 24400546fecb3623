#include "cli/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/output/progress.h"
#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/report/html.h"
#include "cli/report/layer_graph.h"
#include "cli/report/migrated_forest.h"
#include "cli/report/page_table.h"
#include "cli/report/style.h"

namespace cairn {
namespace {

constexpr const char* kLogo =
    "<svg width=\"44\" height=\"48\" viewBox=\"0 0 44 48\" aria-hidden=\"true\"><g fill=\"var(--s3)\">"
    "<ellipse cx=\"22\" cy=\"41\" rx=\"21\" ry=\"6.5\"/><ellipse cx=\"23\" cy=\"28.5\" rx=\"15\" ry=\"5.5\" "
    "fill=\"var(--s2)\"/>"
    "<ellipse cx=\"21\" cy=\"17.5\" rx=\"10.5\" ry=\"5\" fill=\"var(--s4)\"/><ellipse cx=\"22.5\" cy=\"8\" rx=\"6\" "
    "ry=\"4\" "
    "fill=\"var(--s1)\"/></g></svg>";

std::string counted(uint64_t count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

template <typename Items>
size_t count_of(const Items& items, const std::string& status) {
  return static_cast<size_t>(
      std::count_if(items.begin(), items.end(), [&](const auto& one) { return one.status == status; }));
}

template <typename Items>
std::string counts(const Items& items) {
  std::map<std::string, size_t> by_status;
  for (const auto& item : items) ++by_status[item.status];
  std::string out;
  for (const auto& [status, count] : by_status)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, html(status));
  return out.empty() ? "none" : out;
}

const char* mood_of(const std::string& status) {
  return status == "failed" ? "fail" : status == "skipped" || status == "left" ? "warn" : "good";
}

Cell status_cell(const std::string& status) {
  return {fmt::format("<span class=\"{}\">{}</span>", mood_of(status), html(status)), "s"};
}
Cell id_cell(const std::string& id) {
  return {id.empty() ? "" : fmt::format("<span title=\"{}\">{}</span>", html(id), html(short_id(id))), "m"};
}
std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : "<br>") + html(name);
  return out;
}

std::string section(const std::string& heading, const std::string& lead, const std::string& body) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}{}</section>\n\n", heading,
                     lead.empty() ? "" : fmt::format("<p class=\"lead\">{}</p>\n", lead), body);
}

// --- the parts, from top to bottom --------------------------------------------------------------------------------

class Page {
 public:
  Page(const MigrationReport& report, const MigrationFrame& frame)
      : report_(report), frame_(frame), forest_(layer_forest(report)) {}

  std::string text() const {
    return fmt::format(
               "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
               "<title>{} of {}</title>\n<style>{}</style>\n</head>\n<body>\n",
               noun(), html(frame_.source), page_style()) +
           head() + "<main>\n" + tiles() + left_behind() + graph() + images() + containers() + state() + damage() +
           checks() + figures() + "</main>\n" + foot() + "</body>\n</html>\n";
  }

 private:
  const char* noun() const { return frame_.dry_run ? "Migration plan" : "Migration report"; }

  // Images, containers and state of such a status.
  size_t things(const std::string& status) const {
    return count_of(report_.images, status) + count_of(report_.containers, status) + count_of(report_.state, status);
  }

  std::string verdict() const {
    const size_t failed = things("failed"), left = things("skipped") + things("left");
    if (failed > 0) return counted(failed, "thing") + (frame_.dry_run ? " will not come over" : " did not come over");
    if (!report_.complete()) return "Damaged, but nothing is lost";
    if (left > 0) return "All well; " + counted(left, "thing") + (left == 1 ? " stays behind" : " stay behind");
    return frame_.dry_run ? "Everything will come over" : "Everything came over";
  }

  std::string head() const {
    const char* mood = things("failed") > 0 ? "fail" : report_.complete() ? "good" : "warn";
    const auto end = [](const char* what, const std::string& root, const std::string& driver) {
      return fmt::format("<div class=\"end\"><span>{}</span><b>{}</b><span>{}</span></div>", what, html(root, 4096),
                         html(driver));
    };
    return fmt::format(
        "<header>\n<div class=\"title\">{}<div><h1>{}</h1><p class=\"quiet\">{}</p></div><span class=\"pill "
        "{}\">{}</span></div>\n"
        "<div class=\"way\">{}<div class=\"arrow\" aria-label=\"to\">→</div>{}</div>\n</header>\n",
        kLogo, noun(), html(frame_.started), mood, verdict(), end("From", frame_.source, frame_.source_drivers),
        end(frame_.in_place ? "To, in place" : "To", frame_.in_place ? frame_.source : frame_.target,
            frame_.target_driver));
  }

  std::string tiles() const {
    std::string out = "<div class=\"tiles\">\n";
    const auto tile = [&](const std::string& value, const std::string& what) {
      out += fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", value, what);
    };
    const auto several = [&](size_t count, const std::string& what, const std::string& of) {
      tile(std::to_string(count), what + (count > 0 ? ": " + of : ""));
    };
    several(report_.images.size(), "images", counts(report_.images));
    several(report_.layers.size(), "layers", counts(report_.layers));
    several(report_.containers.size(), "containers", counts(report_.containers));
    several(report_.state.size(), "volumes and state", counts(report_.state));
    if (!frame_.dry_run) {
      tile(human_size(report_.bytes_hashed), "hashed");
      tile(human_size(report_.bytes_copied), "copied");
      tile(std::to_string(report_.files_linked), "files linked");
      tile(time(), "time");
    }
    return out + "</div>\n\n";
  }

  std::string left_behind() const {
    PageTable table({{"What"}, {"Name"}, {"Status"}, {"Why"}});
    const auto add = [&](const char* what, const std::string& name, const auto& item) {
      if (item.status == "failed" || item.status == "skipped" || item.status == "left")
        table.add({{what}, {name}, status_cell(item.status), {html(item.error, 1000)}});
    };
    for (const auto& image : report_.images)
      add("image", image.tags.empty() ? id_cell(image.source_id).html : joined(image.tags), image);
    for (const auto& container : report_.containers)
      add("container", html(container.name.empty() ? container.id : container.name), container);
    for (const auto& one : report_.state) add(one.kind == "volume" ? "volume" : "state", html(one.name), one);
    if (table.empty()) return "";
    return section(frame_.dry_run ? "What will not come over" : "What did not come over",
                   "Failed: it is damaged, or lies on what is. Skipped or left: it means nothing to the new store.",
                   table.text());
  }

  std::string graph() const {
    if (forest_.runs.empty()) return "";
    std::string legend = "<div class=\"legend\"><span>Size of a layer: small ";
    for (int i = 0; i < 5; ++i) legend += fmt::format("<i style=\"background:var(--s{})\"></i>", i);
    legend += "large, ten times from one to the next</span>";
    if (count_of(report_.layers, "failed") > 0) legend += "<span><i class=\"bad\"></i> did not come over</span>";
    legend += "</div>\n";
    uint64_t bytes = 0;
    for (const auto& run : forest_.runs) bytes += run.bytes;
    return section(
        "Layers and images",
        fmt::format("{}, {} in all. Each layer lies on what is to its left, and is as tall as the images that "
                    "share it. Hold the pointer over one for its ids.",
                    counted(report_.layers.size(), "layer"), human_size(bytes)),
        legend + layer_graph(forest_));
  }

  std::string images() const {
    PageTable table({{"Tags"}, {"Old id"}, {"Image ID"}, {"Status"}});
    for (const auto& image : report_.images)
      if (!image.tags.empty() || image.status == "failed")
        table.add({{joined(image.tags)}, id_cell(image.source_id), id_cell(image.image_id), status_cell(image.status)});
    if (table.empty()) return "";
    return section("Images with tags", "", table.text());
  }

  std::string containers() const {
    if (report_.containers.empty()) return "";
    std::map<std::string, std::string> names;
    for (const auto& image : report_.images)
      if (!image.tags.empty()) names.emplace(image.image_id, image.tags[0]);
    PageTable table({{"Name"}, {"Id"}, {"Image"}, {"Own data", "n"}, {"Status"}, {""}});
    for (const auto& one : report_.containers) {
      const auto name = names.find(one.image);
      table.add({{html(one.name)},
                 id_cell(one.id),
                 name == names.end() ? id_cell(one.image) : Cell{html(name->second)},
                 {one.bytes > 0 ? human_size(one.bytes) : "", "n"},
                 status_cell(one.status),
                 {html(one.error, 1000)}});
    }
    return section("Containers", "", table.text());
  }

  std::string state() const {
    if (report_.state.empty())
      return frame_.in_place ? section("Volumes and engine state", "They stay where they are.", "") : "";
    PageTable table({{"Kind"}, {"Name"}, {"Size", "n"}, {"Status"}, {""}});
    for (const auto& one : report_.state)
      table.add({{html(one.kind)},
                 {html(one.name)},
                 {one.bytes > 0 ? human_size(one.bytes) : "", "n"},
                 status_cell(one.status),
                 {html(one.error, 1000)}});
    return section("Volumes and engine state", "", table.text());
  }

  std::string damage() const {
    if (report_.damage.empty()) return "";
    PageTable table({{"Kind"}, {"Where"}, {"What was found"}});
    for (const auto& one : report_.damage)
      table.add({{html(one.kind), "s"}, {html(one.object), "w"}, {html(one.detail, 1000)}});
    return section("Damage and repairs", "", table.text());
  }

  std::string checks() const {
    std::string out = "<ul class=\"checks\">\n";
    const auto check = [&](const char* mood, const std::string& text) {
      out += fmt::format("<li class=\"{}\"><span>{}</span></li>\n", mood, text);
    };
    const auto by = [&](const char* method) {
      return static_cast<size_t>(std::count_if(report_.layers.begin(), report_.layers.end(), [&](const auto& layer) {
        return layer.method == method && layer.status != "failed";
      }));
    };
    if (by("tar-split") > 0)
      check("good", counted(by("tar-split"), "layer") +
                        " put together as the tar that was once recorded: the digests are Docker's own.");
    if (by("diff") > 0)
      check("good", counted(by("diff"), "layer") + " without such a record: a fresh tar was made and hashed.");
    if (by("kept") > 0)
      check("good", counted(by("kept"), "layer") +
                        " and all image IDs kept as they were; each image's "
                        "configuration has the digest that is its ID.");
    const auto wrong = std::count_if(report_.damage.begin(), report_.damage.end(),
                                     [](const auto& one) { return one.kind == "verify-failed"; });
    if (frame_.dry_run) return section("Checks to be made", "", out + "</ul>\n");
    if (!frame_.verified)
      check("warn", "The new store was not read back: <code>--verify</code> was not given.");
    else if (wrong == 0)
      check("good",
            "Every layer was read back from the new store: it gives its digest, and shows the files, owners, modes, "
            "times "
            "and attributes of the source.");
    else
      check("fail",
            counted(static_cast<uint64_t>(wrong), "layer") + " of the new store differs from the source: see above.");
    return section("Checks made", "", out + "</ul>\n");
  }

  std::string figures() const {
    if (frame_.dry_run) return "";
    PageTable table({{""}, {"", "n"}});
    const double seconds = std::max(report_.seconds, 0.001);
    table.add({{"Hashed"}, {human_size(report_.bytes_hashed), "n"}});
    table.add({{"of it a second"},
               {human_size(static_cast<uint64_t>(static_cast<double>(report_.bytes_hashed) / seconds)), "n"}});
    table.add({{"Copied"}, {human_size(report_.bytes_copied), "n"}});
    table.add({{"Files linked, not copied"}, {std::to_string(report_.files_linked), "n"}});
    table.add({{"Time"}, {time(), "n"}});
    return section("Figures", "", table.text());
  }

  std::string time() const {
    return report_.seconds < 10 ? fmt::format("{:.1f}s", report_.seconds) : clock_time(report_.seconds);
  }

  std::string foot() const {
    return fmt::format("<footer><p>Made by cairn {}{}. The source was only read{}.</p></footer>\n", CAIRN_VERSION,
                       frame_.started.empty() ? "" : " on " + html(frame_.started.substr(0, 10)),
                       frame_.in_place ? " until the new store took its place" : "");
  }

  const MigrationReport& report_;
  const MigrationFrame& frame_;
  const LayerForest forest_;
};

}  // namespace

std::string report_page(const MigrationReport& report, const MigrationFrame& frame) {
  return Page(report, frame).text();
}

}  // namespace cairn
