#include "registry/blob_reader.h"

#include <algorithm>
#include <charconv>

namespace cairn {

static constexpr uint64_t kProgress = 64 << 10;  // bytes that make a new beginning of counting failures

BlobReader::BlobReader(RegistryTransport& transport, const Descriptor& blob)
    : transport_(transport),
      digest_(digest_of(blob).str()),
      size_(static_cast<uint64_t>(std::max<int64_t>(blob.size, 0))) {}

// "bytes 5-9/10", "bytes 5-9/*": where it begins.
static std::optional<uint64_t> start_of_range(const std::string& header) {
  constexpr std::string_view unit = "bytes ";
  uint64_t out = 0;
  if (!header.starts_with(unit)) return std::nullopt;
  const auto [end, error] = std::from_chars(header.data() + unit.size(), header.data() + header.size(), out);
  return error == std::errc() && *end == '-' ? std::optional(out) : std::nullopt;
}

void BlobReader::open() {
  RegistryCall call{"GET", "blobs/" + digest_, {}, {}, {transport_.pull_scope()}};
  if (at_ > 0) call.headers.push_back("Range: bytes=" + std::to_string(at_) + "-");
  way_ = transport_.way();
  answer_ = transport_.call(call, {416});
  if (at_ == 0) return;
  const auto start = answer_->status() == 206 ? start_of_range(answer_->header("content-range")) : std::nullopt;
  if (start == at_) return;
  if (answer_->status() != 200)
    throw Error(Errc::corrupt, "taking up the blob at byte " + std::to_string(at_) + ": the registry answers " +
                                   std::to_string(answer_->status()) + " with the range '" +
                                   printable(answer_->header("content-range"), 80) + "'");
  // It sends the whole again: what is known of it is read past.
  std::vector<char> waste(256 << 10);
  for (uint64_t left = at_; left > 0;) {
    const size_t n = answer_->read(std::span(waste).first(std::min<uint64_t>(left, waste.size())));
    if (n == 0) throw HttpFailure("the connection ended too early", true);
    left -= n;
  }
}

size_t BlobReader::take(std::span<char> into) {
  if (!answer_) open();
  const size_t n = answer_->read(into);
  at_ += n, since_ += n;
  if (size_ > 0 && at_ > size_)
    throw Error(Errc::corrupt,
                "reading it: the registry sends more than the " + std::to_string(size_) + " bytes its manifest says");
  if (n == 0 && at_ < size_)
    throw HttpFailure("the connection ended after " + std::to_string(at_) + " of " + std::to_string(size_) + " bytes",
                      true);
  return n;
}

size_t BlobReader::read(std::span<char> into) {
  return while_doing([&] { return "fetching blob " + digest_; },
                     [&]() -> size_t {
                       for (;;) {
                         try {
                           return take(into);
                         } catch (const HttpFailure& e) {
                           const bool lacks_only_its_end =
                               size_ > 0 && at_ == size_ && answer_ && answer_->header("content-length").empty();
                           answer_.reset();
                           if (lacks_only_its_end) return 0;
                           if (since_ >= kProgress) failed_ = 0;
                           since_ = 0;
                           if (!transport_.leave_mirror(way_) && !transport_.pause(failed_++, e.what())) throw;
                         }
                       }
                     });
}

}  // namespace cairn
