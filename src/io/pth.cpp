#include "conopa/io/pth.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "conopa/core/error.h"
#include "io/printable.h"
#include "io/pth_flatten.h"
#include "io/pth_storages.h"

namespace conopa {
namespace {

/// Where checkpoints keep the model, most usual first.
constexpr std::array<std::string_view, 13> kModelKeys{
    "model",  "state_dict", "module",    "model_state_dict", "model_state", "net",       "network",
    "params", "ema",        "model_ema", "weights",          "student",     "base_model"};
constexpr int kMaxUnwrapping = 4;
constexpr std::array<std::string_view, 2> kWrapperPrefixes{"module.", "_orig_mod."};
/// Expanded tensors (stride 0) may be larger than their storage, within reason.
constexpr std::int64_t kMaxExpandedBytes = std::int64_t{1} << 30;

bool is_zip(const MappedFile& file) {
  constexpr std::array<std::byte, 4> kMark{std::byte{'P'}, std::byte{'K'}, std::byte{3},
                                           std::byte{4}};
  return file.bytes().size() >= kMark.size() &&
         std::equal(kMark.begin(), kMark.end(), file.bytes().begin());
}

std::string join_path(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}/{}", path, key);
}

std::optional<PickleValue> child(const PickleValue& value, std::string_view key) {
  if (auto found = value.find(key)) return found;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  if (error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
  if (value.is(PickleKind::kList) || value.is(PickleKind::kTuple)) {
    if (number >= 0 && number < value.size()) return value[number];
    return std::nullopt;
  }
  return value.find(number);
}

/// Follows keys joined by '/'.
PickleValue follow(PickleValue value, std::string_view path, const std::string& where) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view key = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    const auto next = child(value, key);
    if (!next) {
      throw FormatError(where,
                        "expected a key '{}' in the checkpoint, found {}; list the keys with "
                        "`inspect`",
                        key, value.describe(120));
    }
    value = *next;
  }
  return value;
}

/// Refuses a layout that does not fit its storage.
void check_bounds(const detail::PthTensor& tensor, std::optional<std::int64_t> storage_bytes,
                  std::string_view name, const std::string& where) {
  const auto fail = [&](std::string_view what) {
    throw FormatError(where,
                      "tensor '{}' {}; the checkpoint is truncated or damaged, copy or "
                      "download it again",
                      printable(name), printable(what));
  };
  const StridedLayout& layout = tensor.layout;
  const auto needed = storage_elements(layout);
  if (!needed) fail(fmt::format("has a malformed shape {}", to_string(layout.shape)));
  if (*needed == 0) return;  // its storage may be missing
  if (!storage_bytes)
    fail(fmt::format("refers to storage '{}', which is missing", tensor.storage.key));
  if (!tensor.type.bytes) return;
  std::int64_t end = 0;
  std::int64_t end_bytes = 0;
  if (*needed > tensor.storage.numel ||
      __builtin_add_overflow(tensor.storage.view_offset, *needed, &end) ||
      __builtin_mul_overflow(end, *tensor.type.bytes, &end_bytes) || end_bytes > *storage_bytes) {
    fail(fmt::format("of shape {} does not fit into its storage of {} bytes",
                     to_string(layout.shape), *storage_bytes));
  }
  const std::int64_t most = std::max(kMaxExpandedBytes, *storage_bytes);
  if (element_count(layout.shape) > most / *tensor.type.bytes) {
    fail(fmt::format("of shape {} is an expanded view beyond {} bytes", to_string(layout.shape),
                     most));
  }
}

HostTensor read_tensor(const detail::PthTensor& tensor, const detail::PthStorages& storages) {
  if (element_count(tensor.layout.shape) == 0) {
    return HostTensor::zeros(*tensor.type.dtype, tensor.layout.shape);
  }
  StridedLayout layout = tensor.layout;
  layout.offset += tensor.storage.view_offset;
  return make_dense(*tensor.type.dtype, layout, storages.read(tensor.storage.key));
}

/// The wrapper prefix that every name has, "" if there is none.
std::string common_prefix(const detail::FlatTensors& flat) {
  for (const std::string_view prefix : kWrapperPrefixes) {
    const bool all = std::all_of(flat.tensors.begin(), flat.tensors.end(), [&](const auto& entry) {
      return entry.first.starts_with(prefix);
    });
    if (all && !flat.tensors.empty()) return std::string(prefix);
  }
  return {};
}

}  // namespace

PthFile::PthFile(std::string where, PickleValue root, std::unique_ptr<detail::PthStorages> storages)
    : TensorSource(std::move(where)), root_(std::move(root)), storages_(std::move(storages)) {}

PthFile::~PthFile() = default;

std::unique_ptr<PthFile> PthFile::open(const std::filesystem::path& path,
                                       const PthOptions& options) {
  return from(MappedFile::open(path), options);
}

std::unique_ptr<PthFile> PthFile::from(std::shared_ptr<const MappedFile> file,
                                       const PthOptions& options) {
  std::string where = file->name();
  detail::PthContent content =
      is_zip(*file) ? detail::open_zip_pth(file) : detail::open_legacy_pth(file);
  std::unique_ptr<PthFile> out(
      new PthFile(std::move(where), std::move(content.root), std::move(content.storages)));
  out->select(options);
  return out;
}

bool PthFile::is_legacy() const noexcept { return storages_->is_legacy(); }

void PthFile::select(const PthOptions& options) {
  if (options.key_path) {
    selected_path_ = *options.key_path;
    return present(follow(root_, selected_path_, where()), options);
  }
  PickleValue selected = root_;
  for (int depth = 0; depth < kMaxUnwrapping; ++depth) {
    std::optional<PickleValue> inner;
    for (const std::string_view key : kModelKeys) {
      inner = selected.find(key);
      if (inner && !detail::parse_tensor(*inner, where()) &&
          detail::holds_tensor(*inner, where())) {
        selected_path_ = join_path(selected_path_, key);
        break;
      }
      inner.reset();
    }
    if (!inner) break;
    selected = *inner;
  }
  present(selected, options);
}

void PthFile::present(const PickleValue& selected, const PthOptions& options) {
  detail::FlatTensors flat = detail::flatten(selected, where());
  if (options.strip_wrapper_prefix) stripped_prefix_ = common_prefix(flat);
  skipped_ = std::move(flat.skipped);
  tensors_.reserve(flat.tensors.size());
  for (auto& [name, tensor] : flat.tensors) {
    check_bounds(tensor, storages_->size(tensor.storage.key), name, where());
    add(name.substr(stripped_prefix_.size()),
        {tensor.type.dtype, tensor.type.name, tensor.layout.shape});
    tensors_.push_back(std::move(tensor));
  }
}

std::optional<HostTensor> PthFile::tensor_at(const PickleValue& value) const {
  const auto tensor = detail::parse_tensor(value, where());
  if (!tensor) return std::nullopt;
  check_bounds(*tensor, storages_->size(tensor->storage.key), "(unnamed)", where());
  if (!tensor->type.dtype) {
    throw UnsupportedError(where(), "a tensor has element type {}, which cannot be read",
                           tensor->type.name);
  }
  return read_tensor(*tensor, *storages_);
}

void PthFile::release(std::string_view name) const noexcept {
  if (const auto index = find_index(name)) storages_->release(tensors_[*index].storage.key);
}

HostTensor PthFile::load(std::size_t index) const {
  return read_tensor(tensors_[index], *storages_);
}

}  // namespace conopa
