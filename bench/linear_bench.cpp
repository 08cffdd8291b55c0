// Linear layers of vision models at batch 1 and 8 against oneDNN and the measured peak, in one run.
// Times are low (the 5th percentile of many calls, taken in turn), so that other load matters
// little; on one thread they are processor time. DNNL_MAX_CPU_ISA caps the rival's level, --isa
// only ours.
//
//   linear_bench [--isa LEVEL] [--threads N] [--seconds S] [--type f32|bf16|i8] [--only TEXT]
//                [--json] [--explain]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#ifdef CONOPA_BENCH_DNNL
#include "bench/linear_rival.h"
#endif
#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/kernels/linear.h"
#include "conopa/kernels/peak.h"

namespace {

namespace kernels = conopa::kernels;
using kernels::ActType;
using kernels::WeightForm;

struct Options {
  kernels::Isa isa = kernels::active_isa();
  double seconds = 0.3;  // per layer and type
  std::string_view type;
  std::string_view only;
  bool json = false;
  bool explain = false;
};

enum class Tail { kPlain, kGelu, kResidual, kRope };

struct Layer {
  const char* name;
  std::int64_t M, N, K;
  Tail tail = Tail::kPlain;
  bool gated = false;
  WeightForm form = WeightForm::kF32;
};

std::vector<Layer> layers() {
  std::vector<Layer> all;
  for (const std::int64_t batch : {1, 8}) {
    const std::int64_t rows = 197 * batch;
    all.push_back({"qkv", rows, 2304, 768, Tail::kRope});
    all.push_back({"projection", rows, 768, 768, Tail::kResidual});
    all.push_back({"vit fc1", rows, 3072, 768, Tail::kGelu});
    all.push_back({"vit fc2", rows, 768, 3072, Tail::kResidual});
    all.push_back({"gate, up", rows, 2048, 768, Tail::kPlain, true});
    all.push_back({"down", rows, 768, 2048, Tail::kResidual});
    all.push_back({"plain", rows, 2304, 768, Tail::kPlain});
    all.push_back({"plain q8_0", rows, 2304, 768, Tail::kPlain, false, WeightForm::kQ8_0});
    all.push_back({"plain q4_0", rows, 2304, 768, Tail::kPlain, false, WeightForm::kQ4_0});
  }
  all.push_back({"head", 1, 1000, 768});
  all.push_back({"tiny qkv", 50, 288, 96});
  all.push_back({"tiny qkv", 6400, 288, 96});
  return all;
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

/// Memory aligned to cache lines, filled with a small positive byte.
class Buffer {
 public:
  explicit Buffer(std::int64_t bytes)
      : data_(static_cast<std::byte*>(
            std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64)))) {
    std::fill_n(data_, bytes, std::byte{0x3C});
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] std::byte* get() const noexcept { return data_; }
  [[nodiscard]] float* floats() const noexcept { return reinterpret_cast<float*>(data_); }

 private:
  std::byte* data_;
};

/// Operands of a layer and one call of it.
class Product {
 public:
  Product(const Layer& layer, ActType type, kernels::Isa isa)
      : x_(layer.M * kernels::act_padded(type, layer.K) * kernels::act_size(type)),
        y_(layer.M * kernels::act_padded(ActType::kF32, layer.N) * 4),
        floats_((layer.M + layer.N + 197 * 64) * 4) {
    const Buffer stored(layer.N * layer.K * 4);
    const kernels::WeightView view{.form = layer.form, .data = stored.get()};
    weight_ = kernels::PackedWeight::pack({.N = layer.N,
                                           .K = layer.K,
                                           .weight = view,
                                           .gate = layer.gated ? view : kernels::WeightView{},
                                           .compute = type},
                                          isa);
    const ActType output =
        type == ActType::kF32 || layer.tail == Tail::kResidual ? ActType::kF32 : ActType::kBf16;
    args_ = {
        .M = layer.M,
        .x = {.type = type,
              .data = x_.get(),
              .stride = kernels::act_padded(type, layer.K),
              .scale = floats_.floats()},
        .weight = &weight_,
        .y = {.type = output, .data = y_.get(), .stride = kernels::act_padded(output, layer.N)}};
    args_.epilogue = epilogue(layer);
  }

  void run() const { kernels::linear(args_); }
  [[nodiscard]] std::string explain() const { return explain_linear(weight_, args_.M); }

 private:
  [[nodiscard]] kernels::Epilogue epilogue(const Layer& layer) const {
    kernels::Epilogue e{.bias = floats_.floats()};
    if (layer.tail == Tail::kGelu) e.activation = kernels::Activation::kGelu;
    if (layer.tail == Tail::kResidual) {
      e.residual = y_.floats();
      e.residual_stride = kernels::act_padded(ActType::kF32, layer.N);
    }
    if (layer.tail == Tail::kRope) {
      e.rope = {.cos = floats_.floats(),
                .sin = floats_.floats(),
                .tokens = 197,
                .head_width = 64,
                .heads = layer.N / 3 / 64,
                .columns = layer.N / 3 * 2};
    }
    return e;
  }

  Buffer x_, y_, floats_;
  kernels::PackedWeight weight_;
  kernels::LinearArgs args_;
};

/// oneDNN, or nothing where it was not found or does not know the type.
class Rival {
 public:
  Rival([[maybe_unused]] const Layer& layer, [[maybe_unused]] ActType type) {
#ifdef CONOPA_BENCH_DNNL
    try {
      rival_ = std::make_unique<conopa::bench::LinearRival>(
          conopa::bench::LinearRival::Shape{.M = layer.M,
                                            .N = layer.gated ? 2 * layer.N : layer.N,
                                            .K = layer.K,
                                            .type = type,
                                            .gelu = layer.tail == Tail::kGelu});
    } catch (const std::exception&) {
      rival_ = nullptr;  // a type this processor lacks
    }
#endif
  }
  void run() const {
#ifdef CONOPA_BENCH_DNNL
    if (rival_) rival_->run();
#endif
  }
  [[nodiscard]] bool runs() const noexcept {
#ifdef CONOPA_BENCH_DNNL
    return rival_ != nullptr;
#else
    return false;
#endif
  }

 private:
#ifdef CONOPA_BENCH_DNNL
  std::unique_ptr<conopa::bench::LinearRival> rival_;
#endif
};

/// Times of many calls of one thing.
class Times {
 public:
  template <typename Body>
  void take(const Body& body) {
    const double start = now();
    body();
    seconds_.push_back(now() - start);
  }
  /// The 5th percentile; the very best may be a clock that stood still.
  [[nodiscard]] double low() {
    if (seconds_.empty()) return 0.0;
    const auto at = seconds_.begin() + std::ssize(seconds_) / 20;
    std::nth_element(seconds_.begin(), at, seconds_.end());
    return *at;
  }

 private:
  std::vector<double> seconds_;
};

const char* type_name(ActType type) {
  return type == ActType::kF32 ? "f32" : type == ActType::kBf16 ? "bf16" : "i8";
}

void measure(const Layer& layer, ActType type, const Options& options) {
  const Product product(layer, type, options.isa);
  const Rival rival(layer, type);
  Times our_times;
  Times their_times;
  // The clock rate drifts, so the peak is taken around every layer.
  double peak = kernels::measure_peak(options.isa, type).gops;
  for (double start = now(); now() - start < options.seconds;) {
    our_times.take([&] { product.run(); });
    if (rival.runs()) their_times.take([&] { rival.run(); });
  }
  const double ours = our_times.low();
  const double theirs = their_times.low();
  peak = std::max(peak, kernels::measure_peak(options.isa, type).gops);
  const double gflop = 2e-9 * static_cast<double>(layer.M) * static_cast<double>(layer.N) *
                       static_cast<double>(layer.K) * (layer.gated ? 2.0 : 1.0);
  const double fraction = gflop / ours / peak;
  if (options.json) {
    fmt::print(
        "{{\"layer\":\"{}\",\"M\":{},\"N\":{},\"K\":{},\"type\":\"{}\",\"kernel\":\"{}\","
        "\"threads\":{},\"ms\":{:.5f},\"gflops\":{:.1f},\"peak_gflops\":{:.1f},"
        "\"onednn_ms\":{}}}\n",
        layer.name, layer.M, layer.N, layer.K, type_name(type), product.explain(),
        conopa::num_threads(), 1e3 * ours, gflop / ours, peak,
        rival.runs() ? fmt::format("{:.5f}", 1e3 * theirs) : "null");
    return;
  }
  fmt::print("{:4} {:11} {:5}x{:4}x{:4} {:9.4f} {:8.0f} {:5.0f}% ", type_name(type), layer.name,
             layer.M, layer.N, layer.K, 1e3 * ours, gflop / ours, 100 * fraction);
  fmt::print("{}\n", rival.runs() ? fmt::format("{:9.4f} {:6.2f}", 1e3 * theirs, theirs / ours)
                                  : "        -      -");
  if (options.explain) fmt::print("     {}\n", product.explain());
  std::fflush(stdout);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--explain" || name == "--json") {
      (name == "--json" ? options.json : options.explain) = true;
      continue;
    }
    if (i + 1 == argc) throw conopa::UsageError("linear_bench", "expected a value after {}", name);
    const char* value = argv[++i];
    if (name == "--isa") {
      options.isa = kernels::resolve_isa(value, kernels::detected_isa());
    } else if (name == "--threads") {
      conopa::set_num_threads(std::atoi(value));
    } else if (name == "--seconds") {
      options.seconds = std::atof(value);
    } else if (name == "--type") {
      options.type = value;
    } else if (name == "--only") {
      options.only = value;
    } else {
      throw conopa::UsageError("linear_bench", "unknown option {}", name);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse(argc, argv);
  if (!options.json) {
    fmt::print("{}, {} threads, {} s per line; rival: oneDNN\n", kernels::isa_name(options.isa),
               conopa::num_threads(), options.seconds);
    fmt::print("type layer           M x N x K          ms    G/s  of peak  rival ms  ratio\n");
  }
  for (const ActType type : {ActType::kF32, ActType::kBf16, ActType::kI8}) {
    if (!options.type.empty() && options.type != type_name(type)) continue;
    for (const Layer& layer : layers()) {
      const bool blocks = layer.form != WeightForm::kF32;
      if (blocks && type == ActType::kI8) continue;
      if (std::string_view(layer.name).find(options.only) == std::string_view::npos) continue;
      measure(layer, type, options);
    }
  }
  return 0;
} catch (const conopa::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return static_cast<int>(error.code());
}
