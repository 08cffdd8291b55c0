#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conopa/image/transform.h"

namespace conopa::app {

/// Masks of the objects in images: PNG files anywhere below a folder, named as their images. Pixels
/// that are not black are the object.
class MaskFolder {
 public:
  /// @param folder     is searched for PNG files, hidden ones left out.
  /// @param transform  of the images; masks take the same way to the model's size.
  /// @throws IoError if the folder cannot be read; FormatError if it holds no PNG or two of one
  ///         name.
  MaskFolder(const std::string& folder, const image::EvalTransformOptions& transform);

  /// Refuses images without a mask, before any is computed.
  /// @throws FormatError naming the first one and counting the rest; or two images of one name,
  ///         which would share a mask.
  void require(const std::vector<std::string>& images) const;

  /// How much of every pixel that the model sees is covered by the object, 0 to 255.
  ///
  /// The mask is resized bilinearly with antialiasing and cut as its image is; what the image has
  /// not and the model sees black is background.
  /// @return  [height, width].
  /// @throws FormatError if the mask has another size than its image or cannot be read.
  [[nodiscard]] std::vector<std::uint8_t> coverage(const std::string& image) const;

 private:
  std::string folder_;
  std::map<std::string, std::string> masks_;  // by stem
  std::unique_ptr<image::Transform> transform_;
};

}  // namespace conopa::app
