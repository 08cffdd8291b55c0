#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "quantize_search.h"

namespace conopa::app {

/// Everything `conopa quantize` found out.
struct QuantizeOutcome {
  QuantForm form = QuantForm::kInt8;
  std::string precision;          ///< in which the quantised model was measured; empty: it was not
  std::int64_t bytes_before = 0;  ///< of all weights
  std::int64_t bytes_after = 0;
  std::string calibrated_on;  ///< empty without calibration
  std::string measured_on;
  std::string dataset, split;         ///< of it; empty for random images
  std::optional<Agreement> measured;  ///< nothing if it was not measured
  QuantizeTrial chosen;
  std::vector<QuantizeTrial> trials;
};

/// Bytes of the tensors.
[[nodiscard]] std::int64_t bytes_of(const std::vector<NamedTensor>& tensors);
/// The same of a source, none of which is read.
[[nodiscard]] std::int64_t bytes_of(const TensorSource& source);

/// Lines for the terminal, without the name of the folder.
[[nodiscard]] std::string outcome_text(const QuantizeOutcome& outcome);
/// One JSON object.
[[nodiscard]] std::string outcome_json(const QuantizeOutcome& outcome, const std::string& out);

/// README.md of the quantised folder.
[[nodiscard]] std::string quantized_card(const StoredModel& model, const std::filesystem::path& out,
                                         const QuantizeOutcome& outcome,
                                         const std::string& command_line);

}  // namespace conopa::app
