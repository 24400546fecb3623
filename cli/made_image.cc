#include "cli/made_image.h"

#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "core/image/tag_image.h"

namespace cairn {

void add_change_flag(CLI::App& app, std::vector<std::string>& changes) {
  app.add_option("-c,--change", changes,
                 "A Dockerfile instruction that says how the image is run; may be repeated: CMD, ENTRYPOINT, ENV, "
                 "EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR")
      ->type_name("INSTRUCTION")
      ->allow_extra_args(false);
}

void finish_made(const ImageId& id, const std::optional<Reference>& name, LayerStore& layers, MetadataStore& metadata,
                 std::unique_ptr<Progress> progress, const Globals& globals) {
  if (name) tag_image(layers, metadata, id, *name);
  progress.reset();  // bars are gone before anything else is written
  if (globals.json)
    print(json_document({{"id", id.str()}, {"tag", name ? Json(name->familiar()) : Json()}}));
  else
    print(id.str() + "\n");
}

}  // namespace cairn
