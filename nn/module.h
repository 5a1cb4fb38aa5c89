// Modules: plain structs whose members are parameters and other modules, and one function that names them:
//
//   struct Gate {
//     Parameter weight;
//     nn::Linear inner;
//     void visit(auto&& v) const { v("weight", weight); v("inner", inner); }
//   };
//
// Everything else follows from visit: dotted names, counting, initialising, saving, loading, freezing. There is no base
// class and nothing to register. Modules move but do not copy.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include <tape/core/parameter.h>
#include <tape/core/random.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::nn {

/// Walks a module's members and calls f(dotted name, member) for those that f takes; into all others it goes on.
template <class F>
class MemberVisitor {
 public:
  MemberVisitor(std::string prefix, const F& f) : prefix_(std::move(prefix)), f_(f) {}

  template <class Member>
  void operator()(std::string_view name, const Member& member) const {
    if constexpr (std::is_invocable_v<const F&, const std::string&, const Member&>) {
      f_(join(name), member);
    } else {
      member.visit(MemberVisitor(join(name), f_));
    }
  }
  template <class Member>
  void operator()(std::string_view name, const std::vector<Member>& members) const {
    const MemberVisitor inner(join(name), f_);
    for (std::size_t i = 0; i < members.size(); ++i) inner(std::to_string(i), members[i]);
  }
  template <class Member>
  void operator()(std::string_view name, const std::optional<Member>& member) const {
    if (member) (*this)(name, *member);
  }

 private:
  std::string join(std::string_view name) const {
    return prefix_.empty() ? std::string(name) : prefix_ + '.' + std::string(name);
  }

  std::string prefix_;
  const F& f_;
};

/// Calls f for each parameter that is present, in the order of visit, each once: one that visit names twice counts
/// under its first name.
template <class Module>
void for_each_parameter(const Module& module, const std::function<void(const std::string&, const LeafPtr&)>& f) {
  using Found = std::function<void(const std::string&, const Parameter&)>;
  std::unordered_set<const Leaf*> seen;
  const Found found = [&](const std::string& name, const Parameter& parameter) {
    if (parameter && seen.insert(parameter.leaf().get()).second) f(name, parameter.leaf());
  };
  module.visit(MemberVisitor<Found>("", found));
}

/// All parameters in the order of visit, each once.
template <class Module>
ParameterList parameters(const Module& module) {
  ParameterList list;
  for_each_parameter(module, [&](const std::string&, const LeafPtr& leaf) { list.push_back(leaf); });
  return list;
}

/// Writes the dotted names into the parameters, for messages and files.
template <class Module>
void name_parameters(const Module& module) {
  for_each_parameter(module, [](const std::string& name, const LeafPtr& leaf) { leaf->name = name; });
}

/// All parameters, after naming those that have no name yet. What belongs to a named model keeps its long names.
template <class Module>
ParameterList named_parameters(const Module& module) {
  for_each_parameter(module, [](const std::string& name, const LeafPtr& leaf) {
    if (leaf->name == Leaf{}.name) leaf->name = name;
  });
  return parameters(module);
}

/// Number of trainable numbers in a list.
int64_t count(const ParameterList& list);
template <class Module>
int64_t count_parameters(const Module& module) {
  return count(parameters(module));
}

/// Draws first values as each parameter's Init asks. A parameter's values depend on the seed and on its name alone, so
/// models that share a part start with the same numbers there.
void initialize(const ParameterList& list, Seed seed);
template <class Module>
void initialize(const Module& module, Seed seed) {
  name_parameters(module);
  initialize(parameters(module), seed);
}

/// A table of names, shapes, counts and bytes, with the total, and marks for frozen and undecayed parameters.
std::string describe(const ParameterList& list);
template <class Module>
std::string describe(const Module& module) {
  return describe(named_parameters(module));
}

/// Freezes (or thaws) the parameters whose name matches the pattern, where * stands for any characters:
/// "blocks.*.attn.*". Returns their number; throws Error when there is none.
int64_t freeze(const ParameterList& list, std::string_view pattern, bool frozen = true);
template <class Module>
int64_t freeze(const Module& module, std::string_view pattern, bool frozen = true) {
  return freeze(named_parameters(module), pattern, frozen);
}

/// Sets in which precision the linear layers of these parameters multiply, and attention between them; everything else
/// (embeddings, norms, softmax, the loss, sums of gradients, updates) computes with the f32 values as before. A
/// mixture's router stays with f32. Throws Error that says what is missing when this processor or build can not compute
/// so.
void set_precision(const ParameterList& list, Precision precision);
template <class Module>
void set_precision(const Module& module, Precision precision) {
  set_precision(parameters(module), precision);
}

/// Writes values to a safetensors file under their dotted names; reads them back. Saving throws Error for a parameter
/// that has no values yet. Loading throws one Error that lists missing, extra and mismatched names together, and then
/// has changed nothing.
void save(const std::string& path, const ParameterList& list);
void load(const std::string& path, const ParameterList& list);
template <class Module>
void save(const std::string& path, const Module& module) {
  save(path, named_parameters(module));
}
template <class Module>
void load(const std::string& path, const Module& module) {
  load(path, named_parameters(module));
}

/// Copies values between two models of the same structure. Throws Error when names or shapes differ.
void copy_values(const ParameterList& from, const ParameterList& to);

/// Catches a field that visit() forgot. Declare it as the first member of a model, so that it is constructed before
/// any parameter, and call check at the end of the constructor.
class Census {
 public:
  /// Throws Error "GPT owns 52 parameters, but visit() named 51" when the numbers differ.
  template <class Module>
  void check(const Module& module, std::string_view what) const {
    compare(what, Parameter::constructed() - before_, static_cast<int64_t>(parameters(module).size()));
  }

 private:
  static void compare(std::string_view what, int64_t owned, int64_t named);
  int64_t before_ = Parameter::constructed();
};

}  // namespace tape::inline TAPE_ABI::nn
