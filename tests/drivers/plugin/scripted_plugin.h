// A plugin that does what a test tells it to, on a real unix socket.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "drivers/plugin/socket.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {

class ScriptedPlugin {
 public:
  // Gets the connection after the request's header was read; what it writes is all that is answered.
  using Act = std::function<void(int fd)>;

  explicit ScriptedPlugin(const std::string& name = "scripted");
  ~ScriptedPlugin();
  std::string socket() const { return dir_ / (name_ + ".sock"); }
  const std::filesystem::path& dir() const { return dir_.path(); }

  void on(const std::string& method, Act act);
  void say(const std::string& method, const std::string& json, int status = 200);  // a proper answer
  std::vector<std::string> asked() const;                                          // methods, in order

 private:
  void run();
  void serve(Fd connection);

  TempDir dir_;
  std::string name_;
  mutable std::mutex mutex_;
  std::map<std::string, Act> acts_;
  std::vector<std::string> asked_;
  std::atomic<bool> stop_ = false;
  plugin::Listener listener_;
  std::thread thread_;
};

void write_text(int fd, const std::string& text);  // failures are the other side's business
std::string http_response(const std::string& body, int status = 200);

}  // namespace cairn::test
