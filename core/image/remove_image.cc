#include "core/image/remove_image.h"

#include <algorithm>
#include <set>

#include "core/image/few_names.h"
#include "core/image/reference.h"
#include "core/util/error.h"

namespace cairn {
namespace {

enum Conflict : unsigned {
  child = 1,
  running = 2,
  named = 4,
  at_rest = 8,
  hard = child | running,
  soft = named | at_rest
};

struct Found {
  std::string text;   // "" for no conflict
  bool used = false;  // by a container
};

std::string short_id(std::string_view id) { return std::string(id.substr(id.find(':') + 1, 12)); }

std::string called(const CatalogContainer& container) {
  return (container.name.empty() ? "" : "'" + printable(container.name, 80) + "' ") + short_id(container.id);
}

std::string removal_of(const CatalogContainer& container) {
  return "`cairn rm " + printable(container.name.empty() ? short_id(container.id) : container.name, 80) + "`";
}

bool begins_id(const std::string& id, const std::string& reference) {
  return id.starts_with(reference) || id.substr(id.find(':') + 1).starts_with(reference);
}

// Of one repository, and at most one of them a tag; false for none.
bool are_one(const std::vector<ImageUses::Name>& names) {
  if (names.size() <= 1) return names.size() == 1;
  std::set<std::string> with_digest;
  const ImageUses::Name* tag = nullptr;
  for (const auto& name : names) {
    if (name.digest)
      with_digest.insert(name.repository);
    else if (tag == nullptr)
      tag = &name;
    else
      return false;
  }
  return with_digest == std::set{(tag == nullptr ? names.front() : *tag).repository};
}

}  // namespace

std::vector<std::string> RemovedImages::lines() const {
  std::vector<std::string> out;
  for (const auto& name : untagged) out.push_back("Untagged: " + name);
  for (const auto& id : deleted) out.push_back("Deleted: " + id);
  return out;
}

// Decides, on a copy of what is known, what goes with one reference. Throws conflicts.
class ImageRemover::Plan {
 public:
  Plan(const ImageUses& uses, Options options) : uses_(uses), options_(options) {}

  void make(const std::string& reference);
  Going& going() { return going_; }
  ImageUses& uses() { return uses_; }

 private:
  Found conflict(const std::string& id, unsigned kinds) const;
  [[noreturn]] static void refuse(const std::string& id, const std::string& text);
  void refuse_last_name_in_use(const std::string& id, const std::string& reference) const;
  void untag(const std::string& id, const std::string& familiar, const std::string& shown);
  void untag_all(const std::string& id);
  void untag_one(const std::string& id, const Reference& name);
  void remove_images(std::string id, bool quiet);
  void remove_image(const std::string& id);

  ImageUses uses_;
  Options options_;
  Going going_;
};

void ImageRemover::Plan::make(const std::string& reference) {
  const std::string id = uses_.find(reference).id;
  going_.target = *ImageId::parse(id);
  const bool by_name = !begins_id(id, reference);
  if (by_name) {
    if (!options_.force && are_one(uses_.names(id))) refuse_last_name_in_use(id, reference);
    untag_one(id, parse_reference(reference));
    if (!uses_.names(id).empty()) return;
  } else if (are_one(uses_.names(id))) {
    const unsigned kinds = options_.force ? hard : hard | at_rest;
    if (const Found found = conflict(id, kinds); !found.text.empty()) refuse(id, found.text);
    untag_all(id);
  }
  remove_images(id, by_name);
}

Found ImageRemover::Plan::conflict(const std::string& id, unsigned kinds) const {
  if (kinds & child)
    if (const auto children = uses_.children(id); !children.empty()) {
      std::vector<std::string> shown;
      shown.reserve(children.size());
      for (const auto& one : children) shown.push_back(short_id(one));
      return {"(cannot be forced) - image has dependent child images: " + few_names(shown) + "; remove those first",
              false};
    }
  if (kinds & running)
    if (const auto* container = uses_.container(id, true))
      return {"(cannot be forced) - image is being used by running container " + called(*container) +
                  "; stop it under its engine, or remove it with " + removal_of(*container),
              true};
  if (kinds & named)
    if (const auto& names = uses_.names(id); !names.empty()) {
      std::vector<std::string> shown;
      shown.reserve(names.size());
      for (const auto& name : names) shown.push_back(printable(name.familiar, 200));
      return {"(must be forced) - image is referenced in multiple repositories: " + few_names(shown) +
                  "; remove it by its names, or all of them with -f",
              false};
    }
  if (kinds & at_rest)
    if (const auto* container = uses_.container(id, false))
      return {"(must be forced) - image is being used by stopped container " + called(*container) +
                  "; remove that with " + removal_of(*container) + ", or only the image with -f",
              true};
  return {};
}

void ImageRemover::Plan::refuse(const std::string& id, const std::string& text) {
  throw Error(Errc::in_use, "conflict: unable to delete " + short_id(id) + " " + text);
}

void ImageRemover::Plan::refuse_last_name_in_use(const std::string& id, const std::string& reference) const {
  const CatalogContainer* container = uses_.container(id, true);
  if (container == nullptr) container = uses_.container(id, false);
  if (container == nullptr) return;
  throw Error(Errc::in_use, "conflict: unable to remove repository reference '" + printable(reference) +
                                "' (must force) - container " + called(*container) + " is using its referenced image " +
                                short_id(id) + "; remove that with " + removal_of(*container) +
                                ", or give the name up with -f");
}

void ImageRemover::Plan::untag(const std::string& id, const std::string& familiar, const std::string& shown) {
  uses_.untag(id, familiar);
  going_.names.push_back(familiar);
  going_.shown.untagged.push_back(shown);
}

void ImageRemover::Plan::untag_all(const std::string& id) {
  const auto names = uses_.names(id);
  for (const auto& name : names) untag(id, name.familiar, name.familiar);
}

// With a repository's last tag of the image go its digests there.
void ImageRemover::Plan::untag_one(const std::string& id, const Reference& name) {
  untag(id, name.familiar(), name.text());
  if (!name.digest.empty()) return;
  const auto names = uses_.names(id);
  const auto is_tag_there = [&](const ImageUses::Name& one) {
    return !one.digest && one.repository == name.repository();
  };
  if (std::any_of(names.begin(), names.end(), is_tag_there)) return;
  for (const auto& one : names)
    if (one.repository == name.repository()) untag(id, one.familiar, one.familiar);
}

// The image, then its parents one after another. `quiet`: what stands in the way only ends it.
void ImageRemover::Plan::remove_images(std::string id, bool quiet) {
  bool force = options_.force;
  while (uses_.has(id)) {
    if (const Found found = conflict(id, force ? hard : hard | soft); !found.text.empty()) {
      const bool dangling = uses_.names(id).empty() && uses_.children(id).empty();
      if (quiet && (!dangling || found.used)) return;
      refuse(id, found.text);
    }
    const std::string parent = options_.prune ? uses_.parent(id) : "";
    remove_image(id);
    id = parent;
    quiet = true, force = false;
  }
}

void ImageRemover::Plan::remove_image(const std::string& id) {
  untag_all(id);
  if (!uses_.lost(id)) going_.shown.deleted.push_back(id);
  going_.images.push_back(*ImageId::parse(id));
  for (auto& layer : uses_.remove(id)) {
    going_.shown.deleted.push_back(layer.chain.str());
    going_.layers.push_back(std::move(layer));
  }
}

ImageRemover::ImageRemover(const Catalog& catalog, MetadataStore& metadata, const Driver& driver, LayerStore& layers,
                           Options options)
    : catalog_(catalog),
      metadata_(metadata),
      driver_(driver),
      layers_(layers),
      options_(options),
      lock_(layers.exclusive()),
      uses_(catalog, metadata) {}

RemovedImages ImageRemover::remove(const std::string& reference) {
  return while_doing([&] { return "removing image '" + printable(reference) + "'"; },
                     [&] {
                       Plan plan(uses_, options_);
                       plan.make(reference);
                       refuse_mounted(plan.going().layers);
                       std::swap(uses_, plan.uses());
                       try {
                         carry_out(plan.going());
                       } catch (...) {
                         uses_ = ImageUses(catalog_, metadata_);  // as far as it came
                         throw;
                       }
                       return std::move(plan.going().shown);
                     });
}

void ImageRemover::refuse_mounted(const std::vector<LayerRecord>& layers) const {
  for (const auto& layer : layers)
    if (const auto target = driver_.mounted(layer.cache_id))
      throw Error(Errc::in_use, "conflict: its layer " + short_id(layer.chain.str()) + " is mounted on '" +
                                    printable(target->string()) + "'; unmount that first");
}

void ImageRemover::carry_out(const Going& going) {
  metadata_.references().update({}, going.names);
  forget_manifests(going);
  for (const auto& image : going.images) metadata_.images().remove(image);
  if (!going.layers.empty()) layers_.remove_layers(going.layers, lock_);
}

// Those of images that go, and indexes that no name leads to any more.
void ImageRemover::forget_manifests(const Going& going) {
  for (const auto& image : going.images) metadata_.manifests().remove(image);
  const auto kept = metadata_.manifests().of(going.target);
  for (const auto& name : going.names) {
    const size_t at = name.find('@');
    const auto digest = at == std::string::npos ? std::nullopt : Digest::parse(name.substr(at + 1));
    if (digest && !uses_.names_digest(digest->str()) && std::find(kept.begin(), kept.end(), *digest) == kept.end())
      metadata_.manifests().remove(*digest);
  }
}

}  // namespace cairn
