// How overlay2's layers name each other: short link ids, and the list of them in each layer's file `lower`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/util/ids.h"
#include "drivers/sys/home.h"

namespace cairn::overlay2 {

inline constexpr size_t kMaxLowers = 128;  // what the engine accepts

std::string link_id(const std::string& random);     // 17 bytes -> 26 characters of RFC 4648's base32
bool is_link_name(std::string_view name) noexcept;  // one path component, and nothing mount options would split

struct Lower {
  std::string path;  // leads to the layer below HOME: "l/LINK", or "ID/diff" if that is lost
  LayerId id;
};

class Links {
 public:
  explicit Links(const LayerHome& home) : home_(home) {}

  std::string link_of(const LayerId& id) const;   // the file `link`; corrupt when missing, empty or damaged
  std::string new_link(const LayerId& id) const;  // makes l/LINK -> ../ID/diff under a fresh name
  void remove_links(const LayerId& id, const std::string& dir) const;  // all that lead to `id`; `dir` holds its `link`

  // Uppermost first; empty for a base layer. Entries are "l/LINK", or "ID/diff" as some tools write them; those whose
  // l/LINK is gone are found by the layers' own `link` files.
  std::vector<Lower> lowers_of(const LayerId& id) const;
  std::optional<std::string> lower_of(const LayerId& id) const;     // the file `lower`; corrupt when damaged
  std::optional<LayerId> target_of(const std::string& link) const;  // the layer that l/LINK leads to
  std::string lower_text(const LayerId& parent) const;              // `lower` of a child of `parent`

 private:
  std::optional<std::string> lower_file(const LayerId& id, const Fd& layer) const;
  Lower resolve(const std::string& link, const LayerId& user, std::map<std::string, LayerId>& rebuilt) const;
  std::map<std::string, LayerId> read_all_links() const;

  const LayerHome& home_;
};

}  // namespace cairn::overlay2
