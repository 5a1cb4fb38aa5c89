// Every residual scheme in every architecture against PyTorch, where each is written from its paper's formula: logits,
// and gradients of all parameters. The values come from tests/golden/schemes.py, where the settings stand again.
#include <algorithm>

#include <tape/core/probe.h>
#include <tape/core/safetensors.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

// Float rounding through up to nine sublayers of six columns, some without any norm, relative to the largest element
// of each tensor.
constexpr double tolerance = 2e-5;

class Golden {
 public:
  Tensor read(const std::string& name) const { return file_.read(name); }
  Ids read_ids(const std::string& name) const {
    Ids ids(file_.info(name).shape());
    std::ranges::copy(file_.read_integers(name), ids.mutable_data());
    return ids;
  }

  // A parameter's values follow from its name; one that is smaller than the file's takes the first numbers.
  void put_values(const ParameterList& parameters) const {
    for (const LeafPtr& leaf : parameters) {
      const Tensor values = read("value." + leaf->name);
      REQUIRE(leaf->size() <= values.size());
      std::copy_n(values.data(), leaf->size(), leaf->data());
      leaf->initialized = true;
    }
  }

  // The gradients stand one after the other in the order of the parameters' names.
  void check_gradients(const std::string& name, ParameterList parameters) const {
    std::ranges::sort(parameters, {}, [](const LeafPtr& leaf) { return leaf->name; });
    const Tensor all = read(name);
    REQUIRE(all.size() == nn::count(parameters));
    // A gradient that vanishes, such as that of the keys' bias, is rounding on the scale of the others.
    const double floor = 0.1 * statistics(all).rms;
    int64_t begin = 0;
    for (const LeafPtr& leaf : parameters) {
      INFO(leaf->name);
      Tensor expected = Tensor::uninitialized(leaf->shape);
      std::copy_n(all.data() + begin, leaf->size(), expected.mutable_data());
      CHECK(difference(leaf->gradient_tensor(), expected, floor) < tolerance);
      begin += leaf->size();
    }
  }

 private:
  SafetensorsFile file_ = SafetensorsFile::open(TAPE_GOLDEN_DIR "/schemes.safetensors");
};

nn::ModelConfig config_of(const Choice& choice) {
  return {.vocab = 5,
          .context = 4,
          .layers = 2,
          .decoder_layers = 3,
          .heads = 2,
          .width = 6,
          .hidden = 5,
          .scheme = choice.scheme,
          .norm = choice.norm};
}

// forward(model) gives the logits.
template <class Model, class Forward>
void check_model(const Golden& golden, const std::string& architecture, const Choice& choice, const Forward& forward) {
  const std::string name = str(architecture, ".", nn::name_of(choice.scheme), ".", nn::name_of(choice.norm));
  INFO(name);
  const Model model(config_of(choice), Seed{1});
  golden.put_values(nn::parameters(model));
  Tape tape;
  const Tensor logits = forward(model);
  tape.backward(logits, golden.read(architecture + ".dlogits"));
  CHECK(difference(logits, golden.read(name + ".logits")) < tolerance);
  golden.check_gradients(name + ".gradients", nn::parameters(model));
}

const Ids& source_lengths() {
  static const Ids lengths = Ids::from({2}, {4, 2});
  return lengths;
}

}  // namespace

TEST_CASE("A GPT of every scheme and norm agrees with PyTorch", "[golden][nn][scheme]") {
  const Golden golden;
  const Ids ids = golden.read_ids("target");
  for (const Choice& choice : every_choice()) {
    check_model<nn::GPT>(golden, "gpt", choice, [&](const nn::GPT& gpt) { return gpt(ids, nn::evaluation()); });
  }
}

TEST_CASE("A Bert of every scheme and norm agrees with PyTorch, with padding", "[golden][nn][scheme]") {
  const Golden golden;
  const nn::Sequence sequence(golden.read_ids("source"), source_lengths());
  for (const Choice& choice : every_choice()) {
    check_model<nn::Bert>(golden, "bert", choice,
                          [&](const nn::Bert& bert) { return bert(sequence, nn::evaluation()); });
  }
}

TEST_CASE("An encoder-decoder model of every scheme and norm agrees with PyTorch, with three decoder blocks beside two",
          "[golden][nn][scheme]") {
  const Golden golden;
  const nn::Sequence source(golden.read_ids("source"), source_lengths());
  const Ids target = golden.read_ids("target");
  for (const Choice& choice : every_choice()) {
    check_model<nn::EncoderDecoder>(golden, "encdec", choice, [&](const nn::EncoderDecoder& model) {
      return model(source, target, nn::evaluation());
    });
  }
}

}  // namespace tape::inline TAPE_ABI::test
