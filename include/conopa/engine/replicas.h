#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "conopa/engine/session.h"

namespace conopa::engine {

/// A fixed number of sessions of one model for callers on many threads. All may be called from any
/// thread.
class Replicas {
 public:
  /// A session on loan; goes back when it is destroyed.
  class Lease {
   public:
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    [[nodiscard]] Session& operator*() const noexcept { return *session_; }
    [[nodiscard]] Session* operator->() const noexcept { return session_; }

   private:
    friend class Replicas;
    Lease(Replicas& owner, Session& session) noexcept : owner_(&owner), session_(&session) {}

    Replicas* owner_;  // null once moved from
    Session* session_;
  };

  /// @param count    sessions, at least 1; count * options.threads should not exceed the cores.
  /// @throws ConfigError as Session, and for a count below 1.
  Replicas(const Model& model, int count, const SessionOptions& options);

  /// A free session, waiting for one if all are on loan.
  [[nodiscard]] Lease borrow();

  [[nodiscard]] int size() const noexcept { return static_cast<int>(sessions_.size()); }
  [[nodiscard]] std::int64_t arena_bytes() const noexcept;  ///< of all sessions

 private:
  void give_back(Session& session) noexcept;

  std::vector<Session> sessions_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<Session*> free_;  // the last returned first: its arena is in the cache
};

}  // namespace conopa::engine
