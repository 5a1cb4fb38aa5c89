// Saving and loading models: what is written is read back bit for bit, and what does not fit changes nothing.
#include <tape/core/safetensors.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

namespace {

nn::ModelConfig small_config() {
  return {.vocab = 11, .context = 6, .layers = 2, .heads = 2, .width = 8};
}

using Named = std::vector<std::pair<std::string, Tensor>>;

Named tensors_of(const nn::GPT& gpt) {
  Named tensors;
  for (const LeafPtr& leaf : nn::parameters(gpt)) tensors.emplace_back(leaf->name, value_of(leaf).copy());
  return tensors;
}

bool unchanged(const nn::GPT& gpt, const Named& before) {
  const ParameterList list = nn::parameters(gpt);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!same_bits(value_of(list[i]), before[i].second)) return false;
  }
  return true;
}

// Replaces, or with an empty tensor removes, one entry.
Named with(Named tensors, const std::string& name, const Tensor& value) {
  std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  if (value) tensors.emplace_back(name, value);
  return tensors;
}

}  // namespace

TEST_CASE("A model saved and loaded is the same bit for bit", "[nn][files]") {
  const TempFolder folder;
  for (const Choice& choice : all_choices()) {
    INFO(choice.name());
    nn::ModelConfig config = small_config();
    config.scheme = choice.scheme;
    config.norm = choice.norm;
    const nn::GPT saved(config, Seed{1});
    randomize(nn::parameters(saved), 1);
    nn::save(folder / "model.safetensors", saved);
    const nn::GPT loaded(config, Seed{2});
    const Named before = tensors_of(saved);
    REQUIRE_FALSE(unchanged(loaded, before));
    nn::load(folder / "model.safetensors", loaded);
    CHECK(unchanged(loaded, before));
  }
  const SafetensorsFile file = SafetensorsFile::open(folder / "model.safetensors");
  CHECK(file.contains("blocks.1.mlp.down.weight"));
  CHECK(file.metadata().at("format") == "pt");  // some readers insist on it
}

TEST_CASE("A module without names or values can be loaded", "[nn][files]") {
  const TempFolder folder;
  nn::Linear saved(3, 2);
  nn::initialize(saved, Seed{1});
  nn::save(folder / "linear.safetensors", saved);
  const nn::Linear fresh(3, 2);
  nn::load(folder / "linear.safetensors", fresh);
  const Tensor x = random_tensor({4, 3}, 1);
  CHECK(same_bits(fresh(x), saved(x)));
}

TEST_CASE("A part of a model is saved under its long names", "[nn][files]") {
  const TempFolder folder;
  const nn::GPT gpt(small_config(), Seed{1});
  ParameterList part;
  for (const LeafPtr& leaf : nn::parameters(gpt)) {
    if (leaf->name.starts_with("blocks.1.")) part.push_back(leaf);
  }
  nn::save(folder / "part.safetensors", part);
  const SafetensorsFile file = SafetensorsFile::open(folder / "part.safetensors");
  CHECK(file.names().size() == part.size());
  CHECK(file.contains("blocks.1.attn_residual.norm_input.weight"));
  const Named before = tensors_of(gpt);
  randomize(part, 3);
  nn::load(folder / "part.safetensors", part);
  CHECK(unchanged(gpt, before));
}

TEST_CASE("Saving refuses a parameter without values and writes no file", "[nn][files]") {
  const TempFolder folder;
  const nn::Linear linear(3, 2);
  CHECK(has_parts(error_of([&] { nn::save(folder / "linear.safetensors", linear); }),
                  {"save: parameter weight (2, 3)", "no values yet", "linear.safetensors"}));
  CHECK(folder.entries() == 0);
}

TEST_CASE("Loading lists missing, extra and mismatched names together and changes nothing", "[nn][files]") {
  const TempFolder folder;
  const std::string path = folder / "other.safetensors";
  const nn::GPT gpt(small_config(), Seed{1});
  Named tensors = tensors_of(gpt);
  for (auto& [name, tensor] : tensors) tensor = Tensor::zeros(tensor.shape());
  tensors = with(tensors, "blocks.0.attn.out.bias", {});
  tensors = with(tensors, "final_norm.weight", {});
  tensors = with(tensors, "head.weight", Tensor::zeros({11, 8}));
  tensors = with(tensors, "blocks.1.mlp.up.weight", Tensor::zeros({16, 8}));
  save_safetensors(path, tensors);

  const Named before = tensors_of(gpt);
  const std::string message = error_of([&] { nn::load(path, gpt); });
  CHECK(has_parts(
      message, {path, "does not fit this model", "missing: blocks.0.attn.out.bias, final_norm.weight",
                "not in the model: head.weight", "other shape: blocks.1.mlp.up.weight is (16, 8), must be (32, 8)"}));
  CHECK(unchanged(gpt, before));
}

TEST_CASE("Each kind of mismatch alone is refused", "[nn][files]") {
  const TempFolder folder;
  const std::string path = folder / "other.safetensors";
  const nn::GPT gpt(small_config(), Seed{1});
  const Named before = tensors_of(gpt);
  const auto refused = [&](const Named& tensors, const std::string& what) {
    save_safetensors(path, tensors);
    const std::string message = error_of([&] { nn::load(path, gpt); });
    INFO(message);
    CHECK(message.find(what) != std::string::npos);
    for (const std::string other : {"missing:", "not in the model:", "other shape:"}) {
      if (!what.starts_with(other)) CHECK(message.find(other) == std::string::npos);
    }
    CHECK(unchanged(gpt, before));
  };
  refused(with(before, "token_embedding.weight", {}), "missing: token_embedding.weight");
  refused(with(before, "extra", Tensor::zeros({1})), "not in the model: extra");
  refused(with(before, "final_norm.bias", Tensor::zeros({8, 1})),
          "other shape: final_norm.bias is (8, 1), must be (8)");
}

TEST_CASE("A long list of missing names is cut short", "[nn][files]") {
  const TempFolder folder;
  const std::string path = folder / "other.safetensors";
  save_safetensors(path, {{"token_embedding.weight", Tensor::zeros({11, 8})}});
  const nn::GPT gpt(small_config(), Seed{1});
  const auto missing = static_cast<int64_t>(nn::parameters(gpt).size()) - 1;
  const std::string message = error_of([&] { nn::load(path, gpt); });
  CHECK(has_parts(message, {"missing: position_embedding.weight, blocks.0.attn_residual.norm_input.weight, ",
                            "blocks.0.attn.out.weight", str(" and ", missing - 8, " more")}));
}

TEST_CASE("A file that is absent or damaged is refused and changes nothing", "[nn][files]") {
  const TempFolder folder;
  const nn::GPT gpt(small_config(), Seed{1});
  const Named before = tensors_of(gpt);
  CHECK(has_parts(error_of([&] { nn::load(folder / "nowhere.safetensors", gpt); }), {"nowhere.safetensors"}));
  nn::save(folder / "whole.safetensors", nn::GPT(small_config(), Seed{2}));
  const std::string bytes = read_file(folder / "whole.safetensors");
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, std::size_t{300}, bytes.size() - 1}) {
    INFO(length << " bytes left");
    write_file(folder / "cut.safetensors", bytes.substr(0, length));
    CHECK(has_parts(error_of([&] { nn::load(folder / "cut.safetensors", gpt); }), {"cut.safetensors"}));
  }
  CHECK(unchanged(gpt, before));
}

}  // namespace tape::inline TAPE_ABI::test
