// Attention of inference (attend) in both types against that of training (attention_forward,
// float32) in one run: best repetition within a time, so that other load matters little. CONOPA_ISA
// caps all three.
//
//   attend_bench [--threads N] [--seconds S] [--only SHAPE]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "conopa/kernels/act_ops.h"
#include "conopa/kernels/attend.h"
#include "conopa/kernels/peak.h"

namespace {

namespace kernels = conopa::kernels;
using kernels::ActType;
using kernels::MaskKind;

struct Shape {
  const char* name;
  std::int64_t sequences, queries, keys, heads, head_width;
  MaskKind mask = MaskKind::kNone;
};

constexpr Shape kShapes[] = {
    {"ViT-B 224", 1, 197, 197, 12, 64},
    {"ViT-B 224 batch 8", 8, 197, 197, 12, 64},
    {"ViT-L 384", 1, 577, 577, 16, 64},
    {"iLLaMA-B causal", 1, 197, 197, 12, 64, MaskKind::kCausal},
    {"iLLaMA-T soft", 8, 197, 197, 3, 64, MaskKind::kSoftCausal},
    {"long", 1, 1025, 1025, 12, 64},
    {"windows of 49", 64, 49, 49, 3, 32},
    {"windows of 49", 64, 49, 49, 6, 64},
    {"small images", 32, 50, 50, 3, 32},
    {"pooled keys", 1, 3136, 49, 1, 64},
    {"class token", 8, 1, 197, 12, 64},
};

/// Rows of [q, k, v] in 64-byte aligned memory.
class Rows {
 public:
  Rows(ActType type, std::int64_t rows, std::int64_t width)
      : type_(type), stride_(kernels::act_padded(type, width)) {
    const auto bytes = static_cast<std::size_t>(rows * stride_ * kernels::act_size(type));
    data_ = std::aligned_alloc(64, bytes);
    std::memset(data_, 0, bytes);
  }
  ~Rows() { std::free(data_); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  [[nodiscard]] kernels::MutableAct view(std::int64_t column = 0) const {
    return {type_, static_cast<std::byte*>(data_) + column * kernels::act_size(type_), stride_,
            nullptr};
  }

 private:
  ActType type_;
  std::int64_t stride_;
  void* data_;
};

/// Seconds: wall time or, on one thread, processor time, which other load does not stretch.
double now() {
  if (conopa::num_threads() > 1) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// A few runs in a row: what fits the caches is found there, as behind the layer that wrote it.
template <typename Body>
void keep_best(double& best, const Body& body) {
  for (int i = 0; i < 3; ++i) {
    const double start = now();
    body();
    best = std::min(best, now() - start);
  }
}

std::vector<float> random_floats(std::int64_t count) {
  conopa::Rng rng(1, conopa::RngPurpose::kTest);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

/// One shape in one type.
struct Candidate {
  Candidate(const Shape& s, ActType type, const std::vector<float>& q, const std::vector<float>& kv)
      : d(s.heads * s.head_width),
        q_rows(type, s.sequences * s.queries, d),
        kv_rows(type, s.sequences * s.keys, 2 * d),
        out(type, s.sequences * s.queries, d) {
    fill(s.sequences * s.queries, d, q, q_rows);
    fill(s.sequences * s.keys, 2 * d, kv, kv_rows);
    args = {.sequences = s.sequences,
            .queries = s.queries,
            .keys = s.keys,
            .heads = s.heads,
            .head_width = s.head_width,
            .q = q_rows.view(),
            .k = kv_rows.view(),
            .v = kv_rows.view(d),
            .out = out.view(),
            .scale = 0.125F,
            .mask = {.kind = s.mask, .alpha = 0.5F}};
  }
  static void fill(std::int64_t rows, std::int64_t width, const std::vector<float>& from,
                   const Rows& to) {
    const Rows floats(ActType::kF32, rows, width);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(from.data() + r * width, width,
                  static_cast<float*>(floats.view().data) + r * floats.view().stride);
    }
    kernels::convert_rows({.rows = rows, .width = width, .x = floats.view(), .y = to.view()});
  }

  std::int64_t d;
  Rows q_rows, kv_rows, out;
  kernels::AttendArgs args;
};

void measure(const Shape& s, double seconds, const double (&peak)[2]) {
  const std::int64_t d = s.heads * s.head_width;
  const auto q = random_floats(s.sequences * s.queries * d);
  const auto kv = random_floats(s.sequences * s.keys * 2 * d);
  const Candidate floats(s, ActType::kF32, q, kv);
  const Candidate halves(s, ActType::kBf16, q, kv);
  std::vector<float> rival_out(q.size());
  const std::span<const float> keys(kv);
  const kernels::AttentionInput rival{
      .shape = {s.sequences, s.queries, s.keys, s.heads, s.head_width},
      .q = {q, d},
      .k = kernels::columns_from(keys, 2 * d, 0),
      .v = kernels::columns_from(keys, 2 * d, d),
      .scale = 0.125F,
      .mask = floats.args.mask};
  double best[3] = {1e9, 1e9, 1e9};  // taken in turn so that all see one machine
  const double start = now();
  for (int i = 0; i < 5 || now() - start < seconds; ++i) {
    keep_best(best[0], [&] { kernels::attend(floats.args); });
    keep_best(best[1], [&] { kernels::attend(halves.args); });
    keep_best(best[2], [&] { kernels::attention_forward(rival, {.out = rival_out}); });
  }
  const double gflop =
      4e-9 * static_cast<double>(s.sequences * s.queries * s.keys * d);  // counted dense
  fmt::print("{:18} {:3}x{:4}x{:4} H{:2} Dh{:3}", s.name, s.sequences, s.queries, s.keys, s.heads,
             s.head_width);
  for (int i = 0; i < 3; ++i) fmt::print("{:9.1f}", 1e6 * best[i]);
  fmt::print("{:8.0f}{:5.0f}%{:8.0f}{:5.0f}%{:9.2f}{:7.2f}\n", gflop / best[0],
             100 * gflop / best[0] / peak[0], gflop / best[1], 100 * gflop / best[1] / peak[1],
             best[2] / best[0], best[2] / best[1]);
}

}  // namespace

int main(int argc, char** argv) try {
  double seconds = 0.5;  // per shape
  std::string_view only;
  conopa::set_num_threads(1);
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--threads") {
      conopa::set_num_threads(std::atoi(argv[i + 1]));
    } else if (name == "--seconds") {
      seconds = std::atof(argv[i + 1]);
    } else if (name == "--only") {
      only = argv[i + 1];
    } else {
      throw conopa::UsageError("attend_bench", "expected --threads, --seconds or --only, got {}",
                               name);
    }
  }
  const kernels::Isa isa = kernels::active_isa();
  const double peak[2] = {kernels::measure_peak(isa, ActType::kF32).gops,
                          kernels::measure_peak(isa, ActType::kBf16).gops};
  fmt::print("{} and {}, {} threads; peak GFLOP/s in registers: f32 {:.0f}, bf16 {:.0f}\n",
             kernels::explain_attend(ActType::kF32, isa),
             kernels::explain_attend(ActType::kBf16, isa), conopa::num_threads(), peak[0], peak[1]);
  fmt::print(
      "                    S  queries keys             f32 us  bf16 us rival us  f32 G/s of"
      " peak bf16 G/s of peak rival/f32  /bf16\n");
  for (const Shape& shape : kShapes) {
    if (only.empty() || only == shape.name) measure(shape, seconds, peak);
  }
  return 0;
} catch (const conopa::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return static_cast<int>(error.code());
}
