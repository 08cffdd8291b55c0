#pragma once

#include "command.h"

namespace conopa::app {

// The subcommands of `conopa analyze` that have a file of their own.
void add_analyze_filter(CLI::App& analyze, Context& context);

}  // namespace conopa::app
