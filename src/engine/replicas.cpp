#include "conopa/engine/replicas.h"

#include <utility>

#include "conopa/core/error.h"

namespace conopa::engine {

Replicas::Lease::Lease(Lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), session_(other.session_) {}

Replicas::Lease::~Lease() {
  if (owner_ != nullptr) owner_->give_back(*session_);
}

Replicas::Replicas(const Model& model, int count, const SessionOptions& options) {
  if (count < 1) throw ConfigError("replicas", "expected at least 1 session, got {}", count);
  sessions_.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) sessions_.emplace_back(model, options);
  for (Session& session : sessions_) free_.push_back(&session);
}

Replicas::Lease Replicas::borrow() {
  std::unique_lock lock(mutex_);
  returned_.wait(lock, [this] { return !free_.empty(); });
  Session& session = *free_.back();
  free_.pop_back();
  return {*this, session};
}

void Replicas::give_back(Session& session) noexcept {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(&session);  // has room for all since the constructor
  }
  returned_.notify_one();
}

std::int64_t Replicas::arena_bytes() const noexcept {
  std::int64_t sum = 0;
  for (const Session& session : sessions_) sum += session.arena_bytes();
  return sum;
}

}  // namespace conopa::engine
