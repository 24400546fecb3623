#include "graphdb/distribution/distribution.h"

#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

constexpr size_t kMaxEntries = 50;  // as engines keep

// As written: an engine may know digests that this program does not.
struct BlobEntry {
  std::string digest, repository, hmac;
  bool operator==(const BlobEntry&) const = default;
};

static std::vector<BlobEntry> parse_entries(const std::string& text, const std::string& file) {
  std::vector<BlobEntry> out;
  for (const auto raw : go_json::elements(text)) {
    const JsonObject item(raw, file);
    out.push_back({item.string("Digest"), item.string("SourceRepository"), item.string("HMAC")});
  }
  return out;
}

static std::string encoded(const std::vector<BlobEntry>& entries) {
  std::string out = "[";
  for (const auto& entry : entries)
    out += std::string(out.size() > 1 ? "," : "") + "{\"Digest\":" + go_json::quote(entry.digest) +
           ",\"SourceRepository\":" + go_json::quote(entry.repository) + ",\"HMAC\":" + go_json::quote(entry.hmac) +
           "}";
  return out + "]";
}

static std::vector<BlobEntry> read_entries(int root_fd, const std::string& file) {
  try {
    const auto text = try_read_regular_at(root_fd, file);
    return text ? parse_entries(*text, file) : std::vector<BlobEntry>();
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return {};
  }
}

std::string DistributionCache::blob_file(const Digest& blob) const {
  return place_.image("distribution/diffid-by-digest/sha256/" + blob.hex());
}
std::string DistributionCache::diff_file(const DiffId& diff) const {
  return place_.image("distribution/v2metadata-by-diffid/sha256/" + diff.hex());
}

void DistributionCache::make_folders() {
  const int root = place_.root_fd();
  for (const char* folder : {"distribution/diffid-by-digest", "distribution/v2metadata-by-diffid"}) {
    ensure_dir_at(root, place_.image(folder), 0755);
    ensure_dir_at(root, place_.image(std::string(folder) + "/sha256"), 0755);
  }
}

void DistributionCache::add(const DiffId& diff, const KnownBlob& blob) {
  make_folders();
  const int root = place_.root_fd();
  auto entries = read_entries(root, diff_file(diff));
  const BlobEntry added{blob.digest.str(), blob.repository, blob.hmac};
  if (!entries.empty() && entries.back() == added && diff_of(blob.digest) == diff) return;
  std::erase(entries, added);
  entries.push_back(added);
  if (entries.size() > kMaxEntries) entries.erase(entries.begin(), entries.end() - kMaxEntries);
  replace_file_at(root, diff_file(diff), encoded(entries), 0644, Durable::no);
  replace_file_at(root, blob_file(blob.digest), diff.str(), 0644, Durable::no);
}

std::optional<DiffId> DistributionCache::diff_of(const Digest& blob) const {
  const auto root = place_.try_root_fd();
  const auto text = root ? try_read_regular_at(*root, blob_file(blob), 4096) : std::nullopt;
  return text ? DiffId::parse(*text) : std::nullopt;
}

std::vector<KnownBlob> DistributionCache::blobs_of(const DiffId& diff) const {
  std::vector<KnownBlob> out;
  const auto root = place_.try_root_fd();
  if (!root) return out;
  for (const auto& entry : read_entries(*root, diff_file(diff)))
    if (const auto digest = Digest::parse(entry.digest)) out.push_back({*digest, entry.repository, entry.hmac});
  return out;
}

std::optional<std::string> DistributionCache::record(const DiffId& diff) const {
  const auto root = place_.try_root_fd();
  auto text = root ? try_read_regular_at(*root, diff_file(diff)) : std::nullopt;
  if (text) parse_entries(*text, diff_file(diff));
  return text;
}

void DistributionCache::put_record(const DiffId& diff, const std::string& record) {
  make_folders();
  const int root = place_.root_fd();
  replace_file_at(root, diff_file(diff), record, 0644, Durable::no);
  for (const auto& blob : blobs_of(diff)) replace_file_at(root, blob_file(blob.digest), diff.str(), 0644, Durable::no);
}

}  // namespace cairn
