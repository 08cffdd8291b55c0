#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "conopa/io/tensor_source.h"

namespace conopa::parity {

/// One folder with a case.json: numbers made by a reference implementation.
struct Case {
  std::filesystem::path folder;
  std::string name;  ///< "family/case"
  nlohmann::json json;
  std::shared_ptr<const TensorSource> io;  ///< inputs and expected outputs

  [[nodiscard]] std::string family() const { return json.value("family", ""); }
  [[nodiscard]] std::string builder() const;
  [[nodiscard]] nlohmann::json args() const;
  [[nodiscard]] std::string notes() const { return json.value("notes", ""); }
  [[nodiscard]] double tolerance() const { return json.value("tolerance", 1e-4); }
  /// Tensors of io.safetensors that are not inputs: every one of them must be compared.
  [[nodiscard]] std::set<std::string> expected_outputs() const;
};

/// @throws FormatError if the folder does not hold a readable case.
[[nodiscard]] Case load_case(const std::filesystem::path& folder);

/// Collects the comparisons of one case.
class Outcome {
 public:
  explicit Outcome(const Case& c) : case_(c), unchecked_(c.expected_outputs()) {}

  /// Compares values with the expected tensor `name`: |a − e| / max|e|.
  /// @param variant  what was varied (e.g. "fused"), for the message.
  void compare(const std::string& name, std::span<const float> actual,
               std::string_view variant = {});
  void compare(const std::string& name, std::span<const double> actual,
               std::string_view variant = {});
  /// Requires every byte to be equal.
  void compare_exactly(const std::string& name, const HostTensor& actual);
  /// Requires equal integers; entries at the listed positions may differ by one.
  void compare_integers(const std::string& name, std::span<const std::int64_t> actual,
                        const std::set<std::int64_t>& near_ties = {});

  [[nodiscard]] double worst_error() const noexcept { return worst_; }
  /// Empty if everything was compared and is within tolerance.
  [[nodiscard]] std::string failure() const;

 private:
  void record(const std::string& name, double error, double tolerance, std::string_view variant);

  const Case& case_;
  std::set<std::string> unchecked_;
  double worst_ = 0.0;
  std::string failure_;
};

/// Runs one kind of case.
using Checker = void (*)(const Case&, Outcome&);

/// The checker of a case, or null: then `pending` says why.
[[nodiscard]] Checker find_checker(const Case& c, std::string& pending);

}  // namespace conopa::parity
