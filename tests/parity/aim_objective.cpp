// The autoregressive objective of AIM: visiting orders, pixel loss, token loss.

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "checkers.h"
#include "conopa/arch/visit_order.h"
#include "conopa/core/error.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/next_patch.h"
#include "conopa/nn/patch_pixels.h"
#include "models.h"

namespace conopa::parity {
namespace {

using arch::VisitOrder;

struct OrderName {
  std::string_view official;
  VisitOrder order;
};
constexpr OrderName kOrders[] = {{"spiral", VisitOrder::kSpiral},
                                 {"checkerboard", VisitOrder::kCheckerboard},
                                 {"reverse_raster", VisitOrder::kReverseRaster},
                                 {"column_raster", VisitOrder::kColumn},
                                 {"reverse_column_raster", VisitOrder::kReverseColumn},
                                 {"fixed_random", VisitOrder::kFixedRandom}};
constexpr std::pair<std::int64_t, std::int64_t> kGrids[] = {{4, 4}, {3, 5}, {14, 14}, {16, 16}};

void compare_orders(const Case& c, Outcome& out) {
  for (const auto& [official, order] : kOrders) {
    for (const auto& [rows, cols] : kGrids) {
      const std::string name = fmt::format("{}_{}x{}", official, rows, cols);
      if (!c.io->contains(name)) continue;
      out.compare_integers(name, arch::visit_order(order, rows, cols));
    }
  }
}

VisitOrder order_of(const nlohmann::json& pattern) {
  if (pattern.is_null()) return VisitOrder::kRaster;
  const std::string text = pattern.get<std::string>();
  for (const auto& [official, order] : kOrders) {
    if (text == fmt::format("get_{}_permutation", official)) return order;
  }
  throw FormatError("case.json", "expected a known visiting order, got '{}'", text);
}

// Lengths of the prefixes that a mask (true: not prefix) stands for.
at::Tensor prefix_lengths(const Case& c) {
  const at::Tensor mask = nn::to_torch(c.io->read("mask"));
  return mask.logical_not().sum(1);
}

void compare_pixels(const Case& c, Outcome& out, const std::string& name,
                    const nlohmann::json& config) {
  const std::int64_t P = config.at("P");
  const std::int64_t rows = config.at("img").at(0).get<std::int64_t>() / P;
  const std::int64_t cols = config.at("img").at(1).get<std::int64_t>() / P;
  const at::Tensor order = nn::draw_visit_orders(order_of(config.at("pat")), rows, cols, {}, {});
  at::Tensor prediction = tensor(c, "preds").clone();
  prediction.requires_grad_(true);
  const at::Tensor target = nn::next_patch_targets(
      nn::patch_pixels(tensor(c, "image"), P),
      config.at("norm") ? nn::PatchTarget::kNormalised : nn::PatchTarget::kRaw);
  const at::Tensor loss = nn::next_patch_error(
      nn::permute_places(prediction, order), nn::permute_places(target, order),
      config.at("mask") ? prefix_lengths(c) : at::Tensor(), config.at("block"));
  out.compare("loss_" + name, values(loss));
  loss.backward();
  out.compare("grad_preds_" + name, values(prediction.grad()));
}

void compare_tokens(const Case& c, Outcome& out, const std::string& name,
                    const at::Tensor& prefix) {
  at::Tensor logits = tensor(c, "logits").clone();
  logits.requires_grad_(true);
  const at::Tensor loss = nn::next_token_error(logits, nn::to_torch(c.io->read("tokens")), prefix);
  out.compare("ce_loss_" + name, values(loss));
  loss.backward();
  out.compare("grad_logits_" + name, values(logits.grad()));
}

}  // namespace

void check_aim_objective(const Case& c, Outcome& out) {
  compare_orders(c, out);
  const nlohmann::json args = c.args();
  for (const auto& [name, config] : args.at("loss_configs").items()) {
    compare_pixels(c, out, name, config);
  }
  compare_tokens(c, out, "masked", prefix_lengths(c));
  compare_tokens(c, out, "all", {});
}

}  // namespace conopa::parity
