#pragma once

#include <cstdint>
#include <span>

#include "conopa/engine/session.h"
#include "engine/model_impl.h"

namespace conopa::engine {

enum class RequestKind : std::uint8_t { kImages, kTokens, kPatches };

/// One call of a session.
struct Request {
  RequestKind kind = RequestKind::kImages;
  std::span<const float> images{};
  std::span<const std::int64_t> tokens{};
  std::span<const std::int64_t> prefix{};
  std::int64_t batch = 0;
  Outputs outputs{};
  std::span<float> patches{};
};

/// Refuses what does not fit the model.
/// @throws ShapeError, ConfigError as the functions of Session.
void check_request(const Model::Impl& model, const Request& request);

}  // namespace conopa::engine
