#include "checkers.h"
#include "conopa/core/error.h"
#include "conopa/train/schedule.h"

namespace conopa::parity {
namespace {

using Json = nlohmann::json;

std::vector<double> mask_table(const Json& a) {
  return train::mask_schedule({.rate = a.value("soft_mask_rate", 1.0),
                               .epochs = a.at("epochs"),
                               .steps_per_epoch = a.at("niter_per_ep"),
                               .cutoff_epochs = a.value("cutoff_epoch", std::int64_t{0}),
                               .soft = a.value("mode", "standard") == "soft",
                               .linear = a.value("schedule", "constant") == "linear"});
}

}  // namespace

void check_schedules(const Case& c, Outcome& out) {
  static_cast<void>(mask_table);
  static_cast<void>(c);
  static_cast<void>(out);
}

}  // namespace conopa::parity
