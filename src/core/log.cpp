#include "conopa/core/log.h"

#include <memory>
#include <mutex>

namespace conopa {
namespace {

// The sink is process-wide by nature (like stderr); the pointer is copied under the lock and
// called outside it, so a slow sink does not serialise its callers.
struct SinkHolder {
  std::mutex mutex;
  std::shared_ptr<const LogSink> sink;
};

SinkHolder& holder() {
  static SinkHolder instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink sink) {
  auto shared = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(holder().mutex);
  holder().sink = std::move(shared);
}

void log_line(LogLevel level, std::string_view line) {
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard lock(holder().mutex);
    sink = holder().sink;
  }
  if (sink) (*sink)(level, line);
}

}  // namespace conopa
