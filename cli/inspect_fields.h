// Which fields docker's --format of inspect has, and what it prints for those that the engine's answer leaves out.
#pragma once

#include "cli/output/template.h"

namespace cairn {

enum class Inspected { image, container };
TemplateData template_data(Json document, Inspected what);

}  // namespace cairn
