#include "conopa/engine/replicas.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "conopa/core/error.h"
#include "tests/engine/random_model.h"

namespace conopa::engine {
namespace {

Model small_model() {
  return Model::load(small_spec(), MemorySource(random_weights(small_spec())));
}

TEST(ReplicasTest, ServeMoreCallersThanSessions) {
  Replicas replicas(small_model(), 2, {.threads = 1, .max_batch = 1});
  EXPECT_EQ(replicas.size(), 2);
  EXPECT_GT(replicas.arena_bytes(), 0);
  const std::vector<float> image(3 * 24 * 16, 0.25F);
  std::vector<float> expected(7);
  replicas.borrow()->run(image, 1, {.logits = expected});
  std::atomic<int> at_work{0};
  std::atomic<int> most{0};
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 6; ++i) {
      callers.emplace_back([&] {
        std::vector<float> logits(7);
        for (int round = 0; round < 20; ++round) {
          const Replicas::Lease session = replicas.borrow();
          const int now = ++at_work;
          int seen = most;
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          session->run(image, 1, {.logits = logits});
          EXPECT_EQ(logits, expected);
          --at_work;
        }
      });
    }
  }
  EXPECT_LE(most, 2);
}

TEST(ReplicasTest, AMovedLeaseReturnsOnce) {
  Replicas replicas(small_model(), 1, {.threads = 1, .max_batch = 1});
  for (int round = 0; round < 3; ++round) {
    Replicas::Lease first = replicas.borrow();
    const Replicas::Lease second = std::move(first);
    EXPECT_EQ(second->threads(), 1);
  }
}

TEST(ReplicasTest, RefusesNone) { EXPECT_THROW(Replicas(small_model(), 0, {}), ConfigError); }

}  // namespace
}  // namespace conopa::engine
