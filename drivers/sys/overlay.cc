#include "drivers/sys/overlay.h"

#include <fcntl.h>

#include <string_view>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

namespace fs = std::filesystem;

static char parameter(const std::string& name) {
  const auto text = try_read_file_at(AT_FDCWD, "/sys/module/overlay/parameters/" + name, 64);
  return !text || text->empty() ? '\0' : text->front() == 'Y' || text->front() == '1' ? 'Y' : 'N';
}

OverlayParameters kernel_overlay_parameters() {
  return {parameter("index"), parameter("redirect_dir"), parameter("redirect_always_follow"), parameter("metacopy")};
}

std::vector<std::string> overlay_options(const OverlayParameters& parameters, Access access) {
  std::vector<std::string> out;
  if (parameters.index) out.push_back("index=off");
  if (access == Access::read_only && parameters.metacopy)
    out.push_back("metacopy=on");
  else if (access == Access::read_only && parameters.redirect_dir)
    out.push_back("redirect_dir=on");
  else if (access == Access::read_write && parameters.redirect_dir == 'N' && parameters.redirect_always_follow == 'N')
    out.push_back("redirect_dir=follow");
  return out;
}

static bool is_plain(std::string_view path) { return path.find_first_of(",:\\") == std::string_view::npos; }

static std::string compose(const std::string& prefix, const OverlayLayers& layers,
                           const std::vector<std::string>& options) {
  std::string out;
  for (const auto& option : options) out += option + ",";
  out += "lowerdir=";
  for (size_t i = 0; i < layers.lowers.size(); ++i) out += (i ? ":" : "") + prefix + layers.lowers[i];
  if (!layers.upper.empty()) out += ",upperdir=" + prefix + layers.upper + ",workdir=" + prefix + layers.work;
  return out;
}

MountSpec overlay_spec(const fs::path& home, const OverlayLayers& layers, const std::vector<std::string>& options,
                       const fs::path& target, size_t page_size) {
  for (const auto& lower : layers.lowers)
    if (!is_plain(lower))
      throw Error(Errc::invalid, "mounting the layer '" + printable(lower) +
                                     "': its name has a character that mount options cannot hold");
  MountSpec spec;
  spec.type = "overlay";
  spec.source = "overlay";
  spec.target = target;
  spec.data = compose(home.string() + "/", layers, options);
  if (is_plain(home.string()) && spec.data.size() < page_size) return spec;
  spec.data = compose("", layers, options);
  spec.directory = home;
  if (spec.data.size() >= page_size)
    throw Error(Errc::unsupported, "mounting " + std::to_string(layers.lowers.size()) + " layers on '" +
                                       printable(target.string()) + "': their names need " +
                                       std::to_string(spec.data.size()) + " bytes of mount options, and a page has " +
                                       std::to_string(page_size) + "; export, cp and ls work without a mount");
  return spec;
}

}  // namespace cairn
