#include "conopa/train/schedule.h"

#include "checkers.h"
#include "conopa/core/error.h"

namespace conopa::parity {
namespace {

using Json = nlohmann::json;

// A value of the case's arguments by its enumerator's name.
template <typename E>
E named(const Json& args, const char* key, E otherwise) {
  const std::string name = args.value(key, std::string(enum_name(otherwise)));
  const std::optional<E> value = enum_from_name<E>(name);
  if (!value) throw FormatError("schedules", "unknown {} '{}'", key, name);
  return *value;
}

std::vector<double> table(const std::string& function, const Json& a) {
  const std::int64_t epochs = a.at("epochs");
  const std::int64_t steps = a.at("niter_per_ep");
  const double cutoff = a.value("cutoff_epoch", 0.0);
  const auto shape = named(a, "schedule", train::CutoffShape::kConstant);
  if (function == "mask_scheduler") {
    return train::mask_schedule({.mode = named(a, "mode", train::MaskMode::kStandard),
                                 .shape = shape,
                                 .rate = a.value("soft_mask_rate", 1.0),
                                 .cutoff_epochs = cutoff},
                                epochs, steps);
  }
  if (function == "drop_scheduler") {
    return train::drop_schedule({.mode = named(a, "mode", train::DropMode::kStandard),
                                 .shape = shape,
                                 .rate = a.value("drop_rate", 0.0),
                                 .cutoff_epochs = cutoff},
                                epochs, steps);
  }
  if (function == "cosine_scheduler") {
    return train::cosine_schedule(
        a.at("base_value"), a.at("final_value"), epochs, steps,
        {.epochs = a.value("warmup_epochs", 0.0), .start = a.value("start_warmup_value", 0.0)});
  }
  throw FormatError("schedules", "unknown function '{}'", function);
}

}  // namespace

void check_schedules(const Case& c, Outcome& out) {
  const Json calls = c.args();
  for (const auto& [name, call] : calls.items()) {
    const std::vector<double> values = table(call.at("function"), call.at("args"));
    out.compare(name, std::span<const double>(values));
  }
}

}  // namespace conopa::parity
