#include "conopa/core/signal.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "conopa/core/error.h"

namespace conopa {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGUSR1};

// Signal handlers reach globals only. Lock-free atomics are safe inside them.
std::atomic<bool> alive{false};
std::atomic<bool> stop{false};
std::atomic<int> first_signal{0};
std::atomic<int> terminations{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void conopa_on_stop_signal(int number) {
  int none = 0;
  first_signal.compare_exchange_strong(none, number);
  stop.store(true);
  if (number != SIGUSR1 && terminations.fetch_add(1) > 0) {
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }
}

}  // namespace

struct StopRequest::Handlers {
  std::array<struct sigaction, kSignals.size()> actions{};
  std::size_t installed = 0;

  ~Handlers() {
    for (std::size_t i = 0; i < installed; ++i) sigaction(kSignals[i], &actions[i], nullptr);
  }
};

StopRequest::StopRequest() {
  CONOPA_ASSERT(!alive.load());
  auto former = std::make_unique<Handlers>();
  stop.store(false);
  first_signal.store(0);
  terminations.store(0);
  struct sigaction action {};
  action.sa_handler = conopa_on_stop_signal;
  action.sa_flags = SA_RESTART;  // a save under way is not disturbed
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (sigaction(kSignals[i], &action, &former->actions[i]) != 0) {
      throw RunError("signal", "cannot handle signal {}: {}", kSignals[i], std::strerror(errno));
    }
    former->installed = i + 1;
  }
  former_ = std::move(former);
  alive.store(true);
}

StopRequest::~StopRequest() {
  former_.reset();
  alive.store(false);
}

bool StopRequest::requested() const noexcept { return stop.load(); }

int StopRequest::signal_number() const noexcept { return first_signal.load(); }

void StopRequest::request() noexcept { stop.store(true); }

}  // namespace conopa
