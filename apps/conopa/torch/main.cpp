// conopa-torch: the conopa command with the parts that need libtorch.

#include "torch_parts.h"

int main(int argc, char** argv) {
  return conopa::app::command_main(argc, argv, &conopa::app::torch_parts());
}
