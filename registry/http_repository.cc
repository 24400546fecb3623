#include "registry/http_repository.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/image/reference.h"
#include "core/image/schema1.h"
#include "core/json/go_struct.h"
#include "registry/blob_reader.h"
#include "registry/blob_upload.h"
#include "registry/url.h"

namespace cairn {

static constexpr size_t kMaxManifest = 8u << 20;
static constexpr size_t kMaxTagPage = 32u << 20, kMaxTag = 128;  // bytes
static constexpr size_t kMaxTags = 1'000'000, kMaxPages = 10'000;

HttpRepository::HttpRepository(std::unique_ptr<RegistryTransport> transport)
    : transport_(std::move(transport)), name_(transport_->domain() + "/" + transport_->path()) {}

static std::vector<std::string> accepted() {
  std::vector<std::string> out;
  for (const auto type : {media_type::oci_index, media_type::oci_manifest, media_type::manifest_list,
                          media_type::schema2, media_type::signed_schema1, media_type::schema1})
    out.push_back("Accept: " + std::string(type));
  return out;
}

std::optional<Digest> HttpRepository::resolve(const std::string& tag_or_digest) {
  return while_doing([&] { return "looking up '" + printable(tag_or_digest, 200) + "' of " + name_; },
                     [&]() -> std::optional<Digest> {
                       const auto answer = transport_->call(
                           {"HEAD", "manifests/" + tag_or_digest, accepted(), {}, {transport_->pull_scope()}},
                           {400, 404, 405, 406, 415, 500, 501});
                       if (answer->status() >= 400) return std::nullopt;  // what it means, a GET will tell
                       return Digest::parse(answer->header("docker-content-digest"));
                     });
}

static RemoteManifest read_manifest(HttpAnswer& answer, const std::string& asked_for) {
  std::string bytes = read_all(answer, kMaxManifest);
  const bool signed_one = parse_manifest(bytes).kind == Manifest::Kind::schema1;
  std::string payload = signed_one ? verified_schema1_payload(bytes) : bytes;
  const Digest digest = Digest::of(payload);
  const std::string said = answer.header("docker-content-digest");
  for (const std::string& wanted : {asked_for, said})
    if (const auto other = Digest::parse(wanted); other && *other != digest)
      throw Error(Errc::corrupt, "checking it: its digest is " + digest.str() + ", expected " + other->str());
  const std::string type = answer.header("content-type");
  return {type.substr(0, type.find(';')), std::move(bytes), std::move(payload), digest};
}

RemoteManifest HttpRepository::manifest(const std::string& tag_or_digest) {
  return while_doing([&] { return "fetching manifest '" + printable(tag_or_digest, 200) + "' of " + name_; },
                     [&] {
                       if (is_digest(tag_or_digest) && !Digest::parse(tag_or_digest))
                         throw Error(Errc::unsupported, "checking it: of digests, only sha256 is known here");
                       for (unsigned failed = 0;;) {
                         const size_t way = transport_->way();
                         try {
                           const auto answer = transport_->call(
                               {"GET", "manifests/" + tag_or_digest, accepted(), {}, {transport_->pull_scope()}});
                           return read_manifest(*answer, tag_or_digest);
                         } catch (const HttpFailure& e) {  // in the middle of it
                           if (!transport_->leave_mirror(way) && !transport_->pause(failed++, e.what())) throw;
                         }
                       }
                     });
}

// Of `Link: </v2/x/tags/list?last=b&n=100>; rel="next"`; "" if there is no next page.
static std::string next_page(const HttpAnswer& answer) {
  for (const auto& link : answer.headers("link")) {
    const size_t from = link.find('<'), to = link.find('>', from == std::string::npos ? 0 : from);
    if (from == std::string::npos || to == std::string::npos || link.find("next", to) == std::string::npos) continue;
    return resolved_url(answer.url(), link.substr(from + 1, to - from - 1));
  }
  return "";
}

static std::vector<std::string> tags_in(const std::string& page) {
  const auto members = go_json::members(page);
  go_json::Strings tags;
  if (const auto* field = go_json::find_field(members, "tags")) go_json::decode(field->raw, tags);
  for (const auto& tag : tags.value_or(std::vector<std::string>()))
    if (tag.size() > kMaxTag)
      throw Error(Errc::corrupt,
                  "'" + printable(tag, 40) + "' is no tag: it has " + std::to_string(tag.size()) + " bytes");
  return tags.value_or(std::vector<std::string>());
}

std::vector<std::string> HttpRepository::tags() {
  return while_doing([&] { return "listing the tags of " + name_; },
                     [&] {
                       std::vector<std::string> out;
                       std::set<Digest> seen;  // pages: links may lead in circles
                       for (std::string page = "tags/list?n=1000";
                            !page.empty() && seen.insert(Digest::of(page)).second;) {
                         const auto answer = transport_->call({"GET", page, {}, {}, {transport_->pull_scope()}});
                         const auto tags = tags_in(read_all(*answer, kMaxTagPage));
                         out.insert(out.end(), tags.begin(), tags.end());
                         if (out.size() > kMaxTags || seen.size() > kMaxPages)
                           throw Error(Errc::corrupt, "there is no end of them");
                         page = tags.empty() ? "" : next_page(*answer);
                       }
                       std::sort(out.begin(), out.end());
                       out.erase(std::unique(out.begin(), out.end()), out.end());
                       return out;
                     });
}

std::unique_ptr<ByteSource> HttpRepository::blob(const Descriptor& blob) {
  return std::make_unique<BlobReader>(*transport_, blob);
}

std::optional<uint64_t> HttpRepository::size_of(const Digest& blob) {
  return while_doing([&] { return "asking " + name_ + " for blob " + blob.str(); },
                     [&]() -> std::optional<uint64_t> {
                       const auto answer = transport_->call(
                           {"HEAD", "blobs/" + blob.str(), {}, {}, {transport_->push_scope()}}, {404, 405});
                       const std::string length = answer->header("content-length");
                       uint64_t size = 0;
                       const bool told =
                           std::from_chars(length.data(), length.data() + length.size(), size).ec == std::errc();
                       return answer->status() < 300 && told ? std::optional(size) : std::nullopt;
                     });
}

bool HttpRepository::mount(const Digest& blob, const std::string& from) {
  return while_doing([&] { return "mounting blob " + blob.str() + " from '" + printable(from, 200) + "'"; },
                     [&] { return mount_blob(*transport_, blob, from); });
}

UploadedBlob HttpRepository::upload(const BlobProducer& produce) {
  return while_doing([&] { return "uploading to " + name_; }, [&] { return upload_blob(*transport_, produce); });
}

Digest HttpRepository::put_manifest(const std::string& tag_or_digest, const std::string& media_type,
                                    const std::string& bytes) {
  return while_doing(
      [&] { return "putting manifest '" + printable(tag_or_digest, 200) + "' into " + name_; },
      [&] {
        const Digest digest = manifest_digest(bytes);
        const auto answer = transport_->call(
            {"PUT", "manifests/" + tag_or_digest, {"Content-Type: " + media_type}, bytes, {transport_->push_scope()}});
        const auto said = Digest::parse(answer->header("docker-content-digest"));
        if (said && *said != digest)
          throw Error(Errc::corrupt, "the registry names it " + said->str() + ", and it is " + digest.str());
        return digest;
      });
}

}  // namespace cairn
