#include "cli/inspect_fields.h"

#include <span>

namespace cairn {
namespace {

enum class Kind { text, flag, number, duration, list, map, set, pointer, health, config, root_fs };

struct Member {
  const char* name;
  Kind kind;
};

constexpr Member kConfig[] = {{"Hostname", Kind::text},
                              {"Domainname", Kind::text},
                              {"User", Kind::text},
                              {"AttachStdin", Kind::flag},
                              {"AttachStdout", Kind::flag},
                              {"AttachStderr", Kind::flag},
                              {"ExposedPorts", Kind::set},
                              {"Tty", Kind::flag},
                              {"OpenStdin", Kind::flag},
                              {"StdinOnce", Kind::flag},
                              {"Env", Kind::list},
                              {"Cmd", Kind::list},
                              {"Healthcheck", Kind::health},
                              {"ArgsEscaped", Kind::flag},
                              {"Image", Kind::text},
                              {"Volumes", Kind::set},
                              {"WorkingDir", Kind::text},
                              {"Entrypoint", Kind::list},
                              {"NetworkDisabled", Kind::flag},
                              {"MacAddress", Kind::text},
                              {"OnBuild", Kind::list},
                              {"Labels", Kind::map},
                              {"StopSignal", Kind::text},
                              {"StopTimeout", Kind::pointer},
                              {"Shell", Kind::list}};
constexpr Member kHealth[] = {{"Test", Kind::list},
                              {"Interval", Kind::duration},
                              {"Timeout", Kind::duration},
                              {"StartPeriod", Kind::duration},
                              {"Retries", Kind::number}};
constexpr Member kRootFs[] = {{"Type", Kind::text}, {"Layers", Kind::list}, {"BaseLayer", Kind::text}};
constexpr Member kImage[] = {{"ID", Kind::text},
                             {"RepoTags", Kind::list},
                             {"RepoDigests", Kind::list},
                             {"Parent", Kind::text},
                             {"Comment", Kind::text},
                             {"Created", Kind::text},
                             {"Container", Kind::text},
                             {"ContainerConfig", Kind::config},
                             {"DockerVersion", Kind::text},
                             {"Author", Kind::text},
                             {"Config", Kind::config},
                             {"Architecture", Kind::text},
                             {"Variant", Kind::text},
                             {"Os", Kind::text},
                             {"OsVersion", Kind::text},
                             {"Size", Kind::number},
                             {"VirtualSize", Kind::number},
                             {"RootFS", Kind::root_fs}};
constexpr Member kContainer[] = {{"ID", Kind::text}, {"Config", Kind::config}};

std::span<const Member> members_of(Kind kind) {
  if (kind == Kind::health) return kHealth;
  if (kind == Kind::root_fs) return kRootFs;
  return kConfig;
}

bool is_structure(Kind kind) { return kind >= Kind::health; }

std::string without_zeros(std::string fraction) {
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fraction.empty() ? "" : "." + fraction;
}

// "1h30m0s", "1.5s", "100ms".
std::string go_duration(int64_t time) {
  const auto digits = [](uint64_t value, size_t width) {
    const std::string text = std::to_string(value);
    return std::string(width - text.size(), '0') + text;
  };
  const uint64_t ns = time < 0 ? -static_cast<uint64_t>(time) : static_cast<uint64_t>(time);
  std::string out = time < 0 ? "-" : "";
  if (ns == 0) return "0s";
  if (ns < 1'000) return out + std::to_string(ns) + "ns";
  if (ns < 1'000'000) return out + std::to_string(ns / 1'000) + without_zeros(digits(ns % 1'000, 3)) + "\u00b5s";
  if (ns < 1'000'000'000) return out + std::to_string(ns / 1'000'000) + without_zeros(digits(ns % 1'000'000, 6)) + "ms";
  const uint64_t seconds = ns / 1'000'000'000;
  if (seconds >= 3600) out += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) out += std::to_string(seconds / 60 % 60) + "m";
  return out + std::to_string(seconds % 60) + without_zeros(digits(ns % 1'000'000'000, 9)) + "s";
}

Json nothing(Kind kind, bool for_json) {
  switch (kind) {
    case Kind::text:
      return "";
    case Kind::flag:
      return false;
    case Kind::number:
      return 0;
    case Kind::duration:
      return for_json ? Json(0) : Json("0s");
    default:
      if (for_json) return {};
      return kind == Kind::list                       ? Json::array()
             : kind == Kind::map || kind == Kind::set ? Json::object()
                                                      : Json("<nil>");
  }
}

Json structure(const Json& from, std::span<const Member> members);

Json in_go(const Json& value, Kind kind) {
  if (value.is_null() && (kind == Kind::config || kind == Kind::root_fs)) return structure(value, members_of(kind));
  if (value.is_null()) return nothing(kind, false);
  if (is_structure(kind)) return value.is_object() ? structure(value, members_of(kind)) : value;
  if (kind == Kind::duration && value.is_number_integer()) return go_duration(value.get<int64_t>());
  if (kind != Kind::set || !value.is_object()) return value;
  Json out = Json::object();
  for (const auto& [key, ignored] : value.items()) out[key] = "{}";
  return out;
}

Json member(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : Json();
}

Json structure(const Json& from, std::span<const Member> members) {
  Json out = Json::object();
  out[kGoStructure] = nullptr;
  for (const auto& [name, kind] : members) out[name] = in_go(member(from, name), kind);
  return out;
}

Json zeros_of(const Json& from, std::span<const Member> members) {
  Json out = Json::object();
  for (const auto& [name, kind] : members)
    out[name] = is_structure(kind) && (kind != Kind::health || member(from, name).is_object())
                    ? zeros_of(member(from, name), members_of(kind))
                    : nothing(kind, true);
  return out;
}

}  // namespace

TemplateData template_data(Json document, Inspected what) {
  const Json id = member(document, "Id");
  const std::span<const Member> members = what == Inspected::image ? std::span<const Member>(kImage) : kContainer;
  TemplateData out{{}, structure(document, members), zeros_of(document, members)};
  if (what == Inspected::container)  // a configuration on disk has what the engine answers with, and more
    for (const auto& [key, value] : document.items())
      if (key != "Id" && !out.structures.contains(key)) out.structures[key] = value;
  if (!out.structures.contains("GraphDriver")) out.structures["GraphDriver"] = member(document, "GraphDriver");
  out.structures["ID"] = out.zeros["ID"] = id;
  out.document = std::move(document);
  return out;
}

}  // namespace cairn
