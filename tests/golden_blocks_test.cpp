// Attention, blocks and whole models against PyTorch: outputs, and gradients of inputs and of all parameters. The
// values come from tests/golden/blocks.py, where the settings stand again.
#include <tape/core/ops/loss.h>
#include <tape/core/safetensors.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Activation;
using nn::NormKind;
using nn::Positions;
using nn::Scheme;

// Float rounding through two blocks, relative to the largest element of each tensor.
constexpr double tolerance = 5e-6;

// The tensors of the golden file whose names begin with one case's name.
class Golden {
 public:
  explicit Golden(std::string name)
      : name_(std::move(name)), file_(SafetensorsFile::open(TAPE_GOLDEN_DIR "/blocks.safetensors")) {}

  Tensor read(const std::string& tensor) const { return file_.read(name_ + "." + tensor); }
  Ids read_ids(const std::string& tensor) const {
    Ids ids(file_.info(name_ + "." + tensor).shape());
    std::ranges::copy(file_.read_integers(name_ + "." + tensor), ids.mutable_data());
    return ids;
  }

  // Gives the parameters the values of the file, which must have exactly these.
  void put_values(const ParameterList& parameters) const {
    std::size_t in_file = 0;
    for (const std::string& name : file_.names()) in_file += name.starts_with(name_ + ".value.") ? 1 : 0;
    REQUIRE(in_file == parameters.size());
    for (const LeafPtr& leaf : parameters) {
      file_.read_into(name_ + ".value." + leaf->name, leaf->data(), leaf->size());
      leaf->initialized = true;
    }
  }

  void check(const std::string& tensor, const Tensor& ours) const {
    INFO(name_ << ", " << tensor);
    CHECK(difference(ours, read(tensor)) < tolerance);
  }
  void check_gradients(const ParameterList& parameters) const {
    for (const LeafPtr& leaf : parameters) check("gradient." + leaf->name, leaf->gradient_tensor());
  }

 private:
  std::string name_;
  SafetensorsFile file_;
};

constexpr int64_t width = 8;
constexpr int64_t heads = 2;
const nn::WeightInit init;  // replaced by the file's values

struct MaskCase {
  std::string name;
  nn::AttentionMask mask;
};

}  // namespace

TEST_CASE("Self-attention agrees with torch.nn.MultiheadAttention under every mask", "[golden][nn]") {
  const std::vector<MaskCase> cases = {
      {"attention.full", {}},
      {"attention.causal", {.causal = true}},
      {"attention.mask", {.additive = Golden("attention.mask").read("mask")}},
      {"attention.masks", {.additive = Golden("attention.masks").read("mask")}},
      {"attention.padding", {.key_lengths = Ids::from({2}, {3, 5})}},
      {"attention.causal_padding", {.causal = true, .key_lengths = Ids::from({2}, {3, 5})}},
  };
  for (const MaskCase& each : cases) {
    const Golden golden(each.name);
    const nn::SelfAttention attention({.width = width, .heads = heads}, init);
    nn::name_parameters(attention);
    golden.put_values(nn::parameters(attention));
    Tape tape;
    const Tensor x = tape.watch(golden.read("x"));
    const Tensor y = attention(x, each.mask, nn::evaluation());
    tape.backward(y, golden.read("dy"));
    golden.check("y", y);
    golden.check("dx", tape.grad(x));
    golden.check_gradients(nn::parameters(attention));
  }
}

TEST_CASE("Cross-attention agrees with torch.nn.MultiheadAttention", "[golden][nn]") {
  const std::vector<MaskCase> cases = {{"attention.cross", {}},
                                       {"attention.cross_padding", {.key_lengths = Ids::from({2}, {7, 4})}}};
  for (const MaskCase& each : cases) {
    const Golden golden(each.name);
    const nn::CrossAttention attention({.width = width, .heads = heads}, init);
    nn::name_parameters(attention);
    golden.put_values(nn::parameters(attention));
    Tape tape;
    const Tensor x = tape.watch(golden.read("x"));
    const Tensor memory = tape.watch(golden.read("memory"));
    const Tensor y = attention(x, memory, each.mask, nn::evaluation());
    tape.backward(y, golden.read("dy"));
    golden.check("y", y);
    golden.check("dx", tape.grad(x));
    golden.check("dmemory", tape.grad(memory));
    golden.check_gradients(nn::parameters(attention));
  }
}

TEST_CASE("A block agrees with PyTorch for every scheme and norm", "[golden][nn]") {
  const std::vector<Activation> activations = {Activation::GELU,   Activation::ReLU,     Activation::ReLU,
                                               Activation::SwiGLU, Activation::GELUTanh, Activation::GELU};
  for (std::size_t i = 0; i < all_choices().size(); ++i) {
    const Choice choice = all_choices()[i];
    const Golden golden(str("block.", nn::name_of(choice.scheme), ".", nn::name_of(choice.norm)));
    const nn::Block block({.layers = 3,
                           .heads = heads,
                           .width = width,
                           .hidden = 12,
                           .scheme = choice.scheme,
                           .norm = choice.norm,
                           .activation = activations[i]},
                          nn::Depth::decoder_only(3), 1);
    nn::name_parameters(block);
    golden.put_values(nn::parameters(block));
    Tape tape;
    const Tensor x = tape.watch(golden.read("x"));
    const Tensor y = block(x, {.causal = true}, nn::evaluation());
    tape.backward(y, golden.read("dy"));
    golden.check("y", y);
    golden.check("dx", tape.grad(x));
    golden.check_gradients(nn::parameters(block));
  }
}

TEST_CASE("A whole model agrees with PyTorch: logits, loss and all gradients", "[golden][nn]") {
  const nn::ModelConfig base{.vocab = 11, .context = 7, .layers = 2, .heads = heads, .width = width, .hidden = 12};
  nn::ModelConfig learned = base;
  nn::ModelConfig sinusoidal = base;
  sinusoidal.scheme = Scheme::PostLN;
  sinusoidal.activation = Activation::ReLU;
  sinusoidal.positions = Positions::Sinusoidal;
  nn::ModelConfig rotary = base;
  rotary.scheme = Scheme::DeepNorm;
  rotary.norm = NormKind::RMS;
  rotary.activation = Activation::SwiGLU;
  rotary.positions = Positions::Rotary;
  rotary.tied = false;
  for (const nn::ModelConfig& config : {learned, sinusoidal, rotary}) {
    const Golden golden(str("model.", nn::name_of(config.positions)));
    const nn::GPT gpt(config, Seed{1});
    golden.put_values(nn::parameters(gpt));
    Tape tape;
    const Tensor logits = gpt(golden.read_ids("ids"), nn::evaluation());
    const Tensor loss = cross_entropy(logits, golden.read_ids("targets"));
    tape.backward(loss);
    golden.check("logits", logits);
    golden.check("loss", loss);
    golden.check_gradients(nn::parameters(gpt));
  }
}

}  // namespace tape::inline TAPE_ABI::test
