#include "drivers/plugin/server/methods.h"

#include "core/util/error.h"

namespace cairn::plugin {
namespace {

using Json = nlohmann::ordered_json;

const Json kDone = Json::object({{"Err", ""}});

Json init(GraphService& service, const Message& request) {
  if (request.filled("UIDMaps") || request.filled("GIDMaps"))
    throw Error(Errc::unsupported, "mapping users (userns-remap): cairn's drivers keep ids as they are");
  service.init(request.text("Home"), request.texts("Opts"));
  return kDone;
}

void refuse_extras(const Message& request) {
  if (request.filled("StorageOpt"))
    throw Error(Errc::unsupported, "creating the layer with storage options: cairn sets no quotas");
  if (!request.text("MountLabel").empty())
    throw Error(Errc::unsupported, "labelling the layer for SELinux: cairn sets no labels");
}

Json create(GraphService& service, const Message& request) {
  refuse_extras(request);
  service.create(request.layer(), request.parent());
  return kDone;
}

Json create_read_write(GraphService& service, const Message& request) {
  refuse_extras(request);
  service.create_read_write(request.layer(), request.parent());
  return kDone;
}

Json remove(GraphService& service, const Message& request) {
  service.remove(request.layer());
  return kDone;
}

Json get(GraphService& service, const Message& request) {
  refuse_extras(request);
  return {{"Dir", service.get(request.layer()).string()}, {"Err", ""}};
}

Json put(GraphService& service, const Message& request) {
  service.put(request.layer());
  return kDone;
}

Json cleanup(GraphService& service, const Message&) {
  service.cleanup();
  return kDone;
}

Json changes(GraphService& service, const Message& request) {
  Json list = Json::array();
  for (const auto& change : service.changes(request.layer(), request.parent())) {
    const int kind = change.kind == ChangeKind::modified ? 0 : change.kind == ChangeKind::added ? 1 : 2;
    list.push_back({{"Path", change.path}, {"Kind", kind}});
  }
  return {{"Changes", list}, {"Err", ""}};
}

}  // namespace

const std::map<std::string, Method, std::less<>>& methods() {
  static const std::map<std::string, Method, std::less<>> all{
      {"Plugin.Activate",
       [](auto&, auto&) -> Json {
         return {{"Implements", {"GraphDriver"}}};
       }},
      {"GraphDriver.Init", init},
      {"GraphDriver.Capabilities",
       [](auto&, auto&) -> Json {
         return {{"Capabilities", {{"ReproducesExactDiffs", false}}}};
       }},
      {"GraphDriver.Create", create},
      {"GraphDriver.CreateReadWrite", create_read_write},
      {"GraphDriver.Remove", remove},
      {"GraphDriver.Get", get},
      {"GraphDriver.Put", put},
      {"GraphDriver.Exists",
       [](GraphService& service, const Message& request) -> Json {
         return {{"Exists", service.exists(request.layer())}};
       }},
      {"GraphDriver.Status",
       [](GraphService& service, auto&) -> Json {
         return {{"Status", service.status()}};
       }},
      {"GraphDriver.GetMetadata",
       [](GraphService& service, const Message& request) -> Json {
         return {{"Metadata", service.metadata(request.layer())}, {"Err", ""}};
       }},
      {"GraphDriver.Cleanup", cleanup},
      {"GraphDriver.Changes", changes},
      {"GraphDriver.DiffSize", [](GraphService& service, const Message& request) -> Json {
         return {{"Size", service.diff_size(request.layer(), request.parent())}, {"Err", ""}};
       }}};
  return all;
}

}  // namespace cairn::plugin
