#include "conopa/io/merged.h"

#include <utility>

#include "conopa/core/error.h"
#include "io/printable.h"

namespace conopa {

MergedSource::MergedSource(std::vector<std::unique_ptr<TensorSource>> sources)
    : TensorSource(sources.front()->where()), sources_(std::move(sources)) {
  set_metadata(sources_.front()->metadata());
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    for (const std::string& name : sources_[i]->names()) {
      if (const auto earlier = find_index(name)) {
        throw FormatError(sources_[i]->where(),
                          "expected tensors that {} lacks, found {} in both; name two files that "
                          "belong together, a backbone and its head",
                          sources_[source_of_[*earlier]]->where(), printable(name));
      }
      add(name, sources_[i]->info(name));
      source_of_.push_back(i);
    }
  }
}

std::optional<QuantMatrix> MergedSource::read_quantised(std::string_view name) const {
  return sources_[source_of_[index_of(name)]]->read_quantised(name);
}

void MergedSource::release(std::string_view name) const noexcept {
  if (const auto index = find_index(name)) sources_[source_of_[*index]]->release(name);
}

HostTensor MergedSource::load(std::size_t index) const {
  return sources_[source_of_[index]]->read(names()[index]);
}

}  // namespace conopa
