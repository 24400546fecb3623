#include "core/image/sources/stream_archive.h"

#include <algorithm>
#include <set>

#include "core/archive/compression.h"
#include "core/archive/tar_header.h"
#include "core/layer/stored_layer.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr uint64_t kTiny =
    64u << 10;  // layers up to here are kept rather than applied: most are the empty layer, often used twice
constexpr size_t kMaxRefused = 16;

class CurrentMember : public ByteSource {
 public:
  explicit CurrentMember(TarReader& tar) : tar_(tar) {}
  size_t read(std::span<char> into) override { return tar_.read(into); }

 private:
  TarReader& tar_;
};

// `head`: the first 512 bytes, or all.
bool looks_like_layer(std::string_view head) {
  if (detect_compression(head.substr(0, 10)) != Compression::none) return true;
  if (head.size() < kTarBlock) return false;
  return head.find_first_not_of('\0') == std::string_view::npos || parse_tar_header(head).has_value();
}

}  // namespace

struct StreamArchive::Batch {
  std::optional<ChainId> base;
  std::vector<StagedLayer> layers;
  std::vector<Member*> members;
  std::vector<LayerRecord> records;  // published so far

  void add(StagedLayer layer, Member* member) {
    layers.push_back(std::move(layer));
    members.push_back(member);
  }
};

StreamArchive::StreamArchive(ByteSource& outer, LayerStore& layers, LayerMetadata& known)
    : layers_(layers), known_(known) {
  TarReader tar(outer);
  while (const TarEntry* entry = tar.next()) {
    check_member_count(members_.size() + links_.size());
    if (entry->type == TarType::file) take(tar, *entry);
    if (entry->type == TarType::symlink || entry->type == TarType::hard_link) links_.add(*entry);
  }
}

void StreamArchive::take(TarReader& tar, const TarEntry& entry) {
  const std::string name = member_name(entry.name);
  const uint64_t size = entry.size;
  links_.forget(name);
  Member& member = members_[name] = Member();
  CurrentMember content(tar);
  std::string head(kTarBlock, '\0');
  head.resize(read_full(content, head));
  const bool layer = looks_like_layer(head);
  if ((!layer || size <= kTiny) && keep(tar, head, size, member)) return;
  if (layer) stage(tar, std::move(head), name, member);
}

// False if the file is none that needs keeping, or no room is left and it may be a layer.
bool StreamArchive::keep(TarReader& tar, std::string head, uint64_t size, Member& member) {
  const bool json = looks_like_json(head);
  if (!json && size > kTiny) return false;
  if (size > kMaxText) {
    member.error = Error(Errc::corrupt, "it is larger than " + std::to_string(kMaxText) + " bytes");
    return true;
  }
  if (kept_ + size > kMaxTexts && !json) return false;
  kept_ += size;
  check_kept_texts(kept_);
  CurrentMember content(tar);
  member.text = std::move(head);
  *member.text += read_all(content, kMaxText);
  return true;
}

void StreamArchive::stage(TarReader& tar, std::string head, const std::string& name, Member& member) {
  const ArchiveLayer layer{name, std::nullopt, std::nullopt, ""};
  try {
    member.staged = layers_.stage(concatenate(std::move(head), std::make_unique<CurrentMember>(tar)), std::nullopt,
                                  std::nullopt, layer.label());
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt && e.code() != Errc::invalid) throw;
    member.error = e;  // concerns the images that name it, if any does
    if (++refused_ > kMaxRefused)
      throw Error(Errc::corrupt, "reading the archive: too many members look like layers and are none; the last: " +
                                     std::string(e.what()));
  }
}

const StreamArchive::Member* StreamArchive::find(const std::string& name) const {
  const auto member = members_.find(links_.resolve(name));
  return member == members_.end() ? nullptr : &member->second;
}

std::optional<std::string> StreamArchive::text(const std::string& name) const {
  const Member* member = find(name);
  if (member && member->error)
    throw Error(member->error->code(), "reading '" + printable(name) + "': " + member->error->what());
  return member ? member->text : std::nullopt;
}

std::vector<std::string> StreamArchive::directories() const {
  std::set<std::string> names;
  for (const auto& [name, member] : members_)
    if (const size_t slash = name.find('/'); slash != std::string::npos) names.insert(name.substr(0, slash));
  return {names.begin(), names.end()};
}

bool StreamArchive::can_give(const ArchiveLayer& layer) const {
  return find(layer.member) != nullptr || (layer.diff && layers_.find_diff(*layer.diff));
}

std::vector<LayerRecord> StreamArchive::register_layers(const std::optional<ChainId>& base,
                                                        const std::vector<ArchiveLayer>& layers) {
  Batch batch{base, {}, {}, {}};
  size_t next = 0;
  for (; next < layers.size() && layers[next].diff; ++next) {
    auto record = known_.find(chain_id(batch.base, *layers[next].diff));
    if (!record) break;
    batch.base = record->chain;
    batch.records.push_back(std::move(*record));
  }
  try {
    for (; next < layers.size(); ++next) use(layers[next], batch);
  } catch (...) {
    for (size_t i = 0; i < batch.layers.size(); ++i)  // other images may need them
      if (batch.members[i]) batch.members[i]->staged = std::move(batch.layers[i]);
    throw;
  }
  publish(batch);
  return std::move(batch.records);
}

// Takes the layer out of the archive; if an earlier place in a chain took it, makes a second one from there.
void StreamArchive::use(const ArchiveLayer& layer, Batch& batch) {
  const std::string name = links_.resolve(layer.member);
  const auto found = members_.find(name);
  if (found == members_.end()) {
    const auto chain = layer.diff ? layers_.find_diff(*layer.diff) : std::nullopt;
    if (!chain) throw_missing(layer);
    return batch.add(layers_.stage(read_layer(layers_, *chain), std::nullopt, layer.diff, layer.label()), nullptr);
  }
  Member& member = found->second;
  if (!member.staged && !member.published)
    if (std::find(batch.members.begin(), batch.members.end(), &member) != batch.members.end()) publish(batch);
  if (member.error) throw Error(member.error->code(), "reading " + layer.label() + ": " + member.error->what());

  if (member.text) {
    batch.add(layers_.stage(read_from(*member.text), layer.blob, layer.diff, layer.label()), nullptr);
  } else if (member.staged) {
    check(*member.staged, layer);
    batch.add(std::move(*member.staged), &member);
    member.staged.reset();
  } else if (member.published) {
    batch.add(layers_.stage(read_layer(layers_, *member.published), std::nullopt, layer.diff, layer.label()), nullptr);
  } else {
    throw Error(Errc::corrupt, "reading " + layer.label() + ": '" + printable(name) + "' is not a layer");
  }
}

void StreamArchive::check(const StagedLayer& staged, const ArchiveLayer& layer) {
  const auto compare = [&](const char* what, const std::string& found, const std::string& wanted) {
    if (found != wanted)
      throw Error(Errc::corrupt,
                  "checking " + layer.label() + ": its " + what + " is " + found + ", expected " + wanted);
  };
  if (layer.blob) compare("digest", staged.blob.str(), layer.blob->str());
  if (layer.diff) compare("DiffID", staged.diff.str(), layer.diff->str());
}

void StreamArchive::publish(Batch& batch) {
  if (batch.layers.empty()) return;
  std::vector<LayerRecord> records;
  try {
    records = layers_.publish(batch.base, std::exchange(batch.layers, {}));
  } catch (const Error& e) {
    for (Member* member : batch.members)
      if (member) member->error = e;  // they are gone
    throw;
  }
  for (size_t i = 0; i < records.size(); ++i)
    if (batch.members[i]) batch.members[i]->published = records[i].chain;
  batch.base = records.back().chain;
  batch.members.clear();
  std::move(records.begin(), records.end(), std::back_inserter(batch.records));
}

}  // namespace cairn
