#include "torch_parts.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "conopa/core/error.h"
#include "version.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kProgram = "conopa-torch";

constexpr bool built_with_torch() { return !std::string_view(CONOPA_TORCH_VERSION).empty(); }

// Beside this program: in the build's bin/ and where it is installed.
fs::path torch_program() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path() / kProgram;
}

[[noreturn]] void start(const fs::path& program, std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
  throw UnsupportedError(program.string(), "cannot start the program with libtorch: {}",
                         std::strerror(errno));
}

}  // namespace

bool has_torch(const Context& context) {
  std::error_code ignored;
  return context.torch != nullptr || (built_with_torch() && fs::exists(torch_program(), ignored));
}

const TorchParts& need_torch(const Context& context) {
  if (context.torch != nullptr) return *context.torch;
  if (!built_with_torch()) {
    throw UnsupportedError("libtorch",
                           "this build has no libtorch; configure with -DCONOPA_TRAIN=ON");
  }
  if (!has_torch(context)) {
    throw UnsupportedError("libtorch", "expected the program {}, found none; install it again",
                           torch_program().string());
  }
  start(torch_program(), context.arguments);
}

}  // namespace conopa::app
