// Tables and JSON of conopa bench.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench.h"
#include "conopa/core/system.h"

namespace conopa::app {

std::string bench_header() {
  return fmt::format("{:<9} {:<9} {:>5} {:>7} {:>10} {:>10} {:>10} {:>9} {:>6} {:>10} {:>10}",
                     "size", "precision", "batch", "threads", "ms/image", "p90", "images/s",
                     "GFLOP/s", "peak", "weights", "arena");
}

std::string bench_line(const BenchRow& row) {
  const std::string share =
      row.peak_gflops > 0.0 ? fmt::format("{:.1f} %", 100.0 * row.peak_fraction()) : "-";
  return fmt::format(
      "{:<9} {:<9} {:>5} {:>7} {:>10.3f} {:>10.3f} {:>10.1f} {:>9.1f} {:>6} {:>10} {:>10}",
      fmt::format("{}x{}", row.height, row.width), row.precision, row.batch, row.threads,
      row.ms_per_image, row.ms_p90, row.images_per_second, row.gflops, share,
      format_bytes(row.weight_bytes), format_bytes(row.arena_bytes));
}

std::string bench_json(const std::string& model, const std::vector<BenchRow>& rows) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const BenchRow& row : rows) {
    Json json{{"precision", row.precision},
              {"batch", row.batch},
              {"threads", row.threads},
              {"height", row.height},
              {"width", row.width},
              {"runs", row.runs},
              {"ms_per_image", row.ms_per_image},
              {"ms_p90", row.ms_p90},
              {"cpu_ms_per_image", row.cpu_ms_per_image},
              {"images_per_second", row.images_per_second},
              {"gflops", row.gflops},
              {"peak_gflops", nullptr},
              {"peak_fraction", nullptr},
              {"peak_loop", row.peak_loop},
              {"weight_bytes", row.weight_bytes},
              {"arena_bytes", row.arena_bytes},
              {"kernels", row.explain}};
    if (row.peak_gflops > 0.0) {
      json["peak_gflops"] = row.peak_gflops;
      json["peak_fraction"] = row.peak_fraction();
    }
    list.push_back(std::move(json));
  }
  const Json out{{"machine", cpu_model_name()},
                 {"isa", rows.empty() ? "" : rows.front().isa},
                 {"model", model},
                 {"peak_rss_bytes", peak_rss_bytes()},
                 {"rows", std::move(list)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace conopa::app
