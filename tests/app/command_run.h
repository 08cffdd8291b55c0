#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/image/image.h"
#include "tests/io/temp_dir.h"

namespace conopa::testing {

/// What a subcommand did.
struct CommandResult {
  int code = 0;
  std::string out;    ///< standard output
  std::string error;  ///< the message that main would print
  std::string log;    ///< lines of the log
};

/// Runs `conopa WORDS...` in this process, as main does but for the mapping of foreign exceptions.
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& words,
                                        std::string_view standard_input = "");

/// Folder of a case with reference numbers, "illama/seg_backbone".
[[nodiscard]] std::filesystem::path case_folder(std::string_view name);

/// A classifier of 8x8 pixels and three classes that computes in no time.
[[nodiscard]] arch::EncoderSpec small_spec();

/// Writes a model of small_spec with random weights.
void write_small_model(const std::filesystem::path& path, std::vector<std::string> class_names);

/// Writes a PNG whose pixels depend on `seed`.
void write_png(const std::filesystem::path& path, int seed);

}  // namespace conopa::testing
