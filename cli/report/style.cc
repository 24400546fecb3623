#include "cli/report/style.h"

#include <fmt/format.h>

#include <sstream>

namespace cairn {
namespace {

struct Colour {
  const char *name, *light, *dark;
};
constexpr Colour kColours[] = {
    {"page", "#f6f4ef", "#171a1a"},      {"card", "#fffdf9", "#1f2424"},      {"line", "#e2dcd0", "#343b3a"},
    {"ink", "#23211d", "#e6e4de"},       {"quiet", "#716b60", "#9aa09b"},     {"accent", "#1f6f6b", "#6cc5bb"},
    {"good", "#2c7a4b", "#7fd49c"},      {"good-soft", "#e3f1e6", "#1d3527"}, {"warn", "#93590a", "#f0bd6a"},
    {"warn-soft", "#fbeed5", "#3a2d16"}, {"bad", "#a8322a", "#f09a90"},       {"bad-soft", "#f9e2df", "#43221f"},
    {"s0", "#e4efec", "#26403e"},        {"s1", "#bddcd6", "#2b5552"},        {"s2", "#86c0b8", "#2f716c"},
    {"s3", "#418f89", "#3f9a91"},        {"s4", "#14605d", "#69c3b7"},        {"on0", "#23403d", "#cfe5e1"},
    {"on1", "#17413e", "#dcf0ec"},       {"on2", "#0b3330", "#effaf8"},       {"on3", "#ffffff", "#06201e"},
    {"on4", "#ffffff", "#06201e"}};

constexpr const char* kPage = R"css(
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 1160px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 0 0 4px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 24px; margin: 20px 0; overflow-x: auto; }
.title { display: flex; gap: 16px; align-items: center; }
.title svg { flex: none; }
.title p { margin: 2px 0 0; }
.pill { margin-left: auto; padding: 6px 14px; border-radius: 999px; font-weight: 600; white-space: nowrap; }
.good { color: var(--good); } .warn { color: var(--warn); } .fail { color: var(--bad); }
.pill.good { background: var(--good-soft); } .pill.warn { background: var(--warn-soft); } .pill.fail { background: var(--bad-soft); }
.quiet, .lead { color: var(--quiet); }
.lead { margin: 0 0 14px; }
.way { display: grid; grid-template-columns: 1fr auto 1fr; gap: 16px; align-items: center; margin: 24px 0 20px; }
.end { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px; min-width: 0; }
.end b { display: block; font-weight: 600; overflow-wrap: anywhere; }
.end span { color: var(--quiet); font-size: 13px; }
.arrow { color: var(--accent); font-size: 26px; line-height: 1; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 12px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--quiet); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 12px; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); }
td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; min-width: 9em; unicode-bidi: isolate; }
tr:last-child td { border-bottom: 0; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
td.m, td.w, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
td.m { white-space: nowrap; }
td.s { white-space: nowrap; font-weight: 600; overflow-wrap: normal; }
details { margin: 8px 0; }
summary { cursor: pointer; padding: 4px 0; font-weight: 600; }
summary .quiet { font-weight: 400; margin-left: 6px; }
ul.checks { list-style: none; padding: 0; margin: 8px 0 0; }
ul.checks li { padding: 4px 0 4px 30px; position: relative; }
ul.checks li::before { position: absolute; left: 2px; font-weight: 700; }
ul.checks li.good::before { content: "✓"; } ul.checks li.warn::before { content: "–"; } ul.checks li.fail::before { content: "✗"; }
ul.checks li span { color: var(--ink); }
.graph { overflow-x: auto; padding: 6px 0 2px; }
.graph svg { display: block; font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 13px; color: var(--quiet); margin: 0 0 10px; align-items: center; }
.legend i { display: inline-block; width: 22px; height: 12px; border-radius: 3px; margin-right: 2px; vertical-align: -1px; }
.legend .bad { background: var(--bad-soft); outline: 1px solid var(--bad); }
footer { color: var(--quiet); font-size: 13px; padding-bottom: 40px; }
@media (max-width: 700px) { .way { grid-template-columns: 1fr; } .arrow { transform: rotate(90deg); justify-self: center; } .title { flex-wrap: wrap; } .pill { margin-left: 0; } }
@media print { body { background: none; } section { break-inside: avoid-page; border-color: #ccc; } }
)css";

constexpr const char* kGraph = R"css(
.graph text { fill: var(--ink); }
.graph .quiet { fill: var(--quiet); font-style: italic; }
.graph .tag { font-size: 13px; font-weight: 600; }
.graph .id { font: 11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--quiet); white-space: pre; }
.graph .way { stroke: var(--line); stroke-dasharray: 2 3; fill: none; }
.graph .run .size { font-weight: 600; font-variant-numeric: tabular-nums; }
.graph .s0 rect { fill: var(--s0); } .graph .s0 text { fill: var(--on0); }
.graph .s1 rect { fill: var(--s1); } .graph .s1 text { fill: var(--on1); }
.graph .s2 rect { fill: var(--s2); } .graph .s2 text { fill: var(--on2); }
.graph .s3 rect { fill: var(--s3); } .graph .s3 text { fill: var(--on3); }
.graph .s4 rect { fill: var(--s4); } .graph .s4 text { fill: var(--on4); }
.graph .bad rect { fill: var(--bad-soft); stroke: var(--bad); } .graph .bad text, .graph .image.bad .tag { fill: var(--bad); }
)css";

constexpr const char* kPicture = R"css(
.graph { font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.graph .page { fill: var(--card); }
.graph .title { font-size: 18px; font-weight: 600; }
.graph .lead { fill: var(--quiet); }
)css";

std::string custom_properties(const char* Colour::*colour) {
  std::string out;
  for (const auto& one : kColours) out += fmt::format("  --{}: {};\n", one.name, one.*colour);
  return out;
}

std::string resolved(std::string css, const char* Colour::*colour) {
  for (const auto& one : kColours) {
    const std::string name = fmt::format("var(--{})", one.name);
    for (size_t at; (at = css.find(name)) != std::string::npos;) css.replace(at, name.size(), one.*colour);
  }
  return css;
}

std::string coloured_lines(const std::string& css) {
  std::istringstream lines(css);
  std::string out;
  for (std::string line; std::getline(lines, line);)
    if (line.find("var(--") != std::string::npos) out += line + "\n";
  return out;
}

}  // namespace

std::string page_style() {
  return fmt::format(
             "\n:root {{\n  color-scheme: light dark;\n{}}}\n@media (prefers-color-scheme: dark) {{ :root {{\n{}}} }}",
             custom_properties(&Colour::light), custom_properties(&Colour::dark)) +
         kPage + kGraph;
}

std::string picture_style() {
  const std::string rules = std::string(kPicture) + kGraph;
  return resolved(rules, &Colour::light) + "@media (prefers-color-scheme: dark) {\n" +
         resolved(coloured_lines(rules), &Colour::dark) + "}\n";
}

}  // namespace cairn
