#include "engine/request.h"

#include <algorithm>

#include "conopa/core/error.h"

namespace conopa::engine {
namespace {

constexpr std::string_view kWhere = "session";

void check_span(std::string_view what, std::int64_t size, std::int64_t batch, std::int64_t each) {
  if (size == batch * each) return;
  throw ShapeError(kWhere, "expected {} of {} x {} values, found {}; check the batch", what, batch,
                   each, size);
}

void check_kind(const arch::EncoderSpec& spec, RequestKind kind) {
  const bool reads_tokens = spec.input == arch::Input::kTokens;
  if (reads_tokens == (kind == RequestKind::kTokens)) return;
  if (reads_tokens) {
    throw ConfigError(kWhere,
                      "expected token numbers, as the model has input = \"tokens\", found images; "
                      "call run_tokens");
  }
  throw ConfigError(kWhere,
                    "expected images, as the model has input = \"image\", found token numbers; "
                    "call run");
}

void check_prefix(const arch::EncoderSpec& spec, const Request& request) {
  if (request.prefix.empty()) return;
  if (spec.mask != arch::Mask::kPrefixCausal) {
    throw ConfigError(kWhere,
                      "expected a model with mask = \"prefix_causal\" for prefixes, found \"{}\"; "
                      "leave the prefixes out",
                      enum_name(spec.mask));
  }
  check_span("prefix", std::ssize(request.prefix), request.batch, 1);
  for (const std::int64_t length : request.prefix) {
    if (length >= 0 && length <= spec.num_tokens()) continue;
    throw ShapeError(kWhere, "expected prefix lengths of 0 to the {} tokens of an image, got {}",
                     spec.num_tokens(), length);
  }
}

void check_tokens(const arch::EncoderSpec& spec, const Request& request) {
  check_span("tokens", std::ssize(request.tokens), request.batch, spec.width);
  for (const std::int64_t token : request.tokens) {
    if (token >= 0 && token < spec.vocabulary) continue;
    throw ShapeError(kWhere, "expected token numbers 0..{}, got {}; check the tokenizer",
                     spec.vocabulary - 1, token);
  }
  if (spec.read_out != arch::ReadOut::kEnd) return;
  for (std::int64_t b = 0; b < request.batch; ++b) {
    const auto sequence = request.tokens.subspan(static_cast<std::size_t>(b * spec.width),
                                                 static_cast<std::size_t>(spec.width));
    if (std::ranges::find(sequence, spec.end_token) != sequence.end()) continue;
    throw ShapeError(kWhere,
                     "expected the end token {} in every sequence, found none in sequence {}; end "
                     "the text with it",
                     spec.end_token, b);
  }
}

void check_patches(const Model::Impl& model, const Request& request) {
  if (!model.scope.decoder) {
    throw ConfigError(kWhere,
                      "expected a model loaded with its decoder, found one without; set the "
                      "option decoder when loading");
  }
  check_span("patches", std::ssize(request.patches), request.batch,
             model.spec.num_patches() * model.spec.patch_outputs());
}

void check_outputs(const arch::EncoderSpec& spec, const Request& request) {
  const Outputs& outputs = request.outputs;
  if (!outputs.features.empty()) {
    check_span("features", std::ssize(outputs.features), request.batch, spec.dim);
  }
  if (outputs.logits.empty()) return;
  if (spec.outputs() == 0) {
    throw ShapeError(
        kWhere, "expected a model with a head for logits, found one without; ask for features");
  }
  check_span("logits", std::ssize(outputs.logits), request.batch, spec.outputs());
}

}  // namespace

void check_request(const Model::Impl& model, const Request& request) {
  const arch::EncoderSpec& spec = model.spec;
  if (request.batch < 0) {
    throw ShapeError(kWhere, "expected a batch of at least 0, got {}", request.batch);
  }
  check_kind(spec, request.kind);
  if (request.kind == RequestKind::kTokens) {
    check_tokens(spec, request);
  } else {
    check_span("images", std::ssize(request.images), request.batch,
               spec.channels * spec.height * spec.width);
  }
  check_prefix(spec, request);
  if (request.kind == RequestKind::kPatches) check_patches(model, request);
  check_outputs(spec, request);
}

}  // namespace conopa::engine
