#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace conopa::data {

/// Float buffers of one size that come back when nobody uses them any more: a batch of images is
/// hundreds of megabytes whose pages the kernel would otherwise clear for every step. Thread-safe.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  /// @param floats  per buffer. @param keep  free buffers kept at most.
  [[nodiscard]] static std::shared_ptr<BufferPool> create(std::size_t floats, std::size_t keep);

  /// A buffer of unspecified content, aligned to 64 bytes; it may outlive the pool.
  [[nodiscard]] std::shared_ptr<float> take();

  /// Buffers that wait for use.
  [[nodiscard]] std::size_t idle() const;

 private:
  struct AlignedDelete {
    void operator()(float* memory) const noexcept;
  };
  using Buffer = std::unique_ptr<float, AlignedDelete>;

  BufferPool(std::size_t floats, std::size_t keep) : floats_(floats), keep_(keep) {
    free_.reserve(keep);
  }
  void give_back(Buffer buffer) noexcept;

  std::size_t floats_;
  std::size_t keep_;
  mutable std::mutex mutex_;
  std::vector<Buffer> free_;
};

}  // namespace conopa::data
