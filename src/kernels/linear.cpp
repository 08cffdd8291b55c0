#include "conopa/kernels/linear.h"

#include <fmt/format.h>

#include "conopa/core/error.h"
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
  impl.reference = detail::pack_reference(args);
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
  return static_cast<std::int64_t>(
      sizeof(float) * (r.weight.size() + r.gate.size() + r.scale.size() + r.gate_scale.size()));
}

std::string PackedWeight::kernel() const {
  if (!impl_) return "empty";
  return detail::is_block_form(impl_->form)
             ? fmt::format("{} from {}", impl_->kernel->name, detail::form_name(impl_->form))
             : impl_->kernel->name;
}

void linear(const LinearArgs& args) {
  detail::check_linear(args);
  if (args.M == 0) return;
  detail::linear_reference(args, args.weight->impl()->reference);
}

std::string explain_linear(const PackedWeight& weight, std::int64_t M) {
  if (weight.empty()) throw ShapeError("linear", "expected a packed weight, got an empty one");
  return fmt::format("{}, {} rows", weight.kernel(), M);
}

}  // namespace conopa::kernels
