// What a graph driver plugin does, on one of cairn's drivers. Knows no HTTP. All functions may be called from several
// threads; those that change one layer wait for each other.
//
// Below the home that the engine names lie the driver's own directory, mnt/ID, where layers are shown, and rw/ID, which
// says that a layer was made for a container. An image's layer is made when it is filled: until then (Create before
// ApplyDiff) it is known to this process only.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/changes.h"
#include "core/archive/stream.h"
#include "core/interfaces/driver.h"

namespace cairn::plugin {

// `options`: as in --storage-opt, "key=value".
using OpenDriver =
    std::function<std::unique_ptr<Driver>(const std::filesystem::path& home, const std::vector<std::string>& options)>;

class GraphService {
 public:
  explicit GraphService(OpenDriver open) : open_(std::move(open)) {}
  ~GraphService();  // as cleanup()

  // Once; again only with the same home. What an earlier process left mounted stays, and is used.
  void init(const std::filesystem::path& home, const std::vector<std::string>& options);
  void create(const LayerId& id, const std::optional<LayerId>& parent);
  void create_read_write(const LayerId& id, const std::optional<LayerId>& parent);
  void remove(const LayerId& id);
  std::filesystem::path get(const LayerId& id);  // shown there until as many put()
  void put(const LayerId& id);
  bool exists(const LayerId& id);
  std::vector<std::vector<std::string>> status();
  std::map<std::string, std::string> metadata(const LayerId& id);
  void cleanup();  // unmounts all that is shown

  void diff(const LayerId& id, const std::optional<LayerId>& parent, ByteSink& out);
  std::vector<Change> changes(const LayerId& id, const std::optional<LayerId>& parent);
  int64_t diff_size(const LayerId& id, const std::optional<LayerId>& parent);
  // Fills a layer of which create() was called; reads `tar` to its end.
  int64_t apply_diff(const LayerId& id, const std::optional<LayerId>& parent, ByteSource& tar);

 private:
  struct Layer {
    std::mutex mutex;
    unsigned shown = 0;                             // get() without put()
    std::optional<std::optional<LayerId>> to_make;  // the parent of a layer that is still to be made
  };
  class Held;
  Driver& driver();
  void require_whole(const LayerId& id);  // makes what is still to be made
  void make(const LayerId& id, Layer& layer);
  void require_new(const LayerId& id, const Layer& layer);
  void show(const LayerId& id, const std::filesystem::path& place);
  void hide(const LayerId& id);
  Tree tree(const std::optional<LayerId>& id);

  OpenDriver open_;
  std::mutex mutex_;
  std::filesystem::path home_;
  std::unique_ptr<Driver> driver_;
  std::map<LayerId, std::shared_ptr<Layer>> layers_;  // those in use
};

}  // namespace cairn::plugin
