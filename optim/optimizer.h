// Optimizer: what SGD, Adam and their kin have in common. It holds the parameters, refuses a step that would go wrong,
// keeps the running averages of each parameter and saves and restores them. A new optimizer says how many running
// averages it wants and what happens to a range of elements; sgd.cpp is the shortest example.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tape/core/parameter.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::optim {

/// Says which parameters weight decay applies to. Without one, Leaf::decay does.
using DecayPredicate = std::function<bool(const Leaf&)>;

/// An optimizer's memory as named tensors, to be saved beside the model: "adam.m.blocks.0.attn.qkv.weight".
using State = std::vector<std::pair<std::string, Tensor>>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Applies one update with learning rate `rate` to every parameter that has a gradient, and marks all gradients as
  /// consumed. Frozen parameters, and routed ones without a gradient, stay as they are, and so do their averages.
  /// A parameter's bias correction counts its own updates, as in PyTorch.
  ///
  /// Throws Error, having changed nothing, for a rate that is negative or not finite, and when a parameter that is
  /// neither frozen nor routed has no gradient; the message names all of these.
  /// A gradient that is NaN, infinite or too large to be squared never reaches values or averages: the chunk of up to
  /// 8192 elements it lies in keeps both, the rest of the step is carried out, and then an Error names the parameters.
  /// (Looking before the update would read all gradients a second time.) A loop that wants to skip such a step instead
  /// looks at what clip_grad_norm returns, and calls zero_grad() when it is not finite.
  ///
  /// The result does not depend on the number of threads; from the second step on nothing is allocated.
  void step(double rate);

  /// Discards all gradients.
  void zero_grad();

  /// How many times step() has been carried out, also before the state was loaded.
  int64_t steps() const { return steps_; }
  const ParameterList& parameters() const { return parameters_; }
  /// "adam": the first word of its messages and of the names in its state.
  const std::string& name() const { return name_; }

  /// All that a continued run needs to go on bit for bit, options aside: NAME.steps, NAME.updates.PARAMETER and
  /// NAME.AVERAGE.PARAMETER. Counts are tensors of three digits, see optimizer_state.cpp. A parameter without updates
  /// so far has no averages. Copies nothing now: a later step copies what is still in use elsewhere. Throws Error when
  /// two parameters have the same name.
  State state() const;
  /// Puts the optimizer where the one that `state` came from was. The order does not matter.
  /// Throws Error, having changed nothing, when the state is that of another kind of optimizer, and one that lists all
  /// missing, unexpected and mismatched tensors.
  void load_state(const State& state);

 protected:
  /// What is kept for one parameter.
  struct Slot {
    std::vector<Storage> averages;  ///< as large as the parameter; taken, and zero, at its first update
    int64_t updates = 0;            ///< updates of this parameter, the current one included
    bool decays = false;            ///< whether weight decay applies in the current step
  };

  /// `averages` names the running averages to be kept for each parameter.
  /// Throws Error when there are no parameters, or one of them is null or given twice.
  Optimizer(std::string name, ParameterList parameters, std::vector<std::string> averages, DecayPredicate decay);

  /// Called in each step for each parameter that will be updated, before any update(): computes what its elements
  /// share.
  virtual void prepare(std::size_t parameter, double rate) = 0;
  /// Updates elements begin…end of the value from those of the gradient. Runs on many threads at once; must not throw.
  virtual void update(std::size_t parameter, int64_t begin, int64_t end) = 0;

  const Leaf& leaf(std::size_t parameter) const { return *parameters_[parameter]; }
  const Slot& slot(std::size_t parameter) const { return slots_[parameter]; }
  real* average(std::size_t parameter, std::size_t which) const { return slots_[parameter].averages[which].as<real>(); }
  /// Throws Error "NAME: OPTION must be RULE, not VALUE" unless `holds`.
  void require_option(bool holds, const char* option, const char* rule, double value) const;

 private:
  void require_gradients() const;
  void own_averages(std::size_t parameter);
  void require_distinct_names() const;
  std::string state_name(const std::string& what, std::size_t parameter) const;

  std::string name_;
  ParameterList parameters_;
  std::vector<std::string> average_names_;
  DecayPredicate decay_;
  std::vector<Slot> slots_;  // one for each parameter
  int64_t steps_ = 0;
};

}  // namespace tape::inline TAPE_ABI::optim
