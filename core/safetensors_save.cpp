#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include <tape/core/atomic_file.h>
#include <tape/core/safetensors.h>

namespace tape::inline TAPE_ABI {

namespace {

constexpr uint64_t alignment = 64;
constexpr const char* real_type = sizeof(real) == sizeof(float) ? "F32" : "F64";

uint64_t bytes(const Tensor& tensor) {
  return static_cast<uint64_t>(tensor.size()) * sizeof(real);
}

// Tensors of whole multiples of 64 bytes come first: the format allows no gaps, and so they all start aligned.
auto place(const std::pair<std::string, Tensor>* item) {
  return std::tuple<bool, const std::string&>(bytes(item->second) % alignment != 0, item->first);
}

}  // namespace

void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const auto fail = [&](const std::string& why) { throw Error(str("safetensors file ", path, ": ", why)); };

  std::vector<const std::pair<std::string, Tensor>*> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::ranges::sort(order, {}, place);

  nlohmann::json header = nlohmann::json::object();
  uint64_t offset = 0;
  for (const auto* item : order) {
    const auto& [name, tensor] = *item;
    if (!tensor) fail(str("tensor ", name, " is missing: it has no values to save"));
    if (name == "__metadata__") fail("no tensor can be named __metadata__, the name that the format keeps for itself");
    if (header.contains(name)) fail(str("two tensors are named ", name));
    const uint64_t end = offset + bytes(tensor);
    const auto sizes = tensor.shape().sizes();
    header[name] = {{"dtype", real_type},
                    {"shape", std::vector<int64_t>(sizes.begin(), sizes.end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  if (!metadata.empty()) header["__metadata__"] = metadata;

  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail("a name or a text of the metadata is not UTF-8");
  }
  const uint64_t length_bytes = sizeof(uint64_t);
  text.resize((text.size() + length_bytes + alignment - 1) / alignment * alignment - length_bytes, ' ');
  const uint64_t length = text.size();

  AtomicFile file(path);
  file.write(std::span(&length, 1));
  file.write(text);
  for (const auto* item : order) file.write(item->second.values());
  file.commit();
}

}  // namespace tape::inline TAPE_ABI
