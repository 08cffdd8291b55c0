#include "conopa/onnx/write.h"

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/proto.h"

namespace conopa::onnx {
namespace {

constexpr std::int64_t kIrVersion = 8;         // the one that came with operator set 17
constexpr std::int64_t kSmallTensor = 1024;    // stays in the model file whatever happens
constexpr std::int64_t kDataAlignment = 4096;  // bytes, a page

// Field numbers of onnx.proto.
namespace model_field {
constexpr std::uint32_t kIrVersion = 1, kProducer = 2, kProducerVersion = 3, kGraph = 7, kOpset = 8,
                        kMetadata = 14;
}
namespace graph_field {
constexpr std::uint32_t kNode = 1, kName = 2, kInitializer = 5, kDoc = 10, kInput = 11,
                        kOutput = 12;
}
namespace node_field {
constexpr std::uint32_t kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5;
}
namespace attribute_field {
constexpr std::uint32_t kName = 1, kFloat = 2, kInt = 3, kString = 4, kInts = 8, kType = 20;
}
namespace tensor_field {
constexpr std::uint32_t kDims = 1, kType = 2, kName = 8, kRaw = 9, kExternal = 13, kLocation = 14;
}

// TensorProto.DataType
std::int64_t type_code(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 1;
    case DType::kU8:
      return 2;
    case DType::kI8:
      return 3;
    case DType::kI32:
      return 6;
    case DType::kI64:
      return 7;
    default:
      throw std::logic_error("no exported graph holds tensors of this type");
  }
}

ProtoMessage encode(const Attribute& attribute) {
  ProtoMessage out;
  out.bytes(attribute_field::kName, attribute.name);
  struct Visitor {
    ProtoMessage& out;
    std::int64_t operator()(std::int64_t value) const {
      out.integer(attribute_field::kInt, value);
      return 2;  // AttributeProto.INT
    }
    std::int64_t operator()(float value) const {
      out.fixed(attribute_field::kFloat, value);
      return 1;  // FLOAT
    }
    std::int64_t operator()(const std::string& value) const {
      out.bytes(attribute_field::kString, value);
      return 3;  // STRING
    }
    std::int64_t operator()(const std::vector<std::int64_t>& values) const {
      for (const std::int64_t value : values) out.integer(attribute_field::kInts, value);
      return 7;  // INTS
    }
  };
  out.integer(attribute_field::kType, std::visit(Visitor{out}, attribute.value));
  return out;
}

ProtoMessage encode(const Node& node) {
  ProtoMessage out;
  for (const std::string& input : node.inputs) out.bytes(node_field::kInput, input);
  for (const std::string& output : node.outputs) out.bytes(node_field::kOutput, output);
  out.bytes(node_field::kName, node.name);
  out.bytes(node_field::kOp, node.op);
  for (const Attribute& attribute : node.attributes) {
    out.message(node_field::kAttribute, encode(attribute));
  }
  return out;
}

// ValueInfoProto { name, TypeProto { Tensor { elem_type, TensorShapeProto { Dimension ... }}}}
ProtoMessage encode(const Port& port) {
  ProtoMessage shape;
  for (const Dimension& dimension : port.shape) {
    ProtoMessage dim;
    if (const auto* size = std::get_if<std::int64_t>(&dimension)) {
      dim.integer(1, *size);
    } else {
      dim.bytes(2, std::get<std::string>(dimension));
    }
    shape.message(1, dim);
  }
  ProtoMessage tensor;
  tensor.integer(1, type_code(port.dtype));
  tensor.message(2, shape);
  ProtoMessage type;
  type.message(1, tensor);
  ProtoMessage out;
  out.bytes(1, port.name);
  out.message(2, type);
  return out;
}

ProtoMessage pair(std::string_view key, std::string_view value) {
  ProtoMessage out;
  out.bytes(1, key);
  out.bytes(2, value);
  return out;
}

/// An initializer with its size, and its place in the data file if it has one.
struct Placed {
  const Initializer* initializer;
  std::int64_t bytes = 0;
  std::int64_t offset = -1;  // in the data file; −1: inline

  // TensorProto up to the raw bytes; complete if those lie in the data file.
  [[nodiscard]] ProtoMessage head(const std::string& data_name) const {
    ProtoMessage out;
    for (const std::int64_t size : initializer->shape) out.integer(tensor_field::kDims, size);
    out.integer(tensor_field::kType, type_code(initializer->dtype));
    out.bytes(tensor_field::kName, initializer->name);
    if (offset >= 0) {
      out.message(tensor_field::kExternal, pair("location", data_name));
      out.message(tensor_field::kExternal, pair("offset", std::to_string(offset)));
      out.message(tensor_field::kExternal, pair("length", std::to_string(bytes)));
      out.integer(tensor_field::kLocation, 1);  // EXTERNAL
    } else {
      out.open(tensor_field::kRaw, static_cast<std::uint64_t>(bytes));
    }
    return out;
  }
  [[nodiscard]] std::int64_t inline_bytes() const { return offset >= 0 ? 0 : bytes; }
};

std::vector<Placed> place(const Model& model, const WriteOptions& options) {
  std::vector<Placed> out;
  std::int64_t total = 0;
  for (const Initializer& initializer : model.initializers) {
    const std::int64_t bytes = element_count(initializer.shape) * dtype_size(initializer.dtype);
    out.push_back({.initializer = &initializer, .bytes = bytes});
    total += bytes;
  }
  if (total <= options.max_inline_bytes) return out;
  std::int64_t end = 0;
  for (Placed& placed : out) {
    if (placed.bytes < kSmallTensor) continue;
    placed.offset = (end + kDataAlignment - 1) / kDataAlignment * kDataAlignment;
    end = placed.offset + placed.bytes;
  }
  return out;
}

void write_tensor(AtomicFile& file, const Initializer& initializer) {
  const HostTensor tensor = initializer.load();
  if (tensor.dtype() != initializer.dtype || tensor.shape() != initializer.shape) {
    throw std::logic_error("initializer " + initializer.name + " loads another type or shape");
  }
  file.write(tensor.bytes());
}

void write_data(const std::filesystem::path& path, const std::vector<Placed>& tensors) {
  AtomicFile file(path);
  const std::array<std::byte, kDataAlignment> zeros{};
  for (const Placed& placed : tensors) {
    if (placed.offset < 0) continue;
    file.write(std::span(zeros).first(static_cast<std::size_t>(placed.offset - file.size())));
    write_tensor(file, *placed.initializer);
  }
  file.commit();
}

// GraphProto without the initializers.
ProtoMessage encode_graph(const Model& model) {
  ProtoMessage out;
  for (const Node& node : model.nodes) out.message(graph_field::kNode, encode(node));
  out.bytes(graph_field::kName, model.name);
  out.bytes(graph_field::kDoc, model.doc);
  for (const Port& port : model.inputs) out.message(graph_field::kInput, encode(port));
  for (const Port& port : model.outputs) out.message(graph_field::kOutput, encode(port));
  return out;
}

// ModelProto without the graph.
ProtoMessage encode_model(const Model& model) {
  ProtoMessage opset;
  opset.bytes(1, "");
  opset.integer(2, model.opset);
  ProtoMessage out;
  out.integer(model_field::kIrVersion, kIrVersion);
  out.bytes(model_field::kProducer, "conopa");
  out.bytes(model_field::kProducerVersion, model.producer_version);
  out.message(model_field::kOpset, opset);
  for (const auto& [key, value] : model.metadata) {
    out.message(model_field::kMetadata, pair(key, value));
  }
  return out;
}

}  // namespace

WriteResult write_model(const std::filesystem::path& path, const Model& model,
                        const WriteOptions& options) {
  const std::vector<Placed> tensors = place(model, options);
  const std::string data_name = path.filename().string() + ".data";
  const bool external =
      std::ranges::any_of(tensors, [](const Placed& placed) { return placed.offset >= 0; });
  WriteResult result;
  if (external) {
    result.data_file = path.parent_path() / data_name;
    write_data(result.data_file, tensors);
  }

  // Lengths stand before contents: first the heads of all tensors, then the file in one go.
  const ProtoMessage graph = encode_graph(model);
  std::vector<std::string> heads;
  std::size_t graph_size = graph.str().size();
  for (const Placed& placed : tensors) {
    const ProtoMessage head = placed.head(data_name);
    ProtoMessage field;
    field.open(graph_field::kInitializer,
               head.str().size() + static_cast<std::size_t>(placed.inline_bytes()));
    heads.push_back(field.str() + head.str());
    graph_size += heads.back().size() + static_cast<std::size_t>(placed.inline_bytes());
  }
  ProtoMessage front = encode_model(model);
  front.open(model_field::kGraph, graph_size);

  AtomicFile file(path);
  file.write(front.str());
  file.write(graph.str());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    file.write(heads[i]);
    if (tensors[i].offset < 0) write_tensor(file, *tensors[i].initializer);
  }
  file.commit();
  std::error_code ignored;
  const std::uintmax_t beside =
      external ? std::filesystem::file_size(result.data_file, ignored) : 0;
  result.bytes = file.size() + static_cast<std::int64_t>(beside);
  return result;
}

}  // namespace conopa::onnx
