#include "drivers/plugin/chunks.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>

namespace cairn::plugin {

namespace http = boost::beast::http;

constexpr size_t kChunk = 256 << 10;

void ChunkSink::write(std::span<const char> bytes) {
  buffer_.append(bytes.data(), bytes.size());
  if (buffer_.size() >= kChunk) send();
}

void ChunkSink::send() {
  socket_.allow(time_);
  if (!started_) header_();
  started_ = true;
  if (buffer_.empty()) return;
  boost::system::error_code failed;
  boost::asio::write(socket_, http::make_chunk(boost::asio::buffer(buffer_)), failed);
  if (failed) throw Gone(Errc::io, "the connection was closed: " + failed.message());
  buffer_.clear();
}

void ChunkSink::finish() {
  send();
  boost::system::error_code failed;
  boost::asio::write(socket_, http::make_chunk_last(), failed);
  if (failed) throw Gone(Errc::io, "the connection was closed: " + failed.message());
}

}  // namespace cairn::plugin
