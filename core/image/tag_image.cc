#include "core/image/tag_image.h"

#include <ctime>

#include "core/json/go_time.h"
#include "core/util/error.h"

namespace cairn {

Reference parse_new_name(std::string_view text) {
  Reference name = parse_reference(text);
  if (!name.digest.empty())
    throw Error(Errc::invalid, "reading the image name '" + printable(text, 300) +
                                   "': a new name has no digest; use '" + name.repository() + ":TAG'");
  return name;
}

void tag_image(LayerStore& layers, MetadataStore& metadata, const ImageId& image, const Reference& name) {
  while_doing([&] { return "naming an image '" + name.familiar() + "'"; },
              [&] {
                const FileLock lock = layers.exclusive();
                metadata.images().config(image);  // it is there
                metadata.references().update({{name.familiar(), image}}, {});
                timespec now;
                ::clock_gettime(CLOCK_REALTIME, &now);
                metadata.images().put_note(image, "lastUpdated", go_json::write_time(now, go_json::Zone::local));
              });
}

}  // namespace cairn
