// Calls to a graph driver plugin. Each is one connection: a plugin that dies costs the call that it died in.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/archive/stream.h"
#include "drivers/plugin/message.h"

namespace cairn::plugin {

struct Patience {
  std::chrono::milliseconds quick = std::chrono::seconds(30);  // for what takes a plugin no time
  std::chrono::milliseconds work = std::chrono::minutes(10);   // for what may copy a layer; for each part of a stream
};

class Client {
 public:
  Client(std::string name, std::filesystem::path socket, Patience patience = {})
      : name_(std::move(name)), socket_(std::move(socket)), patience_(patience) {}

  bool is_graph_driver() const;  // Plugin.Activate
  void init(const std::filesystem::path& home, const std::vector<std::string>& options) const;
  bool reproduces_exact_diffs() const;
  bool exists(const LayerId& id) const;
  void create_read_write(const LayerId& id, const std::optional<LayerId>& parent) const;
  void create(const LayerId& id, const std::optional<LayerId>& parent) const;
  void remove(const LayerId& id) const;
  std::filesystem::path get(const LayerId& id) const;  // an existing directory
  void put(const LayerId& id) const;
  int64_t diff_size(const LayerId& id, const std::optional<LayerId>& parent) const;
  // Sends the tar that `write` writes; returns the size the plugin makes of it.
  int64_t apply_diff(const LayerId& id, const std::optional<LayerId>& parent,
                     const std::function<void(ByteSink&)>& write) const;

  const std::string& name() const noexcept { return name_; }
  const std::filesystem::path& socket() const noexcept { return socket_; }

 private:
  using Json = nlohmann::ordered_json;
  struct Reply {
    unsigned status = 0;
    std::string body;
  };
  // Texts of failures begin with what was asked of whom.
  std::string asking(const std::string& method) const;
  // `read`: what is wanted of the answer.
  template <typename Read>
  auto call(const std::string& method, const Json& request, std::chrono::milliseconds time, Read&& read) const;
  Reply post(const std::string& method, const std::string& body, std::chrono::milliseconds time) const;
  Reply post_stream(const std::string& target, const std::function<void(ByteSink&)>& write) const;

  std::string name_;
  std::filesystem::path socket_;
  Patience patience_;
};

}  // namespace cairn::plugin
