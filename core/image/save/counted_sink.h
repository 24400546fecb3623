// Bytes on their way to where they belong, counted as progress.
#pragma once

#include "core/archive/stream.h"
#include "core/interfaces/progress.h"

namespace cairn {

class CountedSink : public ByteSink {
 public:
  CountedSink(ByteSink& out, Progress& progress) : out_(out), progress_(progress) {}
  void write(std::span<const char> bytes) override {
    out_.write(bytes);
    progress_.advance(bytes.size());
  }

 private:
  ByteSink& out_;
  Progress& progress_;
};

}  // namespace cairn
