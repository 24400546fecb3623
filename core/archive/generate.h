// A stream made by a function that writes: for code that produces a tar where a reader is wanted.
#pragma once

#include <functional>
#include <memory>

#include "core/archive/stream.h"

namespace cairn {

// Runs `produce` in a thread of its own, a bounded number of buffers ahead of the reader. What it throws is rethrown by
// read(). Destroying the source early stops the producer at its next write.
std::unique_ptr<ByteSource> generate(std::function<void(ByteSink&)> produce);

}  // namespace cairn
