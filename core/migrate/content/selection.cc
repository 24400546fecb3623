#include "core/migrate/content/selection.h"

#include <algorithm>
#include <set>

#include "core/json/go_json.h"
#include "core/migrate/content/salvage.h"
#include "core/migrate/ends_run.h"
#include "core/migrate/left_over.h"
#include "core/migrate/verify.h"
#include "core/util/error.h"

namespace cairn {

namespace {

class Selecting {
 public:
  Selecting(const ContentSource& source, const MigrateOptions& options)
      : source_(source), options_(options), out_(source), salvage_(source, out_.trees) {}

  ContentSelection run() {
    select_images();
    if (options_.containers) select_containers();
    check_distribution();
    for (auto& one : salvage_.damage()) out_.damage.push_back(std::move(one));
    for (auto& one : source_.driver.examine(out_.trees.parents())) out_.damage.push_back(std::move(one));
    if (options_.images.empty())
      for (const auto& id : salvage_.orphans())
        if (!is_of_graph(id.str())) out_.left_over.push_back(left_over_layer(id));
    return std::move(out_);
  }

 private:
  void select_images() {
    const auto all = source_.metadata.images().list();
    for (const auto& wanted : options_.images)
      if (std::none_of(all.begin(), all.end(), [&](const ImageId& id) { return id.str() == wanted; }))
        throw Error(Errc::not_found, "choosing image '" + printable(wanted) + "': the source has no such image");
    const auto tags = tags_by_image();
    std::map<ImageId, std::string> unreadable;
    for (const auto& id : all) try {
        const auto diffs = diff_ids_of(source_.metadata.images().config(id));
        salvage_.learn(diffs);
        std::optional<ChainId> chain;
        for (const auto& diff : diffs) chain = chain_id(chain, diff);
        tops_.emplace(id, chain);
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        unreadable.emplace(id, e.what());
      }
    for (const auto& id : all) {
      if (!is_chosen(id)) continue;
      ContentImage image{id, std::nullopt, {}, ""};
      if (const auto found = tags.find(id); found != tags.end()) image.tags = found->second;
      if (const auto why = unreadable.find(id); why != unreadable.end())
        image.error = why->second;
      else
        add_layers(image);
      out_.images.push_back(std::move(image));
    }
    for (const auto& [id, names] : tags)
      if (!std::binary_search(all.begin(), all.end(), id))
        for (const auto& name : names)
          out_.damage.push_back({"reference-dangling", name, "its image " + id.str() + " is not there", "left out"});
  }

  bool is_of_graph(const std::string& id) const {
    return options_.left_to_graph.contains(id.ends_with(kInit) ? id.substr(0, id.size() - std::string(kInit).size())
                                                               : id);
  }

  bool is_chosen(const ImageId& id) const {
    return options_.images.empty() ||
           std::find(options_.images.begin(), options_.images.end(), id.str()) != options_.images.end();
  }

  void add_layers(ContentImage& image) {
    image.top = tops_.at(image.id);
    try {
      if (image.top) need(*image.top);
    } catch (const Error& e) {
      if (ends_run(e, options_)) throw;
      image.error = e.what();
    }
  }

  std::map<ImageId, std::vector<std::string>> tags_by_image() {
    std::map<ImageId, std::vector<std::string>> out;
    for (const auto& [repository, entries] : source_.metadata.references().whole(out_.damage))
      for (const auto& [reference, id] : entries) out[id].push_back(reference);
    return out;
  }

  void need(const ChainId& chain) {
    for (auto& record : salvage_.need(chain)) out_.layers.push_back({std::move(record)});
  }

  void select_containers() {
    std::map<std::string, MountRecord> mounts;
    for (auto& mount : source_.metadata.layers().mounts(&out_.damage)) mounts.emplace(mount.name, std::move(mount));
    std::set<std::string> chosen;
    for (const auto& image : out_.images) chosen.insert(image.id.str());
    for (const auto& id : source_.metadata.containers().list()) {
      ContentContainer container;
      container.id = id;
      if (const auto mount = mounts.find(id); mount != mounts.end()) container.mount = mount->second;
      mounts.erase(id);
      if (options_.left_to_graph.contains(id)) continue;
      if (!describe(container)) continue;
      if (!options_.images.empty() && !chosen.contains(container.image)) continue;
      out_.containers.push_back(std::move(container));
    }
    for (const auto& [name, mount] : mounts)
      out_.left_over.push_back(
          {kLeftOverLayer, mount.mount_id.str(), "left", "no container has this writable layer '" + name + "'"});
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
      check_host_config(container);
      mend_mount(container);
      add_writable_layers(container);
    } catch (const Error& e) {
      if (ends_run(e, options_)) throw;
      container.error = e.what();
    }
    return true;
  }

  void check_host_config(ContentContainer& container) {
    try {
      const auto text = source_.metadata.containers().host_config(container.id);
      if (text) go_json::members(*text);
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
      container.host_config_lost = true;
      out_.damage.push_back({"container-hostconfig-invalid", container.id, e.what(),
                             "an engine's defaults in its place: mounts, ports, limits and restart policy are lost"});
    }
  }

  // What the entry below layerdb/mounts lacks, where something else says it.
  void mend_mount(ContentContainer& container) {
    if (container.mount && container.mount->init_id && container.mount->parent) return;
    MountRemains left = source_.metadata.layers().mount_remains(container.id);
    std::string members;
    const auto restored = [&](const std::string& what) { members += (members.empty() ? "" : ", ") + what; };
    const auto image = ImageId::parse(container.image);
    const auto top = image ? tops_.find(*image) : tops_.end();
    if (!left.parent && top == tops_.end())
      throw Error(Errc::corrupt,
                  "its entry in layerdb does not say what it lies on, and its image's configuration is lost");
    if (!left.parent && top->second) left.parent = top->second, restored("'parent' from its image");
    if (!left.mount_id) left.mount_id = mount_id_of(container.id, left), restored("'mount-id'");
    if (!left.mount_id) throw Error(Errc::corrupt, "layerdb has no writable layer of it");
    if (!left.init_id && LayerId::valid(left.mount_id->str() + kInit) &&
        out_.trees.has(LayerId(left.mount_id->str() + kInit)))
      left.init_id = LayerId(left.mount_id->str() + kInit), restored("'init-id' from 'mount-id'");
    if (members.empty()) return;
    container.mount = MountRecord{container.id, *left.mount_id, left.init_id, left.parent};
    note_mended(container.id, "rebuilt: " + members + "; nothing is lost");
  }

  // By the name engines give an init layer, or by a container's own name, which its layer had up to Docker 1.9.
  std::optional<LayerId> mount_id_of(const std::string& id, const MountRemains& left) const {
    if (left.init_id && left.init_id->str().ends_with(kInit))
      return LayerId(left.init_id->str().substr(0, left.init_id->str().size() - std::string(kInit).size()));
    return out_.trees.has(LayerId(id)) ? std::optional(LayerId(id)) : std::nullopt;
  }

  void note_mended(const std::string& id, const std::string& repair) {
    const auto known = std::find_if(out_.damage.begin(), out_.damage.end(), [&](const Damage& one) {
      return one.object == id && one.kind.starts_with("mount-");
    });
    if (known != out_.damage.end())
      known->repair = repair;
    else
      out_.damage.push_back({"mount-incomplete", id, "its entry in layerdb/mounts lacks files", repair});
  }

  void add_writable_layers(ContentContainer& container) {
    MountRecord& mount = *container.mount;
    if (mount.parent) {
      need(*mount.parent);
      container.image_layer = salvage_.find(*mount.parent)->cache_id;
    }
    if (!out_.trees.has(mount.mount_id))
      throw Error(Errc::corrupt, "its writable layer " + mount.mount_id.str() + " is missing from the " +
                                     std::string(source_.driver.name()) + " directory");
    if (mount.init_id && !out_.trees.has(*mount.init_id)) {
      out_.damage.push_back({"driver-layer-missing", mount.init_id->str(), "container " + container.id + " has lost it",
                             "the container comes over without: files that engines put below every container"});
      mount.init_id.reset();
    }
    if (mount.init_id) out_.trees.add(*mount.init_id, container.image_layer);
    out_.trees.add(mount.mount_id, mount.init_id ? mount.init_id : container.image_layer);
  }

  // Engines do without, so that damage there stops nothing.
  void check_distribution() {
    for (const auto& layer : out_.layers) try {
        source_.metadata.distribution().record(layer.record.diff);
      } catch (const Error& e) {
        if (e.code() != Errc::corrupt) throw;
        out_.damage.push_back({"distribution-invalid", layer.record.diff.str(), e.what(),
                               "left out: a push sends the layer, a pull fetches it again"});
      }
  }

  static std::string text_of(const std::vector<go_json::Member>& members, const char* field) {
    const auto* found = go_json::find_field(members, field);
    return found && go_json::kind_of(found->raw) == go_json::Kind::string ? go_json::unquote(found->raw) : "";
  }

  static constexpr const char* kInit = "-init";
  const ContentSource& source_;
  const MigrateOptions& options_;
  ContentSelection out_;
  Salvage salvage_;
  std::map<ImageId, std::optional<ChainId>> tops_;  // of all images whose configuration is whole
};

}  // namespace

ContentSelection select(const ContentSource& source, const MigrateOptions& options) {
  return Selecting(source, options).run();
}

}  // namespace cairn
