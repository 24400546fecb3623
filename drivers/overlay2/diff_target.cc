#include "drivers/overlay2/diff_target.h"

#include <cstdio>

#include "core/util/error.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/overlay_marks.h"
#include "drivers/sys/project_quota.h"

namespace cairn::overlay2 {

static Fd begin_stage(LayerHome& home, const LayerId& id) {
  ensure_dir_at(home.make(), "l", 0700);
  return home.begin(id, 0710);
}

// Delegates, so that the destructor tidies up when making the directory fails.
Overlay2Target::Overlay2Target(Overlay2& driver, const LayerId& id, uint64_t size)
    : Overlay2Target(driver, id, begin_stage(driver.home(), id)) {
  if (size > 0) limit_directory(driver.home_fd(), stage_.get(), size);
  mkdir_at(stage_.get(), "diff", 0755);
  diff_ = open_dir_at(stage_.get(), "diff");
}

Overlay2Target::~Overlay2Target() {
  if (finished_ || left_) return;
  try {
    driver_.links().remove_links(id_, LayerHome::stage_name(id_));
    driver_.home().discard(id_);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

std::unique_ptr<DiffTarget> Overlay2Target::reopen(Overlay2& driver, const LayerId& id) {
  auto stage = driver.home().reopen(id);
  auto diff = stage ? try_open_at(stage->get(), "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW) : std::nullopt;
  if (!diff) return nullptr;
  std::unique_ptr<Overlay2Target> out(new Overlay2Target(driver, id, std::move(*stage)));
  out->diff_ = std::move(*diff);
  return out;
}

// The kernel never takes a layer's root for opaque, so each name that it would hide is hidden by itself.
static void spell_out_opaque_root(int diff, const TreeNode& parent) {
  struct stat before;
  if (::fstat(diff, &before) != 0) throw_errno("reading the status of a layer's root");
  for (const auto& node : parent.children()) {
    const auto own = stat_at(diff, node.name());
    if (!own) write_whiteout(diff, node.name());
    if (own && S_ISDIR(own->st_mode)) write_opaque(open_dir_at(diff, node.name()).get());
  }
  clear_opaque(diff);
  const timespec times[2] = {before.st_atim, before.st_mtim};
  if (::futimens(diff, times) != 0) throw_errno("restoring the times of a layer's root");
}

void Overlay2Target::lie_on(const LayerId& parent, const std::vector<std::string>& implied_dirs) {
  const Fd below = driver_.home().open(parent);
  create_file_at(stage_.get(), "lower", driver_.links().lower_text(parent), 0644);
  mkdir_at(stage_.get(), "work", 0700);
  const bool opaque = is_opaque(diff_.get());
  if (opaque || !implied_dirs.empty()) {  // else the parent's tree, a directory for each ancestor, is not needed
    const Tree tree = driver_.tree(parent);
    complete_implied(diff_.get(), tree, implied_dirs);
    if (opaque) spell_out_opaque_root(diff_.get(), tree.root());
  }
  // From now on nobody may mount the parent for writing: what a lower layer changes, an upper one shows or not by
  // chance.
  if (!exists_at(below.get(), "committed")) {
    try {
      create_file_at(below.get(), "committed", "", 0600);
    } catch (const Error& e) {
      if (e.code() != Errc::already_exists) throw;  // by a sibling, just now
    }
  }
}

void Overlay2Target::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + id_.str() + "'"; },
              [&] {
                if (parent) lie_on(*parent, implied_dirs);
                create_file_at(stage_.get(), "link", driver_.links().new_link(id_), 0644);
                driver_.home().publish(id_);
                finished_ = true;
              });
}

}  // namespace cairn::overlay2
