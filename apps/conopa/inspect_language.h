#pragma once

#include <filesystem>

#include "command.h"

namespace conopa::app {

/// Prints what a language model says about itself, as JSON if the context asks for it.
///
/// @param path     one that llm::LmSource::recognises.
/// @param tensors  also lists the tensors of a block, which reads the last layer.
/// @return the exit code.
/// @throws as LmSource::open.
int inspect_language(const Context& context, const std::filesystem::path& path, bool tensors);

}  // namespace conopa::app
