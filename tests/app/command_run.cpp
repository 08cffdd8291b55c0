#include "tests/app/command_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <sstream>

#include "apps/conopa/command.h"
#include "apps/conopa/model_store.h"
#include "apps/conopa/torch_parts.h"
#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/image/codec.h"
#include "conopa/io/atomic_file.h"

namespace conopa::testing {
namespace {

/// Puts text in the place of standard input.
class InputScope {
 public:
  explicit InputScope(std::string_view text)
      : text_(std::string(text)), previous_(std::cin.rdbuf(text_.rdbuf())) {
    std::cin.clear();
  }
  ~InputScope() {
    std::cin.rdbuf(previous_);
    std::cin.clear();
  }
  InputScope(const InputScope&) = delete;
  InputScope& operator=(const InputScope&) = delete;

 private:
  std::istringstream text_;
  std::streambuf* previous_;
};

void run_into(CommandResult& result, const std::vector<std::string>& words) {
  app::Context context;
  context.command_line = "conopa (test)";
#ifdef CONOPA_TRAIN
  context.torch = &app::torch_parts();
#endif
  CLI::App root;
  root.add_flag("--json", context.json);
  root.add_flag("--quiet", context.quiet);
  root.fallthrough();
  app::add_commands(root, context);
  try {
    root.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    context.quiet = true;
    result.code = context.action();
  } catch (const CLI::ParseError& error) {
    result.code = static_cast<int>(ExitCode::kUsage);
    result.error = error.what();
  } catch (const Error& error) {
    result.code = static_cast<int>(error.code());
    result.error = error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an Error: " << error.what();
    result.code = static_cast<int>(ExitCode::kRunFailed);
  }
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& words, std::string_view standard_input) {
  CommandResult result;
  const InputScope input(standard_input);
  set_log_sink([&result](LogLevel, std::string_view line) {
    result.log += line;
    result.log += '\n';
  });
  ::testing::internal::CaptureStdout();
  run_into(result, words);
  std::fflush(stdout);
  result.out = ::testing::internal::GetCapturedStdout();
  set_log_sink({});
  return result;
}

std::filesystem::path case_folder(std::string_view name) {
  return std::filesystem::path(CONOPA_SOURCE_DIR) / "tests/parity/cases" / name;
}

arch::EncoderSpec small_spec() {
  arch::EncoderSpec spec;
  spec.height = spec.width = 8;
  spec.patch = 4;
  spec.dim = 16;
  spec.depth = 1;
  spec.heads = 2;
  spec.num_classes = 3;
  spec.resolve();
  return spec;
}

void write_small_model(const std::filesystem::path& path, std::vector<std::string> class_names) {
  app::NewModel model{.spec = small_spec(),
                      .transform = app::default_transform(small_spec()),
                      .class_names = std::move(class_names),
                      .tensors = {},
                      .readme = "# small\n"};
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    model.tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
  }
  app::save_model(path, model, false);
}

void write_png(const std::filesystem::path& path, int seed) {
  image::Image image(12, 10, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] =
        static_cast<std::uint8_t>((i * 37 + static_cast<std::size_t>(seed) * 91) ^ (i / 7));
  }
  std::filesystem::create_directories(path.parent_path());
  write_file_atomically(path, image::encode_png(image));
}

}  // namespace conopa::testing
