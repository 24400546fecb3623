// The layers of a report as a picture: each as tall as the images that share it, images and tags at the right.
#pragma once

#include <string>

#include "cli/report/layer_forest.h"

namespace cairn {

// HTML with inline SVG, styled by the page; many images come in parts that fold.
std::string layer_graph(const LayerForest& forest);

// An SVG document of its own, with nothing left out, under a title and a line that sums up; both are escaped here.
std::string layer_picture(const LayerForest& forest, const std::string& title, const std::string& lead);

}  // namespace cairn
