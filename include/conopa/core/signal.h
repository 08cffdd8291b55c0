#pragma once

#include <memory>

namespace conopa {

/// Turns SIGINT, SIGTERM and SIGUSR1 into a flag that a long run polls, to save and stop cleanly.
///
/// A second SIGINT or SIGTERM ends the process at once with code 130. The former handlers come back
/// with the destructor. One object may be alive at a time; requested() may be called by any thread.
class StopRequest {
 public:
  /// @throws std::logic_error if another one is alive, RunError if a handler cannot be set.
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  /// Whether a signal has arrived or request() was called.
  [[nodiscard]] bool requested() const noexcept;

  /// The first signal that arrived, 0 for none.
  [[nodiscard]] int signal_number() const noexcept;

  /// Asks for a stop without a signal (time limit, early stopping).
  void request() noexcept;

 private:
  struct Handlers;
  std::unique_ptr<Handlers> former_;
};

}  // namespace conopa
