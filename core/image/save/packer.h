// Layers that are compressed before they can be written: a tar's header and a manifest want sizes and digests first.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/digest/digest.h"
#include "core/interfaces/progress.h"
#include "core/layer/layer_store.h"
#include "core/util/fd.h"

namespace cairn {

class LayerPacker {
 public:
  struct Packed {
    Fd file;  // without a name: it goes with its descriptor
    Digest digest;
    uint64_t bytes;
  };

  struct Wanted {
    ChainId chain;      // where the store has it
    std::string image;  // the first that needs it, for messages
  };

  // Files lie in the directory `scratch`; when that is full, `hint` says what would help.
  LayerPacker(LayerStore& layers, Progress& progress, std::string scratch, std::string hint)
      : layers_(layers), progress_(progress), scratch_(std::move(scratch)), hint_(std::move(hint)) {}

  // Those not packed yet, on all cores.
  void pack(const std::map<DiffId, Wanted>& wanted, unsigned jobs);
  const Packed& at(const DiffId& diff) const { return packed_.at(diff); }

 private:
  Packed pack_one(const DiffId& diff, const Wanted& wanted);

  LayerStore& layers_;
  Progress& progress_;
  const std::string scratch_, hint_;
  std::map<DiffId, Packed> packed_;
};

}  // namespace cairn
