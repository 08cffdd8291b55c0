#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "conopa/points/cloud_set.h"

namespace conopa::points {

/// How a folder of ModelNet40 is read.
struct ModelNetOptions {
  std::int64_t points = 8192;         ///< a cloud, chosen by furthest point sampling
  std::string prefix = "modelnet40";  ///< of the lists; "modelnet10" is the smaller set
  bool cache = true;                  ///< keep what was read beside the lists
};

/// Reads ModelNet40 in its text form and moves every cloud to the unit ball.
///
/// The folder holds `PREFIX_shape_names.txt` (a class a line), `PREFIX_train.txt` and
/// `PREFIX_test.txt` (a shape a line, `airplane_0001`) and for each shape a file
/// `airplane/airplane_0001.txt` with a point a line: x, y, z and more numbers, separated by commas.
///
/// Reading takes minutes, so the chosen points go to `PREFIX_SPLIT_8192pts_fps.safetensors`; it is
/// used while the lists and the sizes of the files stay the same. A folder that cannot be written
/// costs a warning.
/// @throws IoError, FormatError naming file and line, ShapeError for a shape with fewer points.
/// @source Wu et al., 3D ShapeNets (arXiv 1406.5670); text form of PointNet++.
[[nodiscard]] CloudSet open_model_net(const std::filesystem::path& folder, std::string_view split,
                                      const ModelNetOptions& options = {});

/// The points of one shape's file, [P, 3].
/// @throws IoError; FormatError naming the line for fewer than three numbers or one that is none.
[[nodiscard]] std::vector<float> read_model_net_shape(const std::filesystem::path& file);

}  // namespace conopa::points
