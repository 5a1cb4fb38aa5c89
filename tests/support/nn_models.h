// Small models for tests: every scheme with every norm, weights large enough to matter, and one training step.
#pragma once

#include <string>
#include <vector>

#include <tape/nn/gpt.h>

#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

/// One pair of the two independent choices about normalisation.
struct Choice {
  nn::Scheme scheme;
  nn::NormKind norm;
  std::string name() const { return str(nn::name_of(scheme), " ", nn::name_of(norm)); }
};
/// All pairs: three schemes times two norms.
const std::vector<Choice>& all_choices();

/// Draws all values anew: weights of norms in [0.5, 1.5), all else in ±size. At the usual first values (0.02, zero
/// biases) some gradients, such as those of queries and keys, are too small to test.
void randomize(const ParameterList& parameters, uint64_t seed, double size = 0.5);

/// Sets to zero all parameters whose name matches a pattern of nn::freeze, such as "blocks.*.mlp.down.*"; fails the
/// test when there is none.
void set_to_zero(const ParameterList& parameters, const std::string& pattern);

/// Makes every branch of a block, or of all blocks, return zeros.
template <class Model>
void silence_branches(const Model& model) {
  set_to_zero(nn::parameters(model), "*attn.out.*");
  set_to_zero(nn::parameters(model), "*mlp.down.*");
}

/// The parameter with this name. Throws Error when there is none.
LeafPtr parameter_named(const ParameterList& parameters, const std::string& name);
/// A tensor on the parameter's values.
Tensor value_of(const LeafPtr& leaf);

/// Copies of all gradients; a parameter without one fails the test. They are consumed, as by an optimizer's step.
std::vector<Tensor> take_gradients(const ParameterList& parameters);

/// Loss and gradients of one training step of a language model.
struct StepResult {
  Tensor loss;
  std::vector<Tensor> gradients;
};
StepResult training_step(const nn::GPT& gpt, const Ids& ids, const Ids& targets, const nn::Context& context);
/// Equal bits in the loss and in every gradient.
bool same_bits(const StepResult& a, const StepResult& b);

}  // namespace tape::inline TAPE_ABI::test
