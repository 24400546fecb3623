#include "core/migrate/layer_tar.h"

#include <algorithm>
#include <vector>

#include "core/archive/changes.h"
#include "core/archive/compression.h"
#include "core/archive/generate.h"
#include "core/archive/layer_dirs.h"
#include "core/archive/tar_split.h"
#include "core/layer/tree_content.h"
#include "core/util/interrupt.h"

namespace cairn {

namespace {

class HashSink : public ByteSink {
 public:
  explicit HashSink(const Watch& watch) : watch_(watch) {}
  void write(std::span<const char> bytes) override {
    hash.update(bytes);
    watch_.bytes(bytes);
  }
  Sha256 hash;

 private:
  const Watch& watch_;
};

}  // namespace

Watch until_interrupted() {
  return {[](std::span<const char>) { check_interrupt(); }};
}

bool tells_nothing(const Error& error) { return error.code() == Errc::interrupted || error.code() == Errc::io; }

LayerTar recorded_tar(ByteSource& json_lines, Tree tree, const Watch& watch) {
  TreeContent content(std::move(tree));
  HashSink sink(watch);
  const auto open = [&](const std::string& name) {
    watch.file();
    return content.open(name);
  };
  const int64_t size = reassemble(json_lines, open, sink);
  return {DiffId(sink.hash.finish()), size};
}

static int64_t write_tar(const LayerFiles& files, const TarForm& form, ByteSink& out) {
  if (form) return write_engine_diff(*files.own, *form, out, files.ids);
  const auto changes = changes_between(files.tree, files.parent, {.rule = Compare::exact});
  return write_diff(files.tree, changes, out, Carry::docker, files.ids);
}

LayerTar fresh_tar(const LayerFiles& files, const TarForm& form, ByteSink& tar_split, const Watch& watch) {
  // Read in one thread, hashed in a second; what it is made of is recorded, and watched, in the caller's.
  Sha256 hash;
  const auto bytes = tee(generate([&](ByteSink& out) { write_tar(files, form, out); }),
                         [&](std::span<const char> part) { hash.update(part); });
  const auto hashed = tee(generate([&](ByteSink& out) { copy(*bytes, out); }), watch.bytes);
  GzipSink packed(tar_split);
  TarSplitWriter split(packed);
  TarReader tar(*hashed, &split);
  while (tar.next() != nullptr) {
    tar.skip_content();
    watch.file();
  }
  packed.finish();
  return {DiffId(hash.finish()), split.content_bytes()};
}

FoundForm find_form(const LayerFiles& files, const DiffId& wanted, const Watch& watch) {
  std::vector<TarForm> forms{std::nullopt};
  if (files.own)
    forms.insert(forms.end(), {EngineTarForm{true, true}, EngineTarForm{true, false}, EngineTarForm{false, false}});
  FoundForm out;
  for (const auto& form : forms) {
    HashSink sink(watch);
    out.size = write_tar(files, form, sink);
    out.form = form;
    out.fits = DiffId(sink.hash.finish()) == wanted;
    if (out.fits) break;
  }
  return out;
}

TarSplitContent content_of_tar_split(ByteSource& json_lines) {
  TarSplitContent out;
  TarSplitReader reader(json_lines);
  TarSplitEntry entry;
  while (reader.next(entry)) {
    if (entry.kind != TarSplitEntry::Kind::file) continue;
    out.names.insert(clean_path(entry.name));
    if (__builtin_add_overflow(out.size, entry.size, &out.size)) out.size = INT64_MAX;
  }
  return out;
}

static const std::string kWhiteout = ".wh.", kOpaque = ".wh..wh..opq";

static bool is_whiteout_name(const std::string& path) { return base_of(path).starts_with(kWhiteout); }

static std::string join(const std::string& folder, const std::string& name) {
  return folder == "." ? name : folder + "/" + name;
}

// A whiteout of `path` or of a folder on the way to it, or something that hides all that a folder had.
static bool is_hidden_by(const std::set<std::string>& names, const std::string& path, const Tree& tree) {
  for (std::string at = path; at != "."; at = folder_of(at)) {
    const std::string folder = folder_of(at);
    if (names.contains(join(folder, kWhiteout + base_of(at))) || names.contains(join(folder, kOpaque))) return true;
    const auto node = tree.find(at);
    if (names.contains(at) && node && !node->is_dir()) return true;
  }
  return false;
}

bool tree_has_some_of(const std::set<std::string>& names, const Tree& tree) {
  constexpr size_t kFew = 64;
  size_t turn = 0;
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    if (turn++ % (names.size() / kFew + 1) != 0 || name == "." || is_whiteout_name(name)) return true;
    return tree.find(name).has_value();
  });
}

bool tree_has_just(const std::set<std::string>& names, const Tree& tree, const Tree& parent) {
  const bool has_all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == "." || is_whiteout_name(name) || tree.find(name);
  });
  if (!has_all) return false;
  const auto changes = changes_between(tree, parent, {.rule = Compare::exact});
  return std::all_of(changes.begin(), changes.end(), [&](const Change& change) {
    const std::string path = change.path.substr(1);
    if (change.kind == ChangeKind::deleted) return is_hidden_by(names, path, tree);
    if (names.contains(path)) return true;
    const auto node = tree.find(path);
    return node && node->is_dir();  // on the way to what is named
  });
}

}  // namespace cairn
