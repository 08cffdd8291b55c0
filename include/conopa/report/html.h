#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/eval/classification.h"
#include "conopa/image/image.h"
#include "conopa/report/metrics_log.h"
#include "conopa/report/plot.h"
#include "conopa/report/table.h"

namespace conopa::report {

/// A headline figure, already formatted.
struct KeyNumber {
  std::string label{};  ///< "Top-1 accuracy"
  std::string value{};  ///< "91.8 %"
  std::string note{};   ///< small print below, may be empty
};

/// A titled table of names and values.
struct KeyValueTable {
  std::string title{};
  std::vector<std::pair<std::string, std::string>> rows{};
};

/// A class a model proposes for an image.
struct LabelProbability {
  std::string label{};
  double probability = 0.0;
};

/// An image with what the model made of it.
struct ReportSample {
  image::Image image{};
  std::string name{};                   ///< file name or index
  std::string truth{};                  ///< empty: unknown
  std::vector<LabelProbability> top{};  ///< best first; the first three are shown
};

/// What a model that was trained to fill in or to continue images makes of one.
struct ReconstructionSample {
  std::vector<CaptionedImage> pictures{};  ///< side by side: input, what was seen, predictions
  std::string name{};                      ///< file name or index
};

/// A section of its own for a study: text and warnings, charts side by side, then tables. Those
/// without chart and table are left out.
struct ReportSection {
  std::string title{};  ///< also in the page's navigation
  std::string note{};   ///< small print beside the title, may be empty
  std::vector<LineChart> charts{};
  std::vector<TextTable> tables{};
  std::string text{};                   ///< a paragraph above the rest
  std::vector<std::string> warnings{};  ///< a box each, below the text
};

/// Everything a run report shows; empty parts are left out.
struct RunReport {
  std::string title{};     ///< name of the run
  std::string subtitle{};  ///< one line: model, data, date
  std::vector<KeyNumber> key_numbers{};
  std::vector<ReportSection> sections{};
  std::vector<MetricSeries> series{};
  std::string evaluation_title{};  ///< "test split, 10,000 images"
  std::optional<eval::ClassificationResult> evaluation{};
  std::vector<std::string> class_names{};
  std::vector<ReportSample> samples{};
  std::vector<ReconstructionSample> reconstructions{};
  std::vector<KeyValueTable> configuration{};
  std::vector<KeyValueTable> environment{};
  std::string command{};    ///< reproduces the run
  std::string generator{};  ///< "conopa 0.1.0"
};

/// Top-1, top-k, loss and ECE as headline figures.
[[nodiscard]] std::vector<KeyNumber> key_numbers(const eval::ClassificationResult& result);

/// Renders one self-contained HTML page: no network, no scripts (a content policy in the page
/// forbids both), light and dark by the reader's preference, printable, readable on phones.
///
/// Series become one chart per metric name with one line per split; loss and accuracies lead.
/// Images are embedded as PNG. Callers choose how many samples are worth the size.
[[nodiscard]] std::string render_report(const RunReport& report);

}  // namespace conopa::report
