// Optimizer: what SGD, Adam and their kin have in common. It holds the parameters, refuses a step that would go wrong,
// keeps the running averages of each parameter and saves and restores them. A new optimizer says how many running
// averages it wants and what happens to a range of elements; lion.cpp is the shortest example.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tape/core/parameter.h>
#include <tape/core/tensor.h>
#include <tape/optim/groups.h>
#include <tape/optim/state.h>
#include <tape/optim/value_scope.h>

namespace tape::inline TAPE_ABI::optim {

/// Says which parameters weight decay applies to. Without one, Leaf::decay does.
using DecayPredicate = Predicate;

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
  /// 8192 elements it lies in keeps both (with optimizers that look at a parameter as a whole, such as Muon: all of
  /// it), the rest of the step is carried out, and then an Error names the parameters. (Looking before the update would
  /// read all gradients a second time.) A loop that wants to skip such a step instead looks at what clip_grad_norm
  /// returns, and calls zero_grad() when it is not finite.
  ///
  /// The result does not depend on the number of threads; from the second step on nothing is allocated.
  void step(double rate);

  /// Takes the memory of the averages now instead of in the first step. Then it lies in one piece beside the
  /// parameters, and the pieces of a step fit each other better: a small model's peak is a tenth lower. Changes no
  /// result.
  void reserve();

  /// Discards all gradients, and their memory.
  void zero_grad();

  /// The values to evaluate and to save, in place for as long as the result lives; step() refuses meanwhile. They are
  /// the parameters' own, except with ScheduleFree, which trains at other points than the one it has found.
  ///
  ///   { const auto scope = optimizer.evaluation(); loss = validate(model); nn::save(path, model); }
  ValueScope evaluation();

  /// How many times step() has been carried out, also before the state was loaded.
  int64_t steps() const { return steps_; }
  const ParameterList& parameters() const { return parameters_; }
  /// "adam": the first word of its messages and of the names in its state.
  const std::string& name() const { return name_; }

  /// All that a continued run needs to go on bit for bit, options aside: NAME.steps, NAME.updates.PARAMETER,
  /// NAME.AVERAGE.PARAMETER and NAME.NUMBER.PARAMETER; see state.h for counts and numbers. A parameter without updates
  /// so far has no averages and numbers. Copies nothing now: a later step copies what is still in use elsewhere. Throws
  /// Error when two parameters have the same name.
  State state() const;
  /// Puts the optimizer where the one that `state` came from was. The order does not matter.
  /// Throws Error, having changed nothing, when the state is that of another kind of optimizer, and one that lists all
  /// missing, unexpected and mismatched tensors.
  void load_state(const State& state);

 protected:
  /// What is kept for each parameter, by name: running averages, and single numbers.
  struct Memory {
    std::vector<std::string> averages{};
    std::vector<std::string> numbers{};
  };
  /// The options that all optimizers have.
  struct Common {
    double weight_decay = 0;  ///< λ ≥ 0
    DecayPredicate decay{};
    ParameterGroups groups{};
  };

  /// Throws Error when there are no parameters, or one of them is null or given twice, and for bad common options.
  Optimizer(std::string name, ParameterList parameters, Memory memory, Common common);

  /// Called in each step for each parameter that will be updated, before any update: computes what its elements share.
  /// `rate` is that of the parameter's group.
  virtual void prepare(std::size_t parameter, double rate) = 0;
  /// Updates elements begin…end of the value from those of the gradient. Runs on many threads at once; must not throw.
  virtual void update(std::size_t parameter, int64_t begin, int64_t end) = 0;

  /// True for a parameter whose elements depend on each other: update_whole is called for it, on one thread and after
  /// all calls of update, provided that its whole gradient is finite.
  virtual bool is_whole(std::size_t) const { return false; }
  virtual void update_whole(std::size_t) {}
  /// The shape of a parameter's average: its own, unless overridden; none when it does without this average.
  virtual std::optional<Shape> average_shape(std::size_t parameter, std::size_t which) const;
  /// The value that evaluation() shows.
  virtual Storage evaluation_value(std::size_t parameter) const { return leaf(parameter).value; }

  const Leaf& leaf(std::size_t parameter) const { return *parameters_[parameter]; }
  /// Updates of this parameter, the current one included.
  int64_t updates(std::size_t parameter) const { return slots_[parameter].updates; }
  /// λ of a parameter in the current step: 0 when it does not decay.
  double weight_decay(std::size_t parameter) const { return slots_[parameter].weight_decay; }
  /// What step() was given, before groups.
  double rate() const { return rate_; }
  /// As large as average_shape says; zero before the first update. Null when there is none.
  real* average(std::size_t parameter, std::size_t which) const { return slots_[parameter].averages[which].as<real>(); }
  Storage shared_average(std::size_t parameter, std::size_t which) const { return slots_[parameter].averages[which]; }
  /// Zero before the first update.
  double& number(std::size_t parameter, std::size_t which) { return slots_[parameter].numbers[which]; }
  /// Throws Error "NAME: OPTION must be RULE, not VALUE" unless `holds`.
  void require_option(bool holds, const char* option, const char* rule, double value) const;

 private:
  struct Slot {
    std::vector<Storage> averages;  // taken by reserve() or at the first update
    std::vector<double> numbers;
    int64_t updates = 0;
    double weight_decay = 0;
  };

  void require_gradients() const;
  void own_averages(std::size_t parameter);
  double decay_of(std::size_t parameter) const;
  double rate_of(std::size_t parameter) const;
  void require_distinct_names() const;
  std::string state_name(const std::string& what, std::size_t parameter) const;

  std::string name_;
  ParameterList parameters_;
  Memory memory_;
  Common common_;
  std::vector<std::size_t> groups_;  // the place of each parameter's group
  std::vector<Slot> slots_;          // one for each parameter
  int64_t steps_ = 0;
  double rate_ = 0;
  bool evaluating_ = false;
};

}  // namespace tape::inline TAPE_ABI::optim
