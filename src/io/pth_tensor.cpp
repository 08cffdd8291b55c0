#include "io/pth_tensor.h"

#include "conopa/core/error.h"

namespace conopa::detail {
namespace {

constexpr int kMaxWrappers = 4;  // Parameter around a subclass around a tensor
constexpr std::int64_t kMaxRank = 64;

[[noreturn]] void throw_malformed(std::string_view where, const PickleValue& value) {
  throw FormatError(where, "expected a tensor or storage, found {}; the checkpoint is damaged",
                    value.describe(120));
}

std::int64_t int_at(const PickleValue& tuple, std::int64_t i, std::string_view where) {
  const auto number = tuple[i].as_int();
  if (!number || *number < 0) throw_malformed(where, tuple);
  return *number;
}

Shape ints_of(const PickleValue& value, std::string_view where) {
  if (!value.is(PickleKind::kTuple) && !value.is(PickleKind::kList)) throw_malformed(where, value);
  if (value.size() > kMaxRank) throw_malformed(where, value);
  Shape out;
  for (std::int64_t i = 0; i < value.size(); ++i) out.push_back(int_at(value, i, where));
  return out;
}

bool is_rebuild(std::string_view name, std::string_view function) {
  constexpr std::string_view kModule = "torch._utils.";
  return name.starts_with(kModule) && name.substr(kModule.size()) == function;
}

/// The storage that an argument means: a persistent reference, or a TypedStorage object around one
/// with its dtype.
PthStorageRef storage_argument(const PickleValue& value, std::string_view where) {
  if (auto direct = parse_storage(value, where)) return *direct;
  const std::string_view name = value.text();
  const auto args = value.args();
  const bool typed = value.is(PickleKind::kObject) && (name == "torch.storage.TypedStorage" ||
                                                       name == "torch.storage._TypedStorage");
  if (!typed || !args || !args->is(PickleKind::kTuple)) throw_malformed(where, value);
  std::optional<PthStorageRef> storage;
  std::optional<TorchType> type;
  for (std::int64_t i = 0; i < args->size(); ++i) {
    if (!storage) storage = parse_storage((*args)[i], where);
    if (!type && (*args)[i].is(PickleKind::kGlobal)) type = torch_type_of_dtype((*args)[i].text());
  }
  if (!storage || !type) throw_malformed(where, value);
  if (type->bytes.value_or(0) > 0) storage->numel /= *type->bytes;
  storage->type = *type;
  return *storage;
}

/// Re-reads an untyped storage under the dtype of _rebuild_tensor_v3.
void apply_dtype(PthTensor& tensor, const PickleValue& dtype, std::string_view where) {
  const auto type = torch_type_of_dtype(dtype.text());
  if (!dtype.is(PickleKind::kGlobal) || !type) throw_malformed(where, dtype);
  const std::int64_t old_bytes = tensor.storage.type.bytes.value_or(1);
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(tensor.storage.numel, old_bytes, &bytes)) {
    throw_malformed(where, dtype);
  }
  tensor.storage.numel = bytes / type->bytes.value_or(1);
  tensor.storage.type = *type;
  tensor.type = *type;
}

}  // namespace

std::optional<PthStorageRef> parse_storage(const PickleValue& value, std::string_view where) {
  if (!value.is(PickleKind::kPersistent)) return std::nullopt;
  const PickleValue id = value[0];
  if (!id.is(PickleKind::kTuple) || id.size() < 5 || id[0].as_string() != "storage") {
    return std::nullopt;
  }
  const auto type = torch_type_of_storage(id[1].text());
  if (!id[1].is(PickleKind::kGlobal) || !type) throw_malformed(where, value);
  PthStorageRef storage;
  storage.type = *type;
  storage.numel = int_at(id, 4, where);
  if (const auto key = id[2].as_string()) {
    storage.key = *key;
  } else {
    storage.key = std::to_string(int_at(id, 2, where));
  }
  if (id.size() > 5 && id[5].is(PickleKind::kTuple)) {  // (key, offset, size) of a view
    if (id[5].size() != 3) throw_malformed(where, value);
    storage.view_offset = int_at(id[5], 1, where);
    storage.numel = int_at(id[5], 2, where);
  }
  return storage;
}

std::optional<PthTensor> parse_tensor(const PickleValue& value, std::string_view where) {
  PickleValue call = value;
  std::string function(call.text());
  std::optional<PickleValue> args = call.args();
  for (int depth = 0;; ++depth) {
    if (!call.is(PickleKind::kObject) || !args || !args->is(PickleKind::kTuple))
      return std::nullopt;
    if (depth > kMaxWrappers) throw_malformed(where, value);
    if (is_rebuild(function, "_rebuild_parameter") ||
        is_rebuild(function, "_rebuild_parameter_with_state")) {
      if (args->size() < 1) throw_malformed(where, value);
      call = PickleValue((*args)[0]);
      function = call.text();
      args = call.args();
    } else if (function == "torch._tensor._rebuild_from_type_v2") {
      // (function, class, arguments, state): a tensor subclass; its data is a plain tensor.
      if (args->size() < 3) throw_malformed(where, value);
      function = (*args)[0].text();
      args = PickleValue((*args)[2]);
    } else {
      break;
    }
  }
  const bool v3 = is_rebuild(function, "_rebuild_tensor_v3");
  const bool v2 = is_rebuild(function, "_rebuild_tensor_v2");
  if (!v3 && !v2 && !is_rebuild(function, "_rebuild_tensor")) return std::nullopt;
  if (args->size() < (v3 ? 7 : v2 ? 6 : 4)) throw_malformed(where, value);
  PthTensor tensor;
  tensor.storage = storage_argument((*args)[0], where);
  tensor.type = tensor.storage.type;
  tensor.layout = {ints_of((*args)[2], where), ints_of((*args)[3], where), int_at(*args, 1, where)};
  if (v3) apply_dtype(tensor, (*args)[6], where);
  return tensor;
}

}  // namespace conopa::detail
