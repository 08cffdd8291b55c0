#include "conopa/codebook/codebook.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "conopa/codebook/kmeans.h"
#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/io/safetensors.h"

namespace conopa::codebook {
namespace {

constexpr const char* kCentres = "centres";
constexpr double kVarianceEps = 1e-6;  // as in the targets of pixel losses
constexpr std::int64_t kLargestPatch = 1024;
constexpr std::int64_t kMostChannels = 64;

const std::string& metadata_text(const TensorSource& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found != file.metadata().end()) return found->second;
  throw FormatError(file.where(),
                    "expected the metadata '{}' of a codebook, found none; make one with conopa "
                    "codebook",
                    key);
}

std::int64_t metadata_number(const TensorSource& file, const std::string& key, std::int64_t low,
                             std::int64_t high) {
  const std::string& text = metadata_text(file, key);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    throw FormatError(file.where(), "expected a number from {} to {} as metadata '{}', found '{}'",
                      low, high, key, text);
  }
  return value;
}

bool metadata_flag(const TensorSource& file, const std::string& key) {
  const std::string& text = metadata_text(file, key);
  if (text == "true" || text == "false") return text == "true";
  throw FormatError(file.where(), "expected true or false as metadata '{}', found '{}'", key, text);
}

void read_centres(const TensorSource& file, Codebook& out) {
  if (!file.contains(kCentres)) {
    throw FormatError(file.where(),
                      "expected a codebook with the tensor '{}', found none; make one with conopa "
                      "codebook",
                      kCentres);
  }
  const TensorInfo& info = file.info(kCentres);
  if (info.dtype != DType::kF32 || info.shape.size() != 2 || info.shape[0] < 1 ||
      info.shape[1] != out.dims()) {
    throw FormatError(
        file.where(), "expected centres [codes, {}] F32 for {}x{} patches of {}, found {} {}",
        out.dims(), out.patch, out.patch, out.channels, to_string(info.shape), info.dtype_name);
  }
  out.centres = file.read(kCentres).to_f32();
  if (!std::ranges::all_of(out.centres, [](float x) { return std::isfinite(x); })) {
    throw FormatError(file.where(), "expected finite centres, found NaN or infinity");
  }
}

}  // namespace

void save_codebook(const std::filesystem::path& path, const Codebook& codebook) {
  if (codebook.dims() < 1 || codebook.centres.empty() ||
      std::ssize(codebook.centres) % codebook.dims() != 0) {
    throw ShapeError(path.string(), "expected centres of {} numbers, got {} in all",
                     codebook.dims(), codebook.centres.size());
  }
  const std::vector<NamedTensor> tensors{
      {kCentres,
       HostTensor::of<float>(DType::kF32, {codebook.codes(), codebook.dims()}, codebook.centres)}};
  write_safetensors(path, tensors,
                    {{"kind", "codebook"},
                     {"patch", fmt::to_string(codebook.patch)},
                     {"channels", fmt::to_string(codebook.channels)},
                     {"normalised", codebook.normalised ? "true" : "false"},
                     {"seed", fmt::to_string(codebook.seed)},
                     {"images", fmt::to_string(codebook.images)},
                     {"inertia", fmt::format("{:.6g}", codebook.inertia)}});
}

Codebook load_codebook(const std::filesystem::path& path) {
  const std::unique_ptr<SafetensorsFile> file = SafetensorsFile::open(path);
  Codebook out;
  out.where = path.string();
  out.patch = metadata_number(*file, "patch", 1, kLargestPatch);
  out.channels = metadata_number(*file, "channels", 1, kMostChannels);
  out.normalised = metadata_flag(*file, "normalised");
  read_centres(*file, out);
  constexpr std::int64_t kAny = std::int64_t{1} << 62;
  out.seed = metadata_number(*file, "seed", -kAny, kAny);
  out.images = metadata_number(*file, "images", 0, kAny);
  const std::string& inertia = metadata_text(*file, "inertia");
  const auto [end, error] =
      std::from_chars(inertia.data(), inertia.data() + inertia.size(), out.inertia);
  if (error != std::errc{} || end != inertia.data() + inertia.size()) {
    throw FormatError(file->where(), "expected a number as metadata 'inertia', found '{}'",
                      inertia);
  }
  return out;
}

void require_patch(const Codebook& codebook, std::int64_t patch, std::int64_t channels) {
  if (codebook.patch == patch && codebook.channels == channels) return;
  throw FormatError(codebook.where,
                    "expected codes of {}*{}*{} = {} numbers for the model's patches, found "
                    "{}*{}*{} = {}; make a codebook with conopa codebook --patch {}",
                    patch, patch, channels, patch * patch * channels, codebook.patch,
                    codebook.patch, codebook.channels, codebook.dims(), patch);
}

std::vector<std::int64_t> nearest_code(std::span<const float> patches, const Codebook& codebook) {
  return nearest_centres(patches, codebook.centres, codebook.dims());
}

void normalise_patches(std::span<float> patches, std::int64_t dims) {
  if (dims < 2 || std::ssize(patches) % dims != 0) {
    throw ShapeError("codebook", "expected patches of {} numbers, at least 2, got {} in all", dims,
                     patches.size());
  }
  const auto D = static_cast<std::size_t>(dims);
  parallel_for(0, std::ssize(patches) / dims, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const std::span<float> patch = patches.subspan(i * D, D);
      double mean = 0.0;
      for (const float x : patch) mean += static_cast<double>(x);
      mean /= static_cast<double>(D);
      double variance = 0.0;
      for (const float x : patch) variance += std::pow(static_cast<double>(x) - mean, 2);
      const double deviation = std::sqrt(variance / static_cast<double>(D - 1) + kVarianceEps);
      for (float& x : patch) x = static_cast<float>((static_cast<double>(x) - mean) / deviation);
    }
  });
}

}  // namespace conopa::codebook
