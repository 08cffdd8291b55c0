// The conopa command without libtorch; see torch_parts.h.

#include "command.h"

int main(int argc, char** argv) { return conopa::app::command_main(argc, argv, nullptr); }
