#include "support/nn_models.h"

#include <algorithm>

#include <tape/core/ops/loss.h>
#include <tape/core/tape.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

namespace {

bool is_norm_weight(const Leaf& leaf) {
  return leaf.init.kind == Init::Kind::ones;
}

}  // namespace

const std::vector<Choice>& all_choices() {
  using nn::NormKind;
  using nn::Scheme;
  static const std::vector<Choice> choices = [] {
    std::vector<Choice> all;
    for (const Scheme scheme : {Scheme::PostLN, Scheme::PreLN, Scheme::DeepNorm}) {
      for (const NormKind norm : {NormKind::Layer, NormKind::RMS}) all.push_back({scheme, norm});
    }
    return all;
  }();
  return choices;
}

void randomize(const ParameterList& parameters, uint64_t seed, double size) {
  for (const LeafPtr& leaf : parameters) {
    const Tensor values = is_norm_weight(*leaf) ? random_tensor(leaf->shape, ++seed, 0.5, 1.5)
                                                : random_tensor(leaf->shape, ++seed, -size, size);
    std::ranges::copy(values.values(), leaf->data());
    leaf->initialized = true;
  }
}

void set_to_zero(const ParameterList& parameters, const std::string& pattern) {
  nn::freeze(parameters, pattern);
  int64_t count = 0;
  for (const LeafPtr& leaf : parameters) {
    if (!leaf->frozen) continue;
    std::fill_n(leaf->data(), leaf->size(), real{0});
    leaf->frozen = false;
    ++count;
  }
  REQUIRE(count > 0);
}

LeafPtr parameter_named(const ParameterList& parameters, const std::string& name) {
  const auto found = std::ranges::find(parameters, name, [](const LeafPtr& leaf) { return leaf->name; });
  if (found == parameters.end()) throw Error(str("no parameter is named ", name));
  return *found;
}

Tensor value_of(const LeafPtr& leaf) {
  return Tensor::on(leaf->shape, leaf->value);
}

std::vector<Tensor> take_gradients(const ParameterList& parameters) {
  std::vector<Tensor> gradients;
  for (const LeafPtr& leaf : parameters) {
    gradients.push_back(leaf->gradient_tensor().copy());
    leaf->has_gradient = false;
  }
  return gradients;
}

StepResult training_step(const nn::GPT& gpt, const Ids& ids, const Ids& targets, const nn::Context& context) {
  Tape tape;
  const Tensor loss = cross_entropy(gpt(ids, context), targets);
  tape.backward(loss);
  return {loss.copy(), take_gradients(nn::parameters(gpt))};
}

bool same_bits(const StepResult& a, const StepResult& b) {
  return same_bits(a.loss, b.loss) &&
         std::ranges::equal(a.gradients, b.gradients, [](const Tensor& x, const Tensor& y) { return same_bits(x, y); });
}

}  // namespace tape::inline TAPE_ABI::test
