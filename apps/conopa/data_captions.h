#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "conopa/data/dataset.h"
#include "conopa/data/mixture.h"

namespace conopa::app {

/// Adds "captions" (number, lengths in characters, the first ones) to a split's summary, if it has
/// any.
void add_captions(nlohmann::ordered_json& out, const data::Dataset& dataset);
void print_captions(const data::Dataset& dataset);

/// Adds "mixture" (draws of an epoch; path, images and share of each source), if it is one.
void add_mixture(nlohmann::ordered_json& out, const data::MixturePlan& plan,
                 const std::vector<std::string>& paths);
void print_mixture(const data::MixturePlan& plan, const std::vector<std::string>& paths);

}  // namespace conopa::app
