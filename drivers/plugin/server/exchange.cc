#include "drivers/plugin/server/exchange.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>

#include "core/util/error.h"
#include "drivers/plugin/chunks.h"
#include "drivers/plugin/message.h"
#include "drivers/plugin/server/methods.h"

namespace cairn::plugin {

namespace http = boost::beast::http;

namespace {

using Json = nlohmann::ordered_json;
using Parser = http::request_parser<http::buffer_body>;

// One request, whose header is read.
class Exchange {
 public:
  Exchange(Socket& socket, boost::beast::flat_buffer& buffer, Parser& parser, GraphService& service,
           const Patience& patience)
      : socket_(socket), buffer_(buffer), parser_(parser), service_(service), patience_(patience) {}

  bool answer();  // false when the connection is of no more use

 private:
  class Body;
  void dispatch(const std::string& method, const std::string& query);
  void call(const std::string& method);
  void diff();
  void apply_diff(const std::string& query);
  void respond(http::status status, const Json& body);

  Socket& socket_;
  boost::beast::flat_buffer& buffer_;
  Parser& parser_;
  GraphService& service_;
  const Patience& patience_;
  bool answered_ = false;
};

// Read as it comes, however large.
class Exchange::Body : public ByteSource {
 public:
  explicit Body(Exchange& exchange) : exchange_(exchange) {}
  size_t read(std::span<char> into) override {
    auto& parser = exchange_.parser_;
    while (!parser.is_done()) {
      exchange_.socket_.allow(exchange_.patience_.work);
      auto& body = parser.get().body();
      body.data = into.data();
      body.size = into.size();
      boost::system::error_code failed;
      http::read(exchange_.socket_, exchange_.buffer_, parser, failed);
      if (failed == http::error::need_buffer) failed = {};
      if (failed) throw Error(Errc::io, "reading the request: " + failed.message());
      if (const size_t n = into.size() - body.size; n > 0) return n;
    }
    return 0;
  }

 private:
  Exchange& exchange_;
};

// Of a query as engines write it: nothing is escaped.
std::string parameter(const std::string& query, const std::string& name) {
  for (size_t at = 0; at < query.size();) {
    const size_t end = std::min(query.find('&', at), query.size());
    if (query.compare(at, name.size() + 1, name + "=") == 0)
      return query.substr(at + name.size() + 1, end - at - name.size() - 1);
    at = end + 1;
  }
  return "";
}

void Exchange::respond(http::status status, const Json& body) {
  answered_ = true;
  http::response<http::string_body> response(status, 11);
  response.set(http::field::content_type, kMediaType);
  response.keep_alive(parser_.get().keep_alive() && parser_.is_done());
  response.body() = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  response.prepare_payload();
  socket_.allow(patience_.quick);
  boost::system::error_code failed;
  http::write(socket_, response, failed);
  if (failed) throw ChunkSink::Gone(Errc::io, failed.message());
}

void Exchange::call(const std::string& method) {
  const auto known = methods().find(method);
  if (known == methods().end()) {
    respond(http::status::not_found, {{"Err", "there is no method '" + printable(method) + "'"}});
    return;
  }
  Body body(*this);
  const std::string text = read_all(body, kMaxMessage);
  respond(http::status::ok, known->second(service_, Message(text.empty() ? "{}" : text)));
}

void Exchange::diff() {
  Body body(*this);
  const Message request(read_all(body, kMaxMessage));
  ChunkSink out(socket_, patience_.work, [&] {
    answered_ = true;
    http::response<http::buffer_body> response(http::status::ok, 11);
    response.set(http::field::content_type, "application/x-tar");
    response.keep_alive(parser_.get().keep_alive());
    response.chunked(true);
    http::response_serializer<http::buffer_body> serializer(response);
    boost::system::error_code failed;
    http::write_header(socket_, serializer, failed);
    if (failed) throw ChunkSink::Gone(Errc::io, failed.message());
  });
  service_.diff(request.layer(), request.parent(), out);
  out.finish();
}

void Exchange::apply_diff(const std::string& query) {
  const std::string parent = parameter(query, "parent");
  Body tar(*this);
  const int64_t size = service_.apply_diff(LayerId(parameter(query, "id")),
                                           parent.empty() ? std::nullopt : std::optional(LayerId(parent)), tar);
  respond(http::status::ok, {{"Size", size}, {"Err", ""}});
}

void Exchange::dispatch(const std::string& method, const std::string& query) {
  if (parser_.get().method() != http::verb::post)
    respond(http::status::method_not_allowed, {{"Err", "only POST is answered"}});
  else if (method == "GraphDriver.Diff")
    diff();
  else if (method == "GraphDriver.ApplyDiff")
    apply_diff(query);
  else
    call(method);
}

bool Exchange::answer() {
  const auto path = parser_.get().target();
  const std::string target(path.data(), path.size());
  const size_t question = std::min(target.find('?'), target.size());
  try {
    dispatch(target.substr(std::min<size_t>(1, question), question - std::min<size_t>(1, question)),
             question < target.size() ? target.substr(question + 1) : "");
  } catch (const ChunkSink::Gone&) {
    return false;
  } catch (const std::exception& e) {
    // A tar that has begun cannot be taken back: it stays without its end, and the reader sees that it is cut off.
    if (answered_) return false;
    respond(http::status::internal_server_error, {{"Err", e.what()}});
  }
  if (parser_.is_done()) return parser_.get().keep_alive();
  // The other side may still be writing, and would see a broken connection before it sees the answer.
  socket_.end_of_output();
  socket_.allow(std::chrono::seconds(5));
  socket_.discard_input();
  return false;
}

bool converse_once(Socket& socket, boost::beast::flat_buffer& buffer, GraphService& service, const Patience& patience) {
  if (buffer.size() == 0) socket.wait_for_input();
  socket.allow(patience.quick);
  Parser parser;
  parser.body_limit(UINT64_MAX);  // whoever reads the body has a limit, or needs none
  boost::system::error_code failed;
  http::read_header(socket, buffer, parser, failed);
  return !failed && Exchange(socket, buffer, parser, service, patience).answer();
}

}  // namespace

void converse(Socket& socket, GraphService& service, const Patience& patience) noexcept {
  try {
    boost::beast::flat_buffer buffer(1 << 20);
    buffer.reserve(64 << 10);  // what is read at once
    while (converse_once(socket, buffer, service, patience)) {
    }
  } catch (const std::exception&) {  // too slow, or we are to end: nobody is there to be told
  }
  socket.end_of_output();
}

}  // namespace cairn::plugin
