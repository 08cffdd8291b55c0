// Uses the installed library as a stranger would. Prints "consumer: ok" and returns 0 if every
// result is the expected one.
#include <conopa/arch/registry.h>
#include <conopa/arch/tensor_table.h>
#include <conopa/core/error.h>
#include <conopa/engine/session.h>
#include <conopa/image/codec.h>
#include <conopa/image/resize.h>
#include <conopa/io/model_folder.h>
#include <conopa/io/safetensors.h>
#include <conopa/kernels/matmul.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#ifdef CONSUMER_TRAINS
bool training_works(const conopa::arch::EncoderSpec& spec);
#endif

namespace {

bool expect(bool condition, const char* what) {
  if (!condition) std::fprintf(stderr, "consumer: %s is wrong\n", what);
  return condition;
}

conopa::arch::EncoderSpec small_model() {
  conopa::arch::EncoderSpec spec = conopa::arch::preset_spec("illama_tiny_patch16_224");
  spec.height = spec.width = 8;
  spec.patch = 4;
  spec.channels = 1;
  spec.depth = 2;
  spec.dim = 16;
  spec.heads = 2;
  spec.num_classes = 3;
  spec.mlp_hidden = 0;
  spec.resolve();
  return spec;
}

// [2, 3] x [3, 2]: the kernel chosen for this processor against values worked out by hand.
bool kernels_work() {
  const std::array<float, 6> a{1, 2, 3, 4, 5, 6};
  const std::array<float, 6> b{1, 0, 0, 1, 1, 1};
  std::array<float, 4> c{};
  conopa::kernels::matmul({.M = 2,
                           .N = 2,
                           .K = 3,
                           .a = a.data(),
                           .lda = 3,
                           .b = b.data(),
                           .ldb = 2,
                           .c = c.data(),
                           .ldc = 2});
  return c == std::array<float, 4>{4, 5, 10, 11};
}

// A file written and read; a damaged one must throw an error that this program can catch.
bool files_work(const std::filesystem::path& folder) {
  const std::vector<float> values{1.5F, -2.0F};
  const auto tensor = conopa::HostTensor::of<float>(conopa::DType::kF32, {2}, values);
  const std::vector<conopa::NamedTensor> tensors{{"weight", tensor}};
  const auto path = folder / "consumer.safetensors";
  conopa::write_safetensors(path, tensors);
  if (conopa::SafetensorsFile::open(path)->read("weight").to_f32() != values) return false;
  std::filesystem::resize_file(path, 20);
  try {
    (void)conopa::SafetensorsFile::open(path);
  } catch (const conopa::FormatError&) {
    return true;
  }
  return false;
}

bool images_work() {
  conopa::Image image(8, 8, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i);
  }
  const auto png = conopa::image::encode_png(image);
  if (conopa::image::decode(png, "consumer.png") != image) return false;
  return conopa::image::resize(image, 4, 2, conopa::image::Filter::kBicubic).height == 2;
}

// A model folder of constant weights, run; it stays for the program in C.
bool engine_works(const conopa::arch::EncoderSpec& spec, const std::filesystem::path& folder) {
  std::vector<conopa::NamedTensor> tensors;
  const conopa::arch::TensorTable table(spec);
  for (const conopa::arch::TensorEntry& entry : table.entries()) {
    auto tensor = conopa::HostTensor::zeros(conopa::DType::kF32, entry.shape);
    for (float& value : tensor.mutable_data<float>()) value = 0.01F;
    tensors.push_back({entry.name, tensor});
  }
  conopa::write_model_folder(folder / "model",
                             {.config_json = conopa::arch::spec_to_json(spec), .tensors = tensors});
  const auto model = conopa::engine::Model::open(folder / "model");
  conopa::engine::Session session(model);
  const std::vector<float> pixels(2 * 8 * 8, 0.5F);
  std::vector<float> logits(6, -1.0F);
  session.run(pixels, 2, {.logits = logits});
  const auto png = conopa::image::encode_png(conopa::Image(9, 9, 1));
  std::FILE* file = std::fopen((folder / "gray.png").c_str(), "wb");
  if (file == nullptr) return false;
  std::fwrite(png.data(), 1, png.size(), file);
  std::fclose(file);
  return logits[0] == logits[3] && logits[0] > 0.0F;
}

}  // namespace

int main(int argc, char** argv) {
  const conopa::arch::EncoderSpec spec = small_model();
  const conopa::arch::TensorTable table(spec);
  std::printf("consumer: %s of %lld parameters\n", spec.family.c_str(),
              static_cast<long long>(table.parameter_count()));
  bool good = expect(table.parameter_count() > 0, "the parameter count");
  good &= expect(kernels_work(), "a matrix product");
  good &= expect(files_work(argc > 1 ? argv[1] : "."), "a checkpoint");
  good &= expect(images_work(), "an image");
  good &= expect(engine_works(spec, argc > 1 ? argv[1] : "."), "a native run");
#ifdef CONSUMER_TRAINS
  good &= expect(training_works(spec), "a training step");
#endif
  if (good) std::puts("consumer: ok");
  return good ? 0 : 1;
}
