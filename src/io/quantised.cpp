#include "conopa/io/quantised.h"

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"
#include "io/printable.h"

namespace conopa {
namespace {

constexpr std::string_view kSuffix = ".weight";
constexpr std::string_view kScaleSuffix = ".weight_scale";

bool is_quantised(QuantForm form, std::string_view name, const TensorInfo& info) {
  const DType stored = has_blocks(form) ? DType::kU8 : DType::kI8;
  return info.dtype == stored && info.shape.size() == 2 && name.ends_with(kSuffix);
}

class QuantisedSource : public TensorSource {
 public:
  QuantisedSource(std::unique_ptr<TensorSource> stored, QuantForm form);

  [[nodiscard]] std::optional<QuantMatrix> read_quantised(std::string_view name) const override {
    const std::size_t index = index_of(name);
    if (!quantised_[index]) return std::nullopt;
    return matrix(index);
  }
  [[nodiscard]] std::optional<QuantForm> quant_form() const noexcept override { return form_; }
  void release(std::string_view name) const noexcept override { stored_->release(name); }

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override {
    if (!quantised_[index]) return stored_->read(names()[index]);
    return dequantise_matrix(matrix(index));
  }

 private:
  void add_matrix(const std::string& name, const TensorInfo& info);
  void check_scale(const std::string& name, std::int64_t rows) const;
  void check_owner(const std::string& scale_name) const;
  [[nodiscard]] QuantMatrix matrix(std::size_t index) const;

  std::unique_ptr<TensorSource> stored_;
  QuantForm form_;
  std::vector<bool> quantised_;  // by index
};

QuantisedSource::QuantisedSource(std::unique_ptr<TensorSource> stored, QuantForm form)
    : TensorSource(stored->where()), stored_(std::move(stored)), form_(form) {
  Metadata metadata = stored_->metadata();
  metadata.erase(std::string(kWeightFormat));
  set_metadata(std::move(metadata));
  for (const std::string& name : stored_->names()) {
    const TensorInfo& info = stored_->info(name);
    if (is_quantised(form_, name, info)) {
      add_matrix(name, info);
    } else if (form_ == QuantForm::kInt8 && name.ends_with(kScaleSuffix)) {
      check_owner(name);
    } else {
      add(name, info);
      quantised_.push_back(false);
    }
  }
}

void QuantisedSource::add_matrix(const std::string& name, const TensorInfo& info) {
  const std::int64_t rows = info.shape[0];
  const std::int64_t unit = quant_unit_bytes(form_);
  if (info.shape[1] % unit != 0) {
    throw FormatError(where(),
                      "expected rows of {} in {} blocks of {} bytes, found rows of {} bytes; the "
                      "file is damaged, quantise the model again",
                      printable(name), enum_name(form_), unit, info.shape[1]);
  }
  if (form_ == QuantForm::kInt8) check_scale(name, rows);
  std::string spelling(enum_name(form_));
  std::ranges::transform(spelling, spelling.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  add(name, {.dtype = DType::kF32,
             .dtype_name = std::move(spelling),
             .shape = {rows, info.shape[1] / unit * quant_unit(form_)}});
  quantised_.push_back(true);
}

void QuantisedSource::check_scale(const std::string& name, std::int64_t rows) const {
  const std::string scale = name + "_scale";
  if (!stored_->contains(scale)) {
    throw FormatError(where(),
                      "expected the scales {} of an int8 matrix, found none; quantise the model "
                      "again",
                      printable(scale));
  }
  const TensorInfo& info = stored_->info(scale);
  if (info.dtype == DType::kF32 && info.shape == Shape{rows}) return;
  throw FormatError(where(),
                    "expected {} as F32 of shape [{}], found {} of shape {}; quantise the model "
                    "again",
                    printable(scale), rows, printable(info.dtype_name), to_string(info.shape));
}

void QuantisedSource::check_owner(const std::string& scale_name) const {
  const std::string name = scale_name.substr(0, scale_name.size() - std::string("_scale").size());
  if (stored_->contains(name) && is_quantised(form_, name, stored_->info(name))) return;
  throw FormatError(where(),
                    "expected an int8 matrix {} for its scales, found {}; quantise the model again",
                    printable(name),
                    stored_->contains(name) ? printable(stored_->info(name).dtype_name) : "none");
}

QuantMatrix QuantisedSource::matrix(std::size_t index) const {
  const std::string& name = names()[index];
  const Shape& shape = info_at(index).shape;
  QuantMatrix out{.form = form_,
                  .rows = shape[0],
                  .columns = shape[1],
                  .values = stored_->read(name),
                  .scale = {}};
  if (form_ == QuantForm::kInt8) out.scale = stored_->read(name + "_scale").to_f32();
  if (finite_scales(out)) return out;
  throw FormatError(where(),
                    "expected finite scales in {}, found NaN or infinity; the weights are damaged, "
                    "quantise the model again",
                    printable(name));
}

}  // namespace

std::unique_ptr<TensorSource> with_quantised(std::unique_ptr<TensorSource> stored) {
  const auto found = stored->metadata().find(std::string(kWeightFormat));
  if (found == stored->metadata().end()) return stored;
  const std::optional<QuantForm> form = enum_from_name<QuantForm>(found->second);
  if (!form) {
    throw FormatError(stored->where(),
                      "expected the weight format int8, q8_0 or q4_0, found '{}'{}; quantise the "
                      "model again",
                      printable(found->second),
                      did_you_mean(found->second, EnumNames<QuantForm>::kNames));
  }
  return std::make_unique<QuantisedSource>(std::move(stored), *form);
}

void append_quantised(std::vector<NamedTensor>& tensors, const std::string& name,
                      const QuantMatrix& matrix) {
  CONOPA_ASSERT(name.ends_with(kSuffix));
  tensors.push_back({name, matrix.values});
  if (has_blocks(matrix.form)) return;
  tensors.push_back({name + "_scale",
                     HostTensor::of<float>(DType::kF32, {matrix.rows}, std::span(matrix.scale))});
}

}  // namespace conopa
