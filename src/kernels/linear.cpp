#include "conopa/kernels/linear.h"

#include <fmt/format.h>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "kernels/linear_check.h"
#include "kernels/linear_impl.h"
#include "kernels/linear_source.h"

namespace conopa::kernels {

PackedWeight::PackedWeight() noexcept = default;
PackedWeight::~PackedWeight() = default;
PackedWeight::PackedWeight(PackedWeight&&) noexcept = default;
PackedWeight& PackedWeight::operator=(PackedWeight&&) noexcept = default;

PackedWeight PackedWeight::pack(const WeightPack& args, Isa isa) {
  detail::check_weight_pack(args, isa);
  PackedWeight packed;
  packed.impl_ = std::make_unique<Impl>();
  Impl& impl = *packed.impl_;
  impl.kernel = &detail::select_linear_kernel(args.compute, isa);
  impl.n = args.N;
  impl.k = args.K;
  impl.gated = !args.gate.empty();
  impl.form = args.weight.form;
  if (impl.kernel->fn == nullptr) {
    impl.reference = detail::pack_reference(args);
  } else {
    impl.panels = detail::pack_panels(*impl.kernel, args);
  }
  return packed;
}

PackedWeight PackedWeight::pack(const WeightPack& args) { return pack(args, active_isa()); }

std::int64_t PackedWeight::inputs() const noexcept { return impl_ ? impl_->k : 0; }
std::int64_t PackedWeight::outputs() const noexcept { return impl_ ? impl_->n : 0; }
bool PackedWeight::gated() const noexcept { return impl_ && impl_->gated; }
ActType PackedWeight::compute() const noexcept {
  return impl_ ? impl_->kernel->compute : ActType::kF32;
}

std::int64_t PackedWeight::bytes() const noexcept {
  if (!impl_) return 0;
  const detail::ReferenceWeight& r = impl_->reference;
  const std::int64_t words = impl_->panels.data.capacity() + impl_->panels.column_scale.capacity();
  return static_cast<std::int64_t>(sizeof(float)) *
         (words + static_cast<std::int64_t>(r.weight.size() + r.gate.size() + r.scale.size() +
                                            r.gate_scale.size()));
}

std::string PackedWeight::kernel() const {
  if (!impl_) return "empty";
  const detail::LinearKernel& kernel = *impl_->kernel;
  std::string name = kernel.name;
  if (kernel.fn != nullptr) name += fmt::format(" {}x{}", kernel.tile_rows, kernel.panel);
  if (impl_->panels.blocks) name += fmt::format(" from {}", detail::form_name(impl_->form));
  return name;
}

void linear(const LinearArgs& args) {
  detail::check_linear(args);
  if (args.M == 0) return;
  const PackedWeight::Impl& impl = *args.weight->impl();
  if (impl.kernel->fn == nullptr) {
    detail::linear_reference(args, impl.reference);
  } else {
    detail::run_linear(*impl.kernel, impl.panels, args);
  }
}

std::string explain_linear(const PackedWeight& weight, std::int64_t M) {
  if (weight.empty()) throw ShapeError("linear", "expected a packed weight, got an empty one");
  const PackedWeight::Impl& impl = *weight.impl();
  if (impl.kernel->fn == nullptr) return weight.kernel();
  const detail::LinearPlan plan = detail::plan_linear(*impl.kernel, impl.panels, M, num_threads());
  return fmt::format("{}, blocks of {} rows and {} inputs, threads {} by rows x {} by columns",
                     weight.kernel(), plan.block_rows,
                     plan.block_words * detail::elements_per_word(impl.kernel->word),
                     plan.row_parts, plan.panel_parts);
}

}  // namespace conopa::kernels
