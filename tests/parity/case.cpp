#include "case.h"

#include <cmath>
#include <cstring>
#include <fstream>

#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"

namespace conopa::parity {

std::string Case::builder() const {
  const nlohmann::json& b = json.at("builder");
  for (const char* key : {"name", "constructor", "op", "function"}) {
    if (b.contains(key) && b[key].is_string()) return b[key];
  }
  return "";
}

nlohmann::json Case::args() const {
  const nlohmann::json& b = json.at("builder");
  return b.contains("args") ? b["args"] : nlohmann::json::object();
}

std::set<std::string> Case::expected_outputs() const {
  std::set<std::string> names(io->names().begin(), io->names().end());
  if (json.contains("inputs")) {
    for (const auto& input : json["inputs"]) {
      names.erase(input.is_string() ? input.get<std::string>() : input.value("name", ""));
    }
  }
  return names;
}

Case load_case(const std::filesystem::path& folder) {
  Case c{.folder = folder,
         .name = folder.parent_path().filename().string() + "/" + folder.filename().string(),
         .json = {},
         .io = nullptr};
  std::ifstream file(folder / "case.json");
  c.json = nlohmann::json::parse(file, nullptr, false);
  if (!c.json.is_object() || !c.json.contains("builder")) {
    throw FormatError(c.name, "case.json is not a JSON object with a builder");
  }
  c.io = SafetensorsFile::open(folder / "io.safetensors");
  return c;
}

void Outcome::record(const std::string& name, double error, double tolerance,
                     std::string_view variant) {
  unchecked_.erase(name);
  if (!(error <= worst_)) worst_ = error;  // NaN sticks
  if (error <= tolerance || !failure_.empty()) return;
  failure_ = fmt::format("{}{}{}: error {:.3g}", name, variant.empty() ? "" : " ", variant, error);
}

void Outcome::compare(const std::string& name, std::span<const double> actual,
                      std::string_view variant) {
  const std::vector<double> expected = case_.io->read(name).to_f64();
  if (expected.size() != actual.size()) {
    record(name, INFINITY, case_.tolerance(),
           fmt::format("{} ({} elements for {})", variant, actual.size(), expected.size()));
    return;
  }
  double largest = 0.0;
  double worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    const double difference = std::abs(expected[i] - actual[i]);
    if (!(difference <= worst)) worst = difference;
  }
  record(name, largest > 0.0 ? worst / largest : worst, case_.tolerance(), variant);
}

void Outcome::compare(const std::string& name, std::span<const float> actual,
                      std::string_view variant) {
  const std::vector<double> wide(actual.begin(), actual.end());
  compare(name, std::span<const double>(wide), variant);
}

void Outcome::compare_exactly(const std::string& name, const HostTensor& actual) {
  const HostTensor expected = case_.io->read(name);
  const bool equal =
      expected.dtype() == actual.dtype() && expected.shape() == actual.shape() &&
      std::memcmp(expected.bytes().data(), actual.bytes().data(), expected.bytes().size()) == 0;
  record(name, equal ? 0.0 : INFINITY, 0.0, "not byte-identical");
}

void Outcome::compare_integers(const std::string& name, std::span<const std::int64_t> actual,
                               const std::set<std::int64_t>& near_ties) {
  const std::vector<std::int64_t> expected = case_.io->read(name).to_i64();
  std::int64_t worst = expected.size() == actual.size() ? 0 : INT64_MAX;
  for (std::size_t i = 0; worst != INT64_MAX && i < expected.size(); ++i) {
    const std::int64_t difference = std::abs(expected[i] - actual[i]);
    const bool tie = near_ties.contains(static_cast<std::int64_t>(i)) && difference <= 1;
    worst = std::max(worst, tie ? 0 : difference);
  }
  record(name, static_cast<double>(worst), 0.0, "integers");
}

std::string Outcome::failure() const {
  if (!failure_.empty()) return failure_;
  if (unchecked_.empty()) return "";
  return fmt::format("{} outputs not compared, first {}", unchecked_.size(), *unchecked_.begin());
}

}  // namespace conopa::parity
