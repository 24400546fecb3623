#include "core/migrate/content/selection.h"

#include <algorithm>
#include <set>

#include "core/json/go_json.h"
#include "core/migrate/ends_run.h"
#include "core/migrate/verify.h"
#include "core/util/error.h"

namespace cairn {

namespace {

class Selecting {
 public:
  Selecting(const ContentSource& source, const MigrateOptions& options) : source_(source), options_(options) {
    for (auto& record : source.metadata.layers().list(&out_.damage)) records_.emplace(record.chain, std::move(record));
  }

  ContentSelection run() {
    select_images();
    if (options_.containers) select_containers();
    return std::move(out_);
  }

 private:
  void select_images() {
    const auto all = source_.metadata.images().list();
    for (const auto& wanted : options_.images)
      if (std::none_of(all.begin(), all.end(), [&](const ImageId& id) { return id.str() == wanted; }))
        throw Error(Errc::not_found, "choosing image '" + printable(wanted) + "': the source has no such image");
    const auto tags = tags_by_image();
    for (const auto& id : all) {
      const bool chosen = options_.images.empty() ||
                          std::find(options_.images.begin(), options_.images.end(), id.str()) != options_.images.end();
      if (!chosen) continue;
      ContentImage image{id, std::nullopt, {}, ""};
      if (const auto found = tags.find(id); found != tags.end()) image.tags = found->second;
      try {
        std::optional<ChainId> chain;
        for (const auto& diff : diff_ids_of(source_.metadata.images().config(id))) chain = chain_id(chain, diff);
        image.top = chain;
        if (chain) need(*chain);
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        image.error = e.what();
      }
      out_.images.push_back(std::move(image));
    }
    for (const auto& [id, names] : tags)
      if (!std::binary_search(all.begin(), all.end(), id))
        out_.damage.push_back(
            {"reference-dangling", names.front(), "it names image " + id.str() + ", which is not there"});
  }

  std::map<ImageId, std::vector<std::string>> tags_by_image() {
    std::map<ImageId, std::vector<std::string>> out;
    try {
      for (const auto& [repository, entries] : source_.metadata.references().all())
        for (const auto& [reference, id] : entries) out[id].push_back(reference);
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
      out_.damage.push_back({"repositories-invalid", "repositories.json", e.what()});
    }
    return out;
  }

  // The layer and those below it, in their order.
  void need(const ChainId& chain) {
    std::vector<const LayerRecord*> line;
    for (std::optional<ChainId> at = chain; at && !needed_.contains(*at);) {
      const auto record = records_.find(*at);
      if (record == records_.end())
        throw Error(Errc::corrupt, "its layer " + at->str() + " is not in the layer database, or is damaged there");
      line.push_back(&record->second);
      at = record->second.parent;
    }
    for (auto it = line.rbegin(); it != line.rend(); ++it)
      if (needed_.insert((*it)->chain).second) out_.layers.push_back(**it);
  }

  void select_containers() {
    std::map<std::string, MountRecord> mounts;
    for (auto& mount : source_.metadata.layers().mounts(&out_.damage)) mounts.emplace(mount.name, std::move(mount));
    std::set<std::string> chosen;
    for (const auto& image : out_.images) chosen.insert(image.id.str());
    for (const auto& id : source_.metadata.containers().list()) {
      ContentContainer container{id, "", "", std::nullopt, ""};
      if (const auto mount = mounts.find(id); mount != mounts.end()) container.mount = mount->second;
      if (!describe(container)) continue;
      if (!options_.images.empty() && !chosen.contains(container.image)) continue;
      out_.containers.push_back(std::move(container));
    }
  }

  // False for another driver's.
  bool describe(ContentContainer& container) {
    try {
      const std::string config = source_.metadata.containers().config(container.id);
      const auto members = go_json::members(config);
      const std::string driver = text_of(members, "Driver");
      if (driver != source_.driver.name() && !(driver.empty() && container.mount)) return false;
      container.name = text_of(members, "Name");
      container.image = text_of(members, "Image");
      if (!container.mount) throw Error(Errc::corrupt, "layerdb has no writable layer of it");
      if (container.mount->parent) need(*container.mount->parent);
    } catch (const Error& e) {
      if (ends_run(e, options_)) throw;
      container.error = e.what();
    }
    return true;
  }

  static std::string text_of(const std::vector<go_json::Member>& members, const char* field) {
    const auto* found = go_json::find_field(members, field);
    return found && go_json::kind_of(found->raw) == go_json::Kind::string ? go_json::unquote(found->raw) : "";
  }

  const ContentSource& source_;
  const MigrateOptions& options_;
  std::map<ChainId, LayerRecord> records_;
  std::set<ChainId> needed_;
  ContentSelection out_;
};

}  // namespace

ContentSelection select(const ContentSource& source, const MigrateOptions& options) {
  return Selecting(source, options).run();
}

}  // namespace cairn
