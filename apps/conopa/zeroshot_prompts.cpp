// Names and texts of the classes of a zero-shot classifier.

#include "zeroshot_prompts.h"

#include <algorithm>
#include <map>
#include <set>

#include "conopa/core/error.h"
#include "conopa/data/class_names.h"

namespace conopa::app {
namespace {

constexpr std::string_view kGap = "{}";

// Places of the spoken names; none if one occurs twice.
std::map<std::string, std::size_t> unique_places(const std::vector<std::string>& names) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!out.emplace(spoken_name(names[i]), i).second) return {};
  }
  return out;
}

}  // namespace

std::vector<std::string> read_templates(const std::filesystem::path& path) {
  std::vector<std::string> forms = data::read_name_lines(path);
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (forms[i].find(kGap) != std::string::npos) continue;
    throw FormatError(path.string(),
                      "expected {{}} for the class's name in the template on line {}, found '{}'",
                      i + 1, forms[i]);
  }
  return forms;
}

std::string fill_template(std::string_view form, std::string_view name) {
  std::string out;
  for (;;) {
    const std::size_t gap = form.find(kGap);
    out += form.substr(0, gap);
    if (gap == std::string_view::npos) return out;
    out += name;
    form.remove_prefix(gap + kGap.size());
  }
}

std::string spoken_name(std::string name) {
  std::ranges::replace(name, '_', ' ');
  return name;
}

std::vector<std::string> classes_for_data(const std::vector<std::string>& listed,
                                          const std::vector<std::string>& data,
                                          std::string_view where) {
  std::vector<std::string> out;
  if (listed.empty()) {
    for (const std::string& name : data) out.push_back(spoken_name(name));
    return out;
  }
  const std::map<std::string, std::size_t> places = unique_places(listed);
  std::set<std::size_t> taken;
  for (const std::string& name : data) {
    const auto found = places.find(spoken_name(name));
    if (found != places.end()) taken.insert(found->second);
  }
  if (taken.size() != data.size()) {
    if (listed.size() == data.size()) return listed;
    throw FormatError(where,
                      "expected the names of all {} classes of the data, or as many lines, found "
                      "{} of them on {} lines; leave --classes out for the data's own names",
                      data.size(), taken.size(), listed.size());
  }
  for (const std::string& name : data) out.push_back(listed[places.at(spoken_name(name))]);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    if (!taken.contains(i)) out.push_back(listed[i]);
  }
  return out;
}

}  // namespace conopa::app
