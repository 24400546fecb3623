#include "core/image/commit.h"

#include "core/archive/changes.h"
#include "core/archive/generate.h"
#include "core/image/config_json.h"
#include "core/image/image_store.h"
#include "core/image/instructions.h"
#include "core/layer/layer_stack.h"
#include "core/util/error.h"

namespace cairn {
namespace {

std::vector<DiffId> diff_ids_of(const LayerMetadata& layers, const std::optional<ChainId>& chain) {
  const auto stack = layer_stack(layers, chain);
  if (!stack) throw Error(Errc::corrupt, "its layer " + chain->str() + ", or one below it, is not in the store");
  std::vector<DiffId> out;
  for (const auto& record : *stack) out.push_back(record.diff);
  return out;
}

// What the image hands down.
void take_over(NewImage& image, const std::string& parent) {
  const ImageConfig config = read_image_config(parent);
  image.platform = {"linux", config.architecture.empty() ? image.platform.architecture : config.architecture,
                    config.variant};
  for (const auto& raw : config.history) image.history.push_back(go_json::read_struct<History>(raw));
  const auto members = go_json::object(parent);
  for (const char* key : {"os.version", "os.features"}) {
    const auto found = members.find(key);
    if (found != members.end() && found->second != "null" && found->second != "\"\"" && found->second != "[]")
      image.more.emplace(found->first, found->second);
  }
}

RunConfig config_of_image(const std::string& parent) {
  const auto members = go_json::object(parent);
  const auto found = members.find("config");
  return found == members.end() ? RunConfig() : go_json::read_struct<RunConfig>(found->second);
}

// What a change to an instruction's list would have dropped comes back from the container, as Docker has it.
void merge(RunConfig& config, const RunConfig& container) {
  if (config.exposed_ports && container.exposed_ports)
    config.exposed_ports->insert(container.exposed_ports->begin(), container.exposed_ports->end());
  if (!config.labels) config.labels.emplace();
  const auto is_empty = [](const go_json::OneOrMore& words) { return !words.value || words.value->empty(); };
  if (is_empty(config.entrypoint)) {
    if (is_empty(config.cmd)) {
      config.cmd = container.cmd;
      config.args_escaped = container.args_escaped;
    }
    if (!config.entrypoint.value) config.entrypoint = container.entrypoint;
  }
  if (!config.healthcheck || !container.healthcheck) return;
  HealthConfig& now = *config.healthcheck;
  const HealthConfig& before = *container.healthcheck;
  if (!now.test || now.test->empty()) now.test = before.test;
  if (now.interval == 0) now.interval = before.interval;
  if (now.timeout == 0) now.timeout = before.timeout;
  if (now.start_period == 0) now.start_period = before.start_period;
  if (now.start_interval == 0) now.start_interval = before.start_interval;
  if (now.retries == 0) now.retries = before.retries;
}

void set_configs(NewImage& image, RunConfig container, const std::vector<std::string>& changes) {
  image.config = apply_instructions(container, changes);
  merge(image.config, container);
  image.container_config = changes.empty() ? image.config : std::move(container);
}

// As the engine's drivers tell changes: those that keep each layer's own files by these, the others by Docker's rule.
std::vector<Change> changes_of(const Tree& tree, const Tree& below, const Driver& driver) {
  CompareOptions options;
  if (!driver.layers_stand_alone() && driver.layers_are_directories()) {
    options.rule = Compare::exact;
    options.directory_times = true;
  }
  return changes_between(tree, below, options);
}

// nullopt when nothing was changed.
std::optional<DiffId> add_layer(const CommitSource& source, Driver& driver, LayerStore& layers,
                                MetadataStore& metadata) {
  const Tree tree = driver.tree(source.mount.mount_id);
  Tree below;
  if (source.mount.init_id)
    below = driver.tree(*source.mount.init_id);
  else if (source.mount.parent)
    below = driver.tree(metadata.layers().find(*source.mount.parent).value().cache_id);
  const auto changes = changes_of(tree, below, driver);
  if (changes.empty()) return std::nullopt;
  std::vector<StagedLayer> staged;
  staged.push_back(layers.stage(generate([&](ByteSink& out) { write_diff(tree, changes, out); }), std::nullopt,
                                std::nullopt, "the changes of the container"));
  const DiffId diff = staged.front().diff;
  if (diff == empty_layer_diff_id()) return std::nullopt;  // sockets only, say
  layers.publish(source.mount.parent, std::move(staged));
  return diff;
}

}  // namespace

RunConfig config_before(const CommitSource& source, MetadataStore& metadata) {
  if (source.config) return go_json::read_struct<RunConfig>(*source.config);
  return source.image ? config_of_image(metadata.images().config(*source.image)) : RunConfig();
}

ImageId commit_container(const CommitSource& source, const CommitOptions& options, Driver& driver, LayerStore& layers,
                         MetadataStore& metadata) {
  NewImage image;
  image.platform = host_platform();
  image.created = options.created;
  image.author = options.author;
  image.container = source.id;
  image.diff_ids = diff_ids_of(metadata.layers(), source.mount.parent);
  if (source.image) {
    const std::string parent = metadata.images().config(*source.image);
    if (read_image_config(parent).diff_ids != image.diff_ids)
      throw Error(Errc::corrupt, "its writable layer does not lie on its image " + source.image->str());
    take_over(image, parent);
  }
  set_configs(image, config_before(source, metadata), options.changes);

  History step{
      {options.created}, options.author, joined_words(image.container_config.cmd.value), options.message, true};
  if (const auto diff = add_layer(source, driver, layers, metadata)) {
    image.diff_ids.push_back(*diff);
    step.empty_layer = false;
  }
  image.history.push_back(std::move(step));
  const ImageId id = create_image(layers, metadata, image.json());
  if (source.image) metadata.images().set_parent(id, *source.image);
  return id;
}

}  // namespace cairn
