// conopa export: a model folder becomes a file that other software reads.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "checkpoint_export.h"
#include "command.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/system.h"
#include "gguf_model.h"
#include "llama_gguf.h"
#include "model_store.h"
#include "model_text.h"
#include "onnx_export.h"
#include "pair_folder.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Options {
  std::string model;
  std::string to;
  std::string scheme;
  std::string dtype;
  std::string precision;
  std::string part;
  std::string out;
  bool force = false;
};

/// What was written.
struct Written {
  std::string scheme;
  std::size_t tensors = 0;
  std::string data_file = {};  ///< second file, if there is one
};

ModelPart part_of(const Options& options) {
  if (options.part == "backbone") return ModelPart::kBackbone;
  return options.part == "head" ? ModelPart::kHead : ModelPart::kAll;
}

Written write_named(const StoredModel& model, const Options& options, const std::string& asked) {
  const arch::Family& family = arch::family(model.spec.family);
  Written written{.scheme = arch::export_scheme(family, model.spec, asked)};
  written.tensors = export_safetensors(model, written.scheme, part_of(options), options.out);
  return written;
}

Written write_official(const StoredModel& model, const Options& options) {
  return write_named(model, options, options.scheme);
}

// `--to l3m` and its like: the word is the scheme.
Written write_scheme(const StoredModel& model, const Options& options) {
  return write_named(model, options, options.to);
}

std::optional<DType> element_type(const Options& options) {
  if (options.dtype.empty()) return std::nullopt;
  return dtype_option(options.dtype);
}

Written write_own_gguf(const StoredModel& model, const Options& options) {
  return {.scheme = "canonical", .tensors = export_gguf(model, element_type(options), options.out)};
}

Written write_llama_gguf(const StoredModel& model, const Options& options) {
  return {.scheme = "llama.cpp",
          .tensors = export_llama_gguf(model, element_type(options), options.out)};
}

Written write_onnx(const StoredModel& model, const Options& options) {
  const OnnxFile file = export_onnx(model, options.precision, options.out);
  return {.scheme = "graph", .tensors = file.tensors, .data_file = file.data_file.string()};
}

/// What the user can choose about a kind of file.
enum class Choice { kScheme, kPart, kDtype, kPrecision };

/// A kind of file that `--to` names.
struct Format {
  std::string_view name;
  std::string_view help;
  std::string_view suffix;  ///< of its files
  Choice choice = Choice::kDtype;
  Written (*write)(const StoredModel& model, const Options& options);
};
constexpr std::array kFormats{
    Format{.name = "official",
           .help = "safetensors with the tensor names of the official implementation",
           .suffix = ".safetensors",
           .choice = Choice::kScheme,
           .write = write_official},
    Format{.name = "l3m",
           .help = "safetensors with the names of AIM's training code",
           .suffix = ".safetensors",
           .choice = Choice::kPart,
           .write = write_scheme},
    Format{.name = "transformers",
           .help = "safetensors with the names of the transformers library",
           .suffix = ".safetensors",
           .choice = Choice::kPart,
           .write = write_scheme},
    Format{.name = "timm",
           .help = "safetensors with the names of timm",
           .suffix = ".safetensors",
           .choice = Choice::kPart,
           .write = write_scheme},
    Format{.name = "gguf",
           .help = "GGUF with spec, preprocessing and class names, which `conopa import` reads",
           .suffix = ".gguf",
           .write = write_own_gguf},
    Format{.name = "llama-gguf",
           .help = "GGUF of the blocks alone, which stock llama.cpp runs on input embeddings",
           .suffix = ".gguf",
           .write = write_llama_gguf},
    Format{.name = "onnx",
           .help = "graph from normalised pixels to logits and features",
           .suffix = ".onnx",
           .choice = Choice::kPrecision,
           .write = write_onnx}};

const Format& find_format(std::string_view name) {
  return *std::ranges::find(kFormats, name, &Format::name);  // the parser has checked it
}

void check_choices(const Options& options, const Format& format) {
  if (format.choice != Choice::kScheme && !options.scheme.empty()) {
    throw UsageError("--scheme", "{} files have tensor names of their own; leave it out",
                     format.name);
  }
  if (format.choice != Choice::kScheme && format.choice != Choice::kPart && !options.part.empty()) {
    throw UsageError("--part", "{} files hold whole models; leave it out", format.name);
  }
  if (format.choice != Choice::kDtype && !options.dtype.empty()) {
    throw UsageError("--dtype", "{} files have no choice of element types; leave it out",
                     format.name);
  }
  if (format.choice != Choice::kPrecision && !options.precision.empty()) {
    throw UsageError("--precision", "{} files hold no arithmetic; leave it out", format.name);
  }
}

void check_output(const Options& options, const Format& format) {
  const fs::path out = options.out;
  if (out.extension() != format.suffix) {
    throw UsageError("--out", "expected a file that ends in {}, got '{}'", format.suffix,
                     options.out);
  }
  std::error_code ignored;
  if (!fs::exists(out, ignored)) return;
  if (fs::is_directory(out, ignored)) {
    throw IoError(options.out, "expected a file or nothing, found a folder; choose another path");
  }
  if (options.force) return;
  throw IoError(options.out,
                "the file exists already; choose another --out, or replace it with --force");
}

/// A pair of an image and a text tower becomes one file again.
Written write_pair(const StoredModel& image, const PairFolder& pair, const Options& options,
                   const Format& format) {
  if (format.choice != Choice::kScheme && format.choice != Choice::kPart) {
    throw UsageError("--to", "{} files hold one model; export {} or {}", format.name,
                     pair.image_path().string(), pair.text_path().string());
  }
  if (!options.part.empty()) {
    throw UsageError("--part", "a pair is written as a whole; leave it out");
  }
  const std::string asked = format.choice == Choice::kPart ? options.to : options.scheme;
  const StoredModel text = open_model(pair.text_path());
  Written written{.scheme =
                      arch::export_scheme(arch::family(image.spec.family), image.spec, asked)};
  written.tensors = export_pair(pair, image, text, written.scheme, options.out);
  return written;
}

int run(const Context& context, const Options& options) {
  const Format& format = find_format(options.to);
  check_choices(options, format);
  check_output(options, format);
  std::optional<PairFolder> pair;
  if (is_pair_folder(options.model)) pair = read_pair_folder(options.model);
  const StoredModel model =
      open_model(pair ? pair->image_path() : std::filesystem::path(options.model));
  const Written written =
      pair ? write_pair(model, *pair, options, format) : format.write(model, options);
  std::error_code ignored;
  auto bytes = static_cast<std::int64_t>(fs::file_size(options.out, ignored));
  if (!written.data_file.empty()) {
    bytes += static_cast<std::int64_t>(fs::file_size(written.data_file, ignored));
  }
  if (context.json) {
    Json json{{"model", model.path.string()}, {"to", format.name}, {"scheme", written.scheme},
              {"tensors", written.tensors},   {"bytes", bytes},    {"out", options.out}};
    if (!written.data_file.empty()) json["data"] = written.data_file;
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  fmt::print("model       {}\nwritten     {}{} ({} tensors under {} names, {})\n",
             spec_summary(model.spec), options.out,
             written.data_file.empty() ? "" : " and " + written.data_file, written.tensors,
             written.scheme, format_bytes(bytes));
  return 0;
}

}  // namespace

void add_export(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "export", "write a model as a file that other software reads",
                  "conopa export models/visionllama_base --to official --out base.safetensors");
  std::vector<std::string> names;
  std::string help;
  for (const Format& format : kFormats) {
    names.emplace_back(format.name);
    help += fmt::format("{}{}: {}", help.empty() ? "" : "; ", format.name, format.help);
  }
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  command->add_option("--to", options->to, help)->required()->check(CLI::IsMember(names));
  command->add_option("--scheme", options->scheme,
                      "naming scheme; left out, the family's first that can hold the model");
  command
      ->add_option("--part", options->part,
                   "backbone or head alone, as AIM is released; left out, both")
      ->check(CLI::IsMember({"backbone", "head"}));
  command
      ->add_option("--dtype", options->dtype,
                   "element type of GGUF tensors: f32, f16 or bf16; left out, that of the model")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  command
      ->add_option("--precision", options->precision,
                   "arithmetic of an ONNX graph: fp32 (default), or int8 for weights and "
                   "dynamically quantised activations")
      ->check(CLI::IsMember({"fp32", "int8"}));
  command->add_option("-o,--out", options->out, "file to write")->required();
  command->add_flag("-f,--force", options->force, "replace a file at --out");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
