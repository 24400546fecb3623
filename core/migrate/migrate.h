// Carries a root of Docker 0.7 to 28 to the content-addressed layout with any driver: plan first, then run. The source
// is only read, unless it is the target too (in place): then files are added beside the old ones and none is changed or
// removed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "core/interfaces/legacy_graph.h"
#include "core/interfaces/metadata_store.h"
#include "core/interfaces/progress.h"
#include "core/migrate/disk_sample.h"

namespace cairn {

struct MigrationSource {  // of Docker 0.7 to 1.9
  std::filesystem::path root;
  const LegacyGraph& graph;
  const Driver& driver;
};

struct ContentSource {  // of Docker 1.10 and later
  std::filesystem::path root;
  MetadataStore& metadata;  // only read
  const Driver& driver;
};

struct MigrationTarget {
  std::filesystem::path root;  // exists; the source's own root when in place
  Driver& driver;
  MetadataStore& metadata;
  std::function<void()> guard;  // throws if an engine runs on the target
};

// What a later engine that migrated a graph in place, or began to, has taken over: what it left of that in the graph is
// of yesterday.
struct TakenOver {
  std::map<std::string, ImageId> images{};  // v1 id -> what it became, which comes from the content-addressed part
  std::set<std::string> removed{};          // images it had migrated, which neither layout has any more
  std::set<std::string> containers{};
  bool tags = false;    // of those images too: it finished with them, and its users have moved them since
  bool layers = false;  // the part that has its layout comes too, and tells which of the driver's layers are left over
  bool has(const std::string& object) const;  // an image or a container
};

struct MigrateOptions {
  bool in_place = false;  // target driver == source driver, no layer is written
  bool beside = false;    // the target is made below the source's root, to be switched to
  // What belongs to no driver. It need not move in place, but for volumes of Docker before 1.7, which lie in vfs/dir.
  enum class State { carried, volumes_carried, stays } state = State::carried;
  bool later_part = false;  // of several of one root: what the target holds came with the parts before
  bool containers = true;   // and their volumes
  TakenOver taken_over{};   // of a graph
  // Those of the graphs beside this one: containers made with them come from there.
  std::set<std::string> other_drivers{};
  // Images and containers of the graph beside a content-addressed layout, which is migrated too: nothing to do with it.
  std::set<std::string> left_to_graph{};
  bool verify = false;                // read every layer back from the target and compare
  std::vector<std::string> images{};  // v1 ids chosen by the user (ancestors come along); empty: all
  unsigned jobs = 1;
};

struct MigratedImage {
  std::string source_id, image_id;  // image_id "" unless it is there
  std::vector<std::string> tags;    // familiar references
  std::string status;               // planned, migrated, exists, failed
  std::string error;
  std::string layer{};  // source_id of its uppermost layer, "" for an image without layers
};
struct MigratedLayer {
  std::string source_id, diff_id, chain_id, cache_id;
  int64_t size = 0;      // sum of the file sizes in its tar
  std::string method;    // "tar-split" or "diff"
  std::string status;    // planned, migrated, exists, duplicate, failed
  std::string error;     // also a warning on a layer that was migrated all the same
  std::string parent{};  // source_id of the layer it lies on, "" if none
};
struct MigratedContainer {
  std::string id, name, image;  // image: the new image ID
  std::string status;           // planned, migrated, exists, failed; skipped: its image had been deleted,
  std::string error;            // which engines allowed and Docker's own migration left behind too
  uint64_t bytes = 0;           // to be copied, as far as that is known beforehand
};

// Something that belongs to no image and no container. kind: volume, state (an engine's), volumes (their database),
// layer (of the driver, that nothing refers to), image (of a graph, that a later engine removed), tag (that the target
// has on another image), other.
inline constexpr const char* kLeftOverLayer = "layer";
struct MigratedState {
  std::string kind, name;
  std::string status;  // planned, migrated, exists, failed; left: not carried, `error` says why
  std::string error;
  uint64_t bytes = 0;  // to be copied
};

struct MigrationPlan {
  std::vector<MigratedImage> images;  // in Docker's order: sorted, parents first
  std::vector<MigratedLayer> layers;
  std::vector<MigratedContainer> containers;
  std::vector<MigratedState> state;
  std::vector<Damage> damage;                                // what the source has that is not whole
  std::shared_ptr<const struct ContentSelection> selection;  // what run_migration of a content-addressed source goes by
  uint64_t bytes_to_hash = 0, bytes_to_copy = 0, bytes_free = 0;
  size_t layers_of_unknown_size = 0;      // to be hashed, but not in bytes_to_hash
  size_t containers_of_unknown_size = 0;  // to be copied, but not in bytes_to_copy
  LinkKind links = LinkKind::none;        // how layers come over; none: copied
  DiskSample sample;                      // what the estimate rests on
  double seconds = 0;                     // a rough estimate
};

inline constexpr const char* kVerifyFailed = "verify-failed";  // a kind of damage: the target's

struct MigrationReport {
  std::vector<MigratedImage> images;
  std::vector<MigratedLayer> layers;
  std::vector<MigratedContainer> containers;
  std::vector<MigratedState> state;
  std::vector<Damage> damage;  // the plan's, and what was found on the way
  uint64_t bytes_hashed = 0, bytes_copied = 0, files_linked = 0;
  double seconds = 0;
  bool complete() const;              // nothing failed and nothing was damaged
  bool unfinished() const;            // something failed or does not verify: another run tries it again
  void append(MigrationReport part);  // the parts of one root are one to whoever asked for them
};
MigrationReport as_report(const MigrationPlan& plan);  // of what is to be done

// Reads the source only. Throws Errc::already_exists if the target holds anything but an unfinished or older migration
// of this source, Errc::io if it has too little space.
MigrationPlan plan_migration(const MigrationSource& source, const MigrationTarget& target,
                             const MigrateOptions& options);
MigrationPlan plan_migration(const ContentSource& source, const MigrationTarget& target, const MigrateOptions& options);

// Does what is missing; may be killed at any moment and called again. What fails is reported and stops only what
// depends on it. Throws for what stops everything (interrupt, full disk, target not writable).
MigrationReport run_migration(const MigrationPlan& plan, const MigrationSource& source, const MigrationTarget& target,
                              const MigrateOptions& options, Progress& progress);
MigrationReport run_migration(const MigrationPlan& plan, const ContentSource& source, const MigrationTarget& target,
                              const MigrateOptions& options, Progress& progress);

// In place, after a complete and verified migration: removes graph/, repositories-DRV, linkgraph.db, the containers'
// old config.json and the driver directories no layer refers to. Throws Errc::invalid if `report` is not complete.
void remove_source(const MigrationSource& source, const MigrationTarget& target, const MigrationReport& report);
// What a crash left of that to do.
bool has_source_to_remove(const std::filesystem::path& root);
void finish_removal(const MigrationTarget& target);

}  // namespace cairn
