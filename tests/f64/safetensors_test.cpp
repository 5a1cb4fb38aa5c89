// The f64 twin saves F64 and reads what the f32 build saves.
#include <tape/core/safetensors.h>

#include "catch.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

using namespace tape;
using namespace tape::test;

TEST_CASE("doubles come back bit for bit", "[file][safetensors]") {
  const TempFolder folder;
  const Tensor x = random_tensor({5, 9}, 1);
  save_safetensors(folder / "x", {{"x", x}});
  const SafetensorsFile file = SafetensorsFile::open(folder / "x");
  CHECK(file.info("x").dtype == "F64");
  CHECK(same_bits(file.read("x"), x));
}

TEST_CASE("F32 is read into doubles exactly", "[file][safetensors]") {
  const TempFolder folder;
  const std::string header = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  bytes += header;
  bytes += std::string("\x00\x00\x80\x3f\xcd\xcc\xcc\x3d", 8);  // 1 and the float nearest to 0.1
  write_file(folder / "x", bytes);
  const Tensor x = SafetensorsFile::open(folder / "x").read("x");
  CHECK(x.data()[0] == 1.0);
  CHECK(x.data()[1] == static_cast<double>(0.1F));
}
