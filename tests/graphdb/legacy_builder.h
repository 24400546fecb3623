// A root of Docker 0.7 to 1.9, built file by file.
#pragma once

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::test {

inline std::string hex_id(char digit) { return std::string(64, digit); }

class LegacyRoot {
 public:
  explicit LegacyRoot(std::string driver = "vfs") : driver_(std::move(driver)) {
    std::filesystem::create_directories(path() / "graph");
    if (driver_ == "vfs") layer_before_ = "vfs/dir/";
    if (driver_ == "overlay") layer_before_ = "overlay/", layer_after_ = "/root";
    if (driver_ == "aufs") layer_before_ = "aufs/diff/";
  }
  std::filesystem::path path() const { return dir_.path(); }
  std::filesystem::path image_dir(const std::string& id) const { return path() / "graph" / id; }
  void put(const std::string& file, const std::string& content) { write_file(path() / file, content); }

  void layer(const std::string& id) {
    std::filesystem::create_directories(path() / (layer_before_ + id + layer_after_));
  }
  // An image as 0.7 to 1.8.2 write it.
  void image(const std::string& id, const std::string& parent = "", const std::string& command = "") {
    put("graph/" + id + "/json", "{\"id\":\"" + id + "\"" + (parent.empty() ? "" : ",\"parent\":\"" + parent + "\"") +
                                     ",\"created\":\"2014-01-02T03:04:05Z\",\"container_config\":{\"Cmd\":" +
                                     (command.empty() ? "null" : "[\"" + command + "\"]") + "},\"Size\":0}");
    put("graph/" + id + "/layersize", "10");
    layer(id);
  }
  void container(const std::string& id, const std::string& image, const std::string& name,
                 const std::string& extra = "") {
    put("containers/" + id + "/config.json", "{\"ID\":\"" + id +
                                                 "\",\"Created\":\"2014-01-02T03:04:05Z\",\"Path\":\"sh\"," +
                                                 "\"Args\":[\"-c\",\"id\"],\"Image\":\"" + image + "\",\"Name\":\"" +
                                                 name + "\",\"Driver\":\"" + driver_ + "\"" + extra + "}");
    put("containers/" + id + "/hostconfig.json", "{\"Links\":null}");
    layer(id);
    layer(id + "-init");
  }

 private:
  std::string driver_, layer_before_, layer_after_;
  TempDir dir_;
};

}  // namespace cairn::test
