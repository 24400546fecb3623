#include "tests/drivers/plugin/scripted_plugin.h"

#include <sys/socket.h>

namespace cairn::test {

void write_text(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

std::string http_response(const std::string& body, int status) {
  return "HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

ScriptedPlugin::ScriptedPlugin(const std::string& name)
    : dir_(std::filesystem::temp_directory_path()),
      name_(name),
      listener_(dir_ / (name + ".sock")),
      thread_([this] { run(); }) {
  say("Plugin.Activate", R"({"Implements":["VolumeDriver","GraphDriver"]})");
  say("GraphDriver.Init", "{}");
  say("GraphDriver.Capabilities", "no such thing", 404);
  for (const char* method : {"Put", "Remove", "Create", "CreateReadWrite"})
    say(std::string("GraphDriver.") + method, R"({"Err":""})");
  say("GraphDriver.Exists", R"({"Exists":true})");
}

ScriptedPlugin::~ScriptedPlugin() {
  stop_ = true;
  thread_.join();
}

void ScriptedPlugin::on(const std::string& method, Act act) {
  const std::lock_guard lock(mutex_);
  acts_[method] = std::move(act);
}

void ScriptedPlugin::say(const std::string& method, const std::string& json, int status) {
  on(method, [=](int fd) { write_text(fd, http_response(json, status)); });
}

std::vector<std::string> ScriptedPlugin::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void ScriptedPlugin::run() {
  while (!stop_)
    if (auto connection = listener_.accept(std::chrono::milliseconds(20))) serve(std::move(*connection));
}

void ScriptedPlugin::serve(Fd connection) {
  std::string request;
  char byte;
  while (!request.ends_with("\r\n\r\n"))
    if (::read(connection.get(), &byte, 1) != 1)
      return;
    else
      request += byte;
  const size_t from = request.find('/') + 1, to = request.find_first_of(" ?", from);
  const std::string method = request.substr(from, to - from);
  Act act;
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(method);
    act = acts_[method];
  }
  if (act) act(connection.get());
}

}  // namespace cairn::test
