#include "registry/blob_upload.h"

#include <charconv>
#include <exception>

#include "core/util/interrupt.h"
#include "registry/url.h"

namespace cairn {
namespace {

constexpr uint64_t kProgress = 64 << 10;  // bytes that make a new beginning of counting failures

// What the registry has of the blob already is not sent again; all of it is hashed.
class Resumed : public ByteSink {
 public:
  Resumed(HttpUpload& to, uint64_t has, uint64_t& sent) : to_(to), skip_(has), sent_(sent) {}
  void write(std::span<const char> bytes) override {
    hash.update(bytes);
    size += bytes.size();
    const size_t known = std::min<uint64_t>(skip_, bytes.size());
    skip_ -= known;
    if (known == bytes.size()) return;
    try {
      sent_ = std::max(sent_, size);
      to_.write(bytes.subspan(known));
    } catch (const HttpFailure&) {
      failure = std::current_exception();
      throw;
    }
  }
  Sha256 hash;
  uint64_t size = 0;
  std::exception_ptr failure;  // what producers make of it on its way up may be another Error

 private:
  HttpUpload& to_;
  uint64_t skip_;
  uint64_t& sent_;
};

class Upload {
 public:
  Upload(RegistryTransport& transport, const BlobProducer& produce) : transport_(transport), produce_(produce) {}

  UploadedBlob run() {
    for (unsigned failed = 0;;) {
      try {
        if (location_.empty()) begin();
        const UploadedBlob sent = send();
        commit(sent);
        return sent;
      } catch (const HttpFailure& e) {
        if (!transport_.pause(failed++, e.what())) throw;
        const uint64_t had = has_;
        ask_how_far();
        if (has_ >= had + kProgress) failed = 0;
      }
    }
  }

 private:
  std::vector<std::string> scopes() const { return {transport_.push_scope()}; }

  void take_location(HttpAnswer& answer) {
    const std::string location = answer.header("location");
    if (location.empty()) throw Error(Errc::corrupt, "uploading: the registry does not say where to");
    location_ = resolved_url(answer.url(), location);
  }

  void begin() {
    const auto answer = transport_.call({"POST", "blobs/uploads/", {}, {}, scopes()});
    take_location(*answer);
    has_ = 0;
  }

  UploadedBlob send() {
    const auto upload =
        transport_.upload({"PATCH", location_, {"Content-Type: application/octet-stream"}, {}, scopes()});
    Resumed sink(*upload, has_, sent_);
    std::unique_ptr<HttpAnswer> answer;
    try {
      produce_(sink);
    } catch (const Error&) {
      if (!sink.failure) throw;
      answer = upload->early_answer();
      if (!answer) std::rethrow_exception(sink.failure);
    }
    if (answer && answer->status() / 100 == 2)
      throw HttpFailure("it took the upload for complete before its end", true);
    if (!answer) answer = upload->finish();
    check(*answer);
    take_location(*answer);
    return {sink.hash.finish(), sink.size};
  }

  // A refusal that may have passed by the next try is as good as a broken connection.
  static void check(HttpAnswer& answer) {
    if (answer.status() / 100 == 2) return;
    if (answer.status() < 400) throw HttpFailure("it redirects an upload", true);
    const auto fault = RegistryTransport::refusal(answer);
    if (fault.retryable || answer.status() == 401 || answer.status() == 404 || answer.status() == 416)
      throw HttpFailure(fault.text, true);
    throw Error(fault.code, fault.text);
  }

  void commit(const UploadedBlob& sent) {
    const std::string to = location_ + (location_.find('?') == std::string::npos ? "?" : "&") +
                           "digest=" + percent_encoded(sent.digest.str());
    const auto answer =
        transport_.call({"PUT", to, {"Content-Type: application/octet-stream"}, {}, scopes()}, {400, 404, 416});
    if (answer->status() >= 400) {  // what it has is not what was sent, or it knows nothing of it any more
      location_.clear();
      throw HttpFailure(RegistryTransport::refusal(*answer).text, true);
    }
    const std::string said = answer->header("docker-content-digest");
    if (!said.empty() && said != sent.digest.str())
      throw Error(Errc::corrupt,
                  "uploading " + sent.digest.str() + ": the registry has " + printable(said, 100) + " of it");
  }

  // After a failure: the session goes on if the registry says from where; else there is none.
  void ask_how_far() {
    if (location_.empty()) return;
    try {
      const auto answer = transport_.call({"GET", location_, {}, {}, scopes()}, {400, 404, 405, 416});
      const std::string range = answer->header("range");  // "0-41": 42 bytes; "0-0": none, or one
      uint64_t last = 0;
      const bool told = answer->status() / 100 == 2 && range.starts_with("0-") &&
                        std::from_chars(range.data() + 2, range.data() + range.size(), last).ec == std::errc();
      if (told && last > 0 && last < sent_) {
        if (!answer->header("location").empty()) take_location(*answer);
        has_ = last + 1;
        return;
      }
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) throw;
    }
    location_.clear();
  }

  RegistryTransport& transport_;
  const BlobProducer& produce_;
  std::string location_;
  uint64_t has_ = 0;   // bytes that the registry has of the session
  uint64_t sent_ = 0;  // the most that it can have
};

}  // namespace

UploadedBlob upload_blob(RegistryTransport& transport, const BlobProducer& produce) {
  return Upload(transport, produce).run();
}

bool mount_blob(RegistryTransport& transport, const Digest& blob, const std::string& from) {
  const RegistryCall call{"POST",
                          "blobs/uploads/?mount=" + percent_encoded(blob.str()) + "&from=" + percent_encoded(from),
                          {},
                          {},
                          {transport.push_scope(), RegistryTransport::scope_of(from, "pull")}};
  const auto answer = transport.call(call, {400, 401, 403, 404, 405});
  if (answer->status() == 201) return true;
  if (answer->status() == 202 && !answer->header("location").empty())  // a session nobody wants
    transport.call(
        {"DELETE", resolved_url(answer->url(), answer->header("location")), {}, {}, {transport.push_scope()}},
        {400, 401, 403, 404, 405});
  return false;
}

}  // namespace cairn
