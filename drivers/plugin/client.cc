#include "drivers/plugin/client.h"

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "drivers/plugin/chunks.h"
#include "drivers/plugin/socket.h"

namespace cairn::plugin {

namespace fs = std::filesystem;
namespace http = boost::beast::http;
using std::chrono::milliseconds;

namespace {

constexpr unsigned kHttp11 = 11;

template <typename Body>
http::request<Body> request_to(const std::string& target) {
  http::request<Body> out(http::verb::post, target, kHttp11);
  out.set(http::field::host, "plugin.moby.localhost");
  out.set(http::field::accept, kMediaType);
  out.set(http::field::connection, "close");
  return out;
}

std::string why(const boost::system::error_code& failed) {
  if (failed == http::error::end_of_stream) return "it closed the connection without an answer";
  if (failed == http::error::partial_message) return "its answer is cut off";
  if (failed == http::error::body_limit) return "its answer is larger than 1 MiB";
  if (failed == http::error::header_limit) return "its answer's header has no end";
  if (failed.category() == boost::system::system_category()) return "the connection broke: " + failed.message();
  return "its answer is not HTTP: " + failed.message();
}

http::response<http::string_body> read_response(Socket& socket) {
  boost::beast::flat_buffer buffer(kMaxMessage + (64 << 10));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxMessage);
  boost::system::error_code failed;
  http::read(socket, buffer, parser, failed);
  if (failed) throw Error(Errc::io, why(failed));
  return parser.release();
}

// What a plugin says about a failure, whether it kept to JSON or not.
std::string complaint(unsigned status, const std::string& body) {
  std::string said;
  try {
    said = Message(body).text("Err");
  } catch (const Error&) {
    said = body.substr(0, body.find_last_not_of("\r\n \t") + 1);
  }
  const std::string code = "status " + std::to_string(status);
  return said.empty() ? "it answered with " + code : "it says: " + printable(said) + " (" + code + ")";
}

std::string text_of(const nlohmann::ordered_json& request) {
  try {
    return request.is_null() ? "" : request.dump() + "\n";
  } catch (const nlohmann::json::exception&) {
    throw Error(Errc::unsupported, "a path or an option is not UTF-8, which JSON needs");
  }
}

nlohmann::ordered_json about(const LayerId& id, const std::optional<LayerId>& parent = {}) {
  nlohmann::ordered_json out{{"ID", id.str()}};
  if (parent) out["Parent"] = parent->str();
  return out;
}

fs::path checked_directory(const std::string& dir) {
  const auto refuse = [&](const char* why_not) {
    throw Error(Errc::corrupt, "it gives the directory '" + printable(dir) + "', which " + why_not);
  };
  const fs::path path(dir);
  if (dir.find('\0') != std::string::npos) refuse("has a NUL byte");
  if (!path.is_absolute()) refuse("is not an absolute path");
  if (std::find(path.begin(), path.end(), "..") != path.end()) refuse("leads upwards");
  if (path == path.root_path()) refuse("is the root of this system");
  const auto opened = try_open_at(AT_FDCWD, dir, O_PATH | O_DIRECTORY);
  if (!opened) refuse("cannot be seen from here: the plugin must share the mount namespace, or propagate its mounts");
  return path;
}

}  // namespace

std::string Client::asking(const std::string& method) const {
  return "asking the plugin '" + printable(name_) + "' for " + method;
}

Client::Reply Client::post(const std::string& method, const std::string& body, milliseconds time) const {
  Socket socket = Socket::connect(socket_, time);
  auto request = request_to<http::string_body>("/" + method);
  request.body() = body;
  request.prepare_payload();
  boost::system::error_code failed;
  http::write(socket, request, failed);  // a refusal may come before all of it is sent
  auto response = read_response(socket);
  return {response.result_int(), std::move(response.body())};
}

Client::Reply Client::post_stream(const std::string& target, const std::function<void(ByteSink&)>& write) const {
  Socket socket = Socket::connect(socket_, patience_.quick);
  auto request = request_to<http::buffer_body>(target);
  request.chunked(true);
  ChunkSink body(socket, patience_.work, [&] {
    http::request_serializer<http::buffer_body> serializer(request);
    boost::system::error_code failed;
    http::write_header(socket, serializer, failed);
    if (failed) throw ChunkSink::Gone(Errc::io, "the connection was closed: " + failed.message());
  });
  try {
    write(body);
    body.finish();
  } catch (const ChunkSink::Gone& gone) {
    try {
      auto early = read_response(socket);
      return {early.result_int(), std::move(early.body())};
    } catch (const Error&) {
      throw Error(Errc::io, gone.what());
    }
  }
  socket.allow(patience_.work);
  auto response = read_response(socket);
  return {response.result_int(), std::move(response.body())};
}

static Message checked(unsigned status, std::string body) {
  if (status != 200) throw Error(Errc::io, complaint(status, body));
  if (body.empty()) throw Error(Errc::corrupt, "its answer is empty");
  const std::string failure =
      while_doing([] { return "reading its answer"; }, [&] { return Message(body).text("Err"); });
  if (!failure.empty()) throw Error(Errc::io, "it says: " + printable(failure));
  return Message(std::move(body));
}

template <typename Read>
auto Client::call(const std::string& method, const Json& request, milliseconds time, Read&& read) const {
  return while_doing([&] { return asking(method); },
                     [&] {
                       Reply reply = post(method, text_of(request), time);
                       return read(checked(reply.status, std::move(reply.body)));
                     });
}

static void nothing(const Message&) {}

bool Client::is_graph_driver() const {
  return call("Plugin.Activate", nullptr, patience_.quick, [](const Message& answer) {
    const auto interfaces = answer.texts("Implements");
    return std::find(interfaces.begin(), interfaces.end(), "GraphDriver") != interfaces.end();
  });
}

void Client::init(const fs::path& home, const std::vector<std::string>& options) const {
  Json request{{"Home", home.string()}, {"Opts", nullptr}, {"UIDMaps", nullptr}, {"GIDMaps", nullptr}};
  if (!options.empty()) request["Opts"] = options;
  call("GraphDriver.Init", request, patience_.work, nothing);
}

bool Client::reproduces_exact_diffs() const {
  const std::string method = "GraphDriver.Capabilities";
  return while_doing([&] { return asking(method); },
                     [&] {
                       auto [status, body] = post(method, "{}\n", patience_.quick);
                       if (status == 404) return false;  // older than this call
                       const auto capabilities = checked(status, std::move(body)).object("Capabilities");
                       return capabilities && capabilities->flag("ReproducesExactDiffs");
                     });
}

bool Client::exists(const LayerId& id) const {
  return call("GraphDriver.Exists", about(id), patience_.quick,
              [](const Message& answer) { return answer.flag("Exists"); });
}

void Client::create_read_write(const LayerId& id, const std::optional<LayerId>& parent) const {
  call("GraphDriver.CreateReadWrite", about(id, parent), patience_.work, nothing);
}

void Client::create(const LayerId& id, const std::optional<LayerId>& parent) const {
  call("GraphDriver.Create", about(id, parent), patience_.work, nothing);
}

void Client::remove(const LayerId& id) const { call("GraphDriver.Remove", about(id), patience_.work, nothing); }

fs::path Client::get(const LayerId& id) const {
  const std::string dir =
      call("GraphDriver.Get", about(id), patience_.work, [](const Message& answer) { return answer.text("Dir"); });
  try {
    return while_doing([&] { return asking("GraphDriver.Get"); }, [&] { return checked_directory(dir); });
  } catch (const Error&) {
    try {
      put(id);
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

void Client::put(const LayerId& id) const { call("GraphDriver.Put", about(id), patience_.quick, nothing); }

int64_t Client::diff_size(const LayerId& id, const std::optional<LayerId>& parent) const {
  return call("GraphDriver.DiffSize", about(id, parent), patience_.work,
              [](const Message& answer) { return answer.number("Size"); });
}

int64_t Client::apply_diff(const LayerId& id, const std::optional<LayerId>& parent,
                           const std::function<void(ByteSink&)>& write) const {
  // Ids need no escaping.
  const std::string target = "/GraphDriver.ApplyDiff?id=" + id.str() + "&parent=" + (parent ? parent->str() : "");
  return while_doing([&] { return asking("GraphDriver.ApplyDiff"); },
                     [&] {
                       auto [status, body] = post_stream(target, write);
                       return checked(status, std::move(body)).number("Size");
                     });
}

}  // namespace cairn::plugin
