// Pulls and pushes on stderr as docker shows them: a line for each layer, and one for the whole below.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cli/output/counted_progress.h"
#include "cli/output/progress.h"

namespace cairn {

// What is said for a state of core's; states that are not here are not shown.
struct LayerWords {
  std::map<std::string, std::string> live;   // on a terminal: "applying" -> "Downloading"
  std::map<std::string, std::string> plain;  // one line a change elsewhere
};
extern const LayerWords kPullWords, kPushWords;

class LayerProgress : public CountedProgress {
 public:
  // A line above the layers that follow: "latest: Pulling from library/busybox". What is finished stays above it.
  virtual void title(const std::string& line) = 0;
  virtual void notice(const std::string& line) = 0;  // of no consequence: a request that is repeated
};

// `words` outlives it. The destructor draws the last state of each layer and leaves it standing.
std::unique_ptr<LayerProgress> make_layer_progress(ProgressStyle style, const LayerWords& words);

}  // namespace cairn
