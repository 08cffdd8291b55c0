#include "network.h"

#include "torch_parts.h"

namespace conopa::app {

void prepare_engine(const Context& context, const EngineOptions& options) {
  options.validate();
  if (!options.native()) static_cast<void>(need_torch(context));
}

std::unique_ptr<Network> make_network(const Context& context, const StoredModel& model,
                                      const arch::EncoderSpec& spec, const EngineOptions& options,
                                      std::int64_t batch) {
  if (!options.native()) return need_torch(context).network(model, spec, options);
  return make_native_network(
      model, spec,
      {.precision = enum_from_name<engine::Precision>(options.precision).value(),
       .isa = {},
       .threads = static_cast<int>(options.threads),
       .batch = batch});
}

}  // namespace conopa::app
