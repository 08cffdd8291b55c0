#include "preset_model.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/core/parallel.h"

namespace conopa::app {
namespace {

// In parallel: base models have 86 million values.
std::unique_ptr<TensorSource> random_weights(const arch::EncoderSpec& spec,
                                             const std::string& name) {
  const arch::TensorTable table(spec);
  const auto& entries = table.entries();
  std::vector<NamedTensor> tensors(entries.size());
  parallel_for(0, std::ssize(entries), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      tensors[i] = {entries[i].name, arch::initial_tensor(entries[i], 1)};
    }
  });
  return std::make_unique<MemorySource>(std::move(tensors), Metadata{}, name);
}

}  // namespace

StoredModel open_model_or_preset(const std::string& target) {
  std::error_code ignored;
  if (std::filesystem::exists(target, ignored)) return open_model(target);
  StoredModel out;
  out.path = target;
  out.spec = arch::preset_spec(target);
  out.spec.resolve();
  out.transform = default_transform(out.spec);
  out.weights = random_weights(out.spec, target);
  return out;
}

}  // namespace conopa::app
