// Matrix products of training shapes against OpenBLAS, in one run: GFLOP/s (best repetition within
// a time, so that other load on the machine matters little), the ratio to the rival and the
// fraction of the measured multiply-add peak.
//
//   matmul_bench [--isa LEVEL] [--threads N] [--seconds S] [--explain]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/kernels/matmul.h"
#include "conopa/kernels/peak.h"

#ifdef CONOPA_BENCH_OPENBLAS
extern "C" void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                            float alpha, const float* a, int lda, const float* b, int ldb,
                            float beta, float* c, int ldc);
#endif

namespace {

using namespace std::string_view_literals;
namespace kernels = conopa::kernels;
using kernels::Compute;
using kernels::Layout;

struct Options {
  kernels::Isa isa = kernels::active_isa();
  double seconds = 0.5;  // per shape
  bool explain = false;
};

struct Shape {
  const char* use;
  std::int64_t M, N, K;
  Layout layout_a, layout_b;
};

// 128 images of 50 tokens; (out, in) = (288, 96), (512, 192), (64, 64), (192, 512), (768, 256).
std::vector<Shape> training_shapes() {
  constexpr std::int64_t kRows = 6400;
  std::vector<Shape> shapes;
  const std::pair<std::int64_t, std::int64_t> layers[] = {
      {64, 64}, {192, 64}, {288, 96}, {512, 192}, {192, 512}, {768, 256}, {2048, 768}};
  for (const auto& [out, in] : layers) {
    shapes.push_back({"y ", kRows, out, in, Layout::kAsStored, Layout::kTransposed});
    shapes.push_back({"dx", kRows, in, out, Layout::kAsStored, Layout::kAsStored});
    shapes.push_back({"dW", out, in, kRows, Layout::kTransposed, Layout::kAsStored});
  }
  shapes.push_back({"y ", 197, 768, 768, Layout::kAsStored, Layout::kTransposed});
  return shapes;
}

/// Aligned like libtorch's tensors.
class Buffer {
 public:
  explicit Buffer(std::int64_t count)
      : data_(static_cast<float*>(
            std::aligned_alloc(64, static_cast<std::size_t>((count * 4 + 63) / 64 * 64)))) {
    for (std::int64_t i = 0; i < count; ++i) data_[i] = static_cast<float>(i % 13) * 0.25F - 1.5F;
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] float* get() const noexcept { return data_; }

 private:
  float* data_;
};

/// GFLOP/s of the vector units; matrix products of training do not use the tiles.
double fma_peak(kernels::Isa isa, kernels::ActType type) {
  return kernels::measure_peak(std::min(isa, kernels::Isa::kAvx512Bf16), type, 0.2).gops;
}

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

template <typename Body>
double seconds(const Body& body) {
  const double start = now();
  body();
  return now() - start;
}

void run_rival([[maybe_unused]] const kernels::MatmulArgs& args) {
#ifdef CONOPA_BENCH_OPENBLAS
  constexpr int kRowMajor = 101;
  const auto flag = [](Layout layout) { return layout == Layout::kTransposed ? 112 : 111; };
  cblas_sgemm(kRowMajor, flag(args.layout_a), flag(args.layout_b), static_cast<int>(args.M),
              static_cast<int>(args.N), static_cast<int>(args.K), 1.0F, args.a,
              static_cast<int>(args.lda), args.b, static_cast<int>(args.ldb), 0.0F, args.c,
              static_cast<int>(args.ldc));
#endif
}

void measure(const Shape& shape, const Options& options, double peak) {
  const Buffer a(shape.M * shape.K), b(shape.K * shape.N), c(shape.M * shape.N);
  kernels::MatmulArgs args{.M = shape.M,
                           .N = shape.N,
                           .K = shape.K,
                           .a = a.get(),
                           .lda = shape.layout_a == Layout::kAsStored ? shape.K : shape.M,
                           .layout_a = shape.layout_a,
                           .b = b.get(),
                           .ldb = shape.layout_b == Layout::kAsStored ? shape.N : shape.K,
                           .layout_b = shape.layout_b,
                           .c = c.get(),
                           .ldc = shape.N};
  double best[3] = {1e9, 1e9, 1e9};  // f32, bf16, rival; taken in turn so that all see one machine
  double spent = 0;
  for (int i = 0; i < 5 || spent < options.seconds; ++i) {
    const double start = now();
    for (const Compute compute : {Compute::kF32, Compute::kBf16}) {
      args.compute = compute;
      double& time = best[compute == Compute::kBf16 ? 1 : 0];
      time = std::min(time, seconds([&] { kernels::matmul(args, options.isa); }));
    }
    best[2] = std::min(best[2], seconds([&] { run_rival(args); }));
    spent += now() - start;
  }
  const double gflop = 2e-9 * static_cast<double>(shape.M * shape.N * shape.K);
#ifdef CONOPA_BENCH_OPENBLAS
  const std::string rival = fmt::format("{:8.0f}{:7.2f}", gflop / best[2], best[2] / best[0]);
#else
  const std::string rival = "       -      -";
#endif
  fmt::print("{} {:5}x{:4}x{:4} {:8.0f}{:6.0f}%{:8.0f}{:7.2f}{}\n", shape.use, shape.M, shape.N,
             shape.K, gflop / best[0], 100 * gflop / best[0] / peak, gflop / best[1],
             best[0] / best[1], rival);
  if (options.explain) {
    for (const Compute compute : {Compute::kF32, Compute::kBf16}) {
      args.compute = compute;
      fmt::print("     {}\n", kernels::explain(args, options.isa));
    }
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--explain"sv) {
      options.explain = true;
      continue;
    }
    if (i + 1 == argc) throw conopa::UsageError("matmul_bench", "expected a value after {}", name);
    const char* value = argv[++i];
    if (name == "--isa"sv) {
      options.isa = kernels::resolve_isa(value, kernels::detected_isa());
    } else if (name == "--threads"sv) {
      conopa::set_num_threads(std::atoi(value));
    } else if (name == "--seconds"sv) {
      options.seconds = std::atof(value);
    } else {
      throw conopa::UsageError("matmul_bench", "unknown option {}", name);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse(argc, argv);
  const double peak = fma_peak(options.isa, kernels::ActType::kF32);
  fmt::print("{}, {} threads, {} s per shape; peak GFLOP/s in registers: f32 {:.0f}, bf16 {:.0f}\n",
             kernels::isa_name(options.isa), conopa::num_threads(), options.seconds, peak,
             fma_peak(options.isa, kernels::ActType::kBf16));
  const char* core = std::getenv("OPENBLAS_CORETYPE");
  fmt::print("rival: OpenBLAS, core type {}\n", core == nullptr ? "detected" : core);
  fmt::print("   M x N x K        f32 G/s of peak bf16 G/s  /f32   rival  f32/rival\n");
  for (const Shape& shape : training_shapes()) measure(shape, options, peak);
  return 0;
} catch (const conopa::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return static_cast<int>(error.code());
}
