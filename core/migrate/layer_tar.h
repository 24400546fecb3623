// A layer's tar, put together again to learn its hash: from its tar-split record, or anew from what its tree has and
// its parent's has not.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "core/archive/changes.h"
#include "core/archive/stream.h"
#include "core/archive/tree.h"
#include "core/digest/digest.h"
#include "core/util/error.h"

namespace cairn {

struct LayerTar {
  DiffId diff;
  int64_t size = 0;  // sum of the entry sizes
};

struct Watch {
  std::function<void(std::span<const char>)> bytes;  // sees every byte of the tar; may throw to stop
  std::function<void()> file = [] {};                // once for each entry
};
Watch until_interrupted();  // only that

// Nothing about a layer's own state: the user stopped, or a disk fails that may work on another day.
bool tells_nothing(const Error& error);

// Errc::corrupt, or not_found, where the record or the tree is damaged.
LayerTar recorded_tar(ByteSource& json_lines, Tree tree, const Watch& watch);
// What a layer's tar is made anew from.
struct LayerFiles {
  Tree tree, parent;
  std::optional<Tree> own{};  // see Driver::own_files
  IdBase ids{};               // owners are the host's there, and the container's in the tar
};
// As cairn makes it of the trees' difference; or as an engine, of the layer's own files.
using TarForm = std::optional<EngineTarForm>;

// `tar_split` takes the gzipped record of it.
LayerTar fresh_tar(const LayerFiles& files, const TarForm& form, ByteSink& tar_split, const Watch& watch);
// Looks for the form in which it has the DiffID.
struct FoundForm {
  bool fits = false;  // else there is none, and the size is that of any
  TarForm form{};
  int64_t size = 0;
};
FoundForm find_form(const LayerFiles& files, const DiffId& wanted, const Watch& watch);

// What a tar-split record says without the tree. Reads it to its end: Errc::corrupt where it is damaged.
struct TarSplitContent {
  std::set<std::string> names;  // cleaned paths
  int64_t size = 0;
};
TarSplitContent content_of_tar_split(ByteSource& json_lines);

// Whether it is the layer's own can be told by a few names: the record of another layer names other files.
bool tree_has_some_of(const std::set<std::string>& names, const Tree& tree);

// The tree has what `names` has, and nothing beyond that and its parent: a record without file contents fits any tree.
bool tree_has_just(const std::set<std::string>& names, const Tree& tree, const Tree& parent);

}  // namespace cairn
