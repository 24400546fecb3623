#include "tests/conformance/served_driver.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "drivers/plugin/plugin.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {

namespace fs = std::filesystem;

namespace {

class Served {
 public:
  explicit Served(const plugin::OpenDriver& open)
      : server_(socket(), open), thread_([this] { server_.run([this] { return stop_.load(); }); }) {}
  ~Served() {
    stop_ = true;
    plugin::somebody_listens(socket());  // wakes it
    thread_.join();
  }
  fs::path socket() const { return fs::path(dir_ / "served.sock"); }
  fs::path mounts() const { return fs::path(dir_ / "mounts"); }

 private:
  TempDir dir_{fs::temp_directory_path()};
  std::atomic<bool> stop_ = false;
  plugin::HttpServer server_;
  std::thread thread_;
};

std::shared_ptr<Served> server_of(const fs::path& root, const plugin::OpenDriver& open) {
  static std::mutex mutex;
  static std::map<fs::path, std::weak_ptr<Served>> servers;
  const std::lock_guard lock(mutex);
  auto server = servers[root].lock();
  if (!server) servers[root] = server = std::make_shared<Served>(open);
  return server;
}

// The client's driver, as it is, with the server that it needs.
class ServedDriver : public Driver {
 public:
  ServedDriver(std::shared_ptr<Served> server, std::unique_ptr<Driver> client)
      : server_(std::move(server)), client_(std::move(client)) {}

  std::string_view name() const noexcept override { return client_->name(); }
  DriverStatus probe() const override { return client_->probe(); }
  bool layers_stand_alone() const noexcept override { return client_->layers_stand_alone(); }
  bool exists(const LayerId& id) const override { return client_->exists(id); }
  std::vector<LayerId> list() const override { return client_->list(); }
  void create(const LayerId& id, const std::optional<LayerId>& parent) override { client_->create(id, parent); }
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override { return client_->begin(id); }
  void remove(const LayerId& id) override { client_->remove(id); }
  Tree tree(const LayerId& id) const override { return client_->tree(id); }
  int64_t layer_size(const LayerId& id, int64_t content) const override { return client_->layer_size(id, content); }
  uint64_t disk_usage(const LayerId& id) const override { return client_->disk_usage(id); }
  void mount(const LayerId& id, Access access, const fs::path& to) override { client_->mount(id, access, to); }
  int home_fd() const override { return client_->home_fd(); }

 private:
  std::shared_ptr<Served> server_;
  std::unique_ptr<Driver> client_;
};

}  // namespace

std::unique_ptr<Driver> open_served(const fs::path& root, const plugin::OpenDriver& open) {
  auto server = server_of(root, open);
  plugin::Setup setup;
  setup.places.mounts = server->mounts();
  auto client = plugin::open_plugin(root, server->socket().string(), {}, std::move(setup));
  return std::make_unique<ServedDriver>(std::move(server), std::move(client));
}

}  // namespace cairn::test
