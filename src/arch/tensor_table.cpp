#include "conopa/arch/tensor_table.h"

#include <algorithm>
#include <set>

#include "arch/table_builder.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/weight_selection.h"
#include "conopa/core/error.h"

namespace conopa::arch {
namespace {

template <typename Items, typename Text>
std::string some_of(const Items& items, Text text) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> shown;
  for (const auto& item : items) {
    if (shown.size() == kShown) break;
    shown.push_back(text(item));
  }
  if (items.empty()) return "";
  return fmt::format(" ({}{})", fmt::join(shown, ", "), items.size() > kShown ? ", ..." : "");
}

}  // namespace

TensorTable::TensorTable(const EncoderSpec& spec) : family_(spec.family) {
  build_table(spec, entries_);
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
}

const TensorEntry* TensorTable::find(std::string_view name) const noexcept {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

std::string TensorTable::foreign_name(std::string_view name, std::string_view scheme) const {
  return to_foreign(family(family_), scheme, name);
}

ForeignTensor TensorTable::foreign(std::string_view name, std::string_view scheme) const {
  const auto it = index_.find(name);
  if (it == index_.end()) throw ConfigError("model", "there is no tensor '{}'", name);
  ForeignTensor out{.name = foreign_name(name, scheme),
                    .shape = entries_[it->second].shape,
                    .parts = to_foreign_parts(family(family_), scheme, name)};
  if (is_flat(family(family_), scheme, name) && out.shape.size() > 1 && out.shape.front() == 1) {
    out.shape.erase(out.shape.begin());
    return out;
  }
  if (!out.parts.empty()) {
    out.name = out.parts.front();
    out.shape.front() /= static_cast<std::int64_t>(out.parts.size());
  }
  if (out.shape.empty() || !out.parts.empty()) return out;
  // Tensors that share a name lie in one block, so their entries stand near each other.
  constexpr std::size_t kReach = 8;
  const std::size_t first = it->second < kReach ? 0 : it->second - kReach;
  const std::size_t last = std::min(entries_.size(), it->second + kReach + 1);
  for (std::size_t i = first; i < last; ++i) {
    if (i == it->second || entries_[i].shape.size() != out.shape.size()) continue;
    if (foreign_name(entries_[i].name, scheme) != out.name) continue;
    out.shape[0] += entries_[i].shape[0];
    if (i < it->second) out.offset += entries_[i].shape[0];
  }
  return out;
}

std::int64_t TensorTable::parameter_count() const noexcept {
  std::int64_t count = 0;
  for (const TensorEntry& entry : entries_) {
    if (!entry.trainable) continue;
    std::int64_t elements = 1;
    for (const std::int64_t size : entry.shape) elements *= size;
    count += elements;
  }
  return count;
}

bool same_rows(const Shape& a, const Shape& b) noexcept {
  const auto start = [](const Shape& shape) {
    return std::ranges::find_if(shape, [](std::int64_t size) { return size != 1; });
  };
  return std::equal(start(a), a.end(), start(b), b.end());
}

namespace {

std::optional<HostTensor> read_parts(const ForeignTensor& foreign, const TensorEntry& entry,
                                     const ForeignReader& read) {
  std::vector<HostTensor> parts;
  for (const std::string& name : foreign.parts) {
    std::optional<HostTensor> part = read(name);
    if (!part) return std::nullopt;
    if (part->shape() != foreign.shape) return part;  // for the caller to refuse
    if (!parts.empty() && part->dtype() != parts.front().dtype()) {
      throw FormatError(name, "expected the element type {} of {}, found {}",
                        dtype_name(parts.front().dtype()), foreign.name, dtype_name(part->dtype()));
    }
    parts.push_back(std::move(*part));
  }
  const HostTensor joined = concat_rows(parts);
  return joined.numel() == element_count(entry.shape) ? joined.reshaped(entry.shape) : joined;
}

}  // namespace

std::optional<HostTensor> read_foreign(const ForeignTensor& foreign, const TensorEntry& entry,
                                       const ForeignReader& read) {
  if (!foreign.parts.empty()) return read_parts(foreign, entry, read);
  std::optional<HostTensor> whole = read(foreign.name);
  if (!whole || whole->shape() == entry.shape) return whole;
  if (same_rows(whole->shape(), entry.shape)) return whole->reshaped(entry.shape);
  if (whole->shape() != foreign.shape) return whole;
  return whole->rows(foreign.offset, entry.shape.front());
}

std::vector<std::pair<std::string, HostTensor>> foreign_parts(const ForeignTensor& foreign,
                                                              const HostTensor& own) {
  if (foreign.parts.empty()) {
    const bool flat = own.shape() != foreign.shape && same_rows(own.shape(), foreign.shape);
    return {{foreign.name, flat ? own.reshaped(foreign.shape) : own}};
  }
  std::vector<std::pair<std::string, HostTensor>> out;
  const std::int64_t rows = foreign.shape.front();
  for (std::size_t i = 0; i < foreign.parts.size(); ++i) {
    out.emplace_back(foreign.parts[i], own.rows(static_cast<std::int64_t>(i) * rows, rows));
  }
  return out;
}

std::string KeyReport::summary() const {
  const auto same = [](const std::string& name) { return name; };
  return fmt::format("{} missing{}, {} unexpected{}, {} reshaped{}", missing.size(),
                     some_of(missing, same), unexpected.size(), some_of(unexpected, same),
                     reshaped.size(), some_of(reshaped, [](const Reshaped& r) {
                       return fmt::format("{} {} for {}", r.name, to_string(r.found),
                                          to_string(r.expected));
                     }));
}

KeyReport compare_keys(const TensorTable& table, std::string_view scheme,
                       const TensorIndex& checkpoint) {
  KeyReport report;
  std::set<std::string, std::less<>> known;
  for (const TensorEntry& entry : table.entries()) {
    const ForeignTensor foreign = table.foreign(entry.name, scheme);
    const std::vector<std::string> parts =
        foreign.parts.empty() ? std::vector{foreign.name} : foreign.parts;
    for (const std::string& part : parts) {
      known.insert(part);
      const auto it = checkpoint.find(part);
      const bool counted = !report.missing.empty() && report.missing.back() == entry.name;
      if (it == checkpoint.end()) {
        if (!counted) report.missing.push_back(entry.name);
      } else if (!same_rows(it->second, foreign.shape)) {
        report.reshaped.push_back({entry.name, foreign.shape, it->second});
      }
    }
  }
  const Family& owner = family(table.family_name());
  for (const auto& [name, shape] : checkpoint) {
    if (!known.contains(name) && !is_ignored(owner, scheme, name))
      report.unexpected.push_back(name);
  }
  return report;
}

}  // namespace conopa::arch
