// Tape: what autograd is here. While a Tape is alive, every op on this thread that touches a tracked tensor appends a
// node to it. Nodes are in the order of execution, which is a topological order, so backward is a loop in reverse.
//
//   Tape tape;                                  // from here on, ops are recorded
//   Tensor loss = cross_entropy(model(in), target);
//   tape.backward(loss);                        // gradients arrive in the parameters
//
// With no Tape alive nothing is recorded. A tape belongs to one thread; tapes nest, the innermost one records.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// What an op costs, for the profile: floating-point operations of the forward pass and bytes it reads and writes.
struct Cost {
  double flops = 0;
  double bytes = 0;
};

/// One recorded operation, as it can be read back from a tape (until the tape ends, also after backward).
struct NodeInfo {
  const char* op = "";
  Shape shape;              ///< of the output
  int32_t output = -1;      ///< number of the output on this tape
  int32_t first_input = 0;  ///< its inputs are Tape::input(first_input … first_input + inputs - 1)
  int32_t inputs = 0;
  Cost cost;
  double forward_ms = 0;
  double backward_ms = 0;
};

/// The sums of all nodes of one kind of op.
struct OpProfile {
  std::string op;
  int64_t calls = 0;
  Cost cost;
  double forward_ms = 0;
  double backward_ms = 0;
};

/// Where an op's backward writes the gradient of one input: the first contribution sets, later ones add.
struct GradView {
  real* data = nullptr;
  bool accumulate = false;

  real beta() const { return accumulate ? real{1} : real{0}; }  ///< for GEMM
  void put(int64_t i, real value) const { data[i] = accumulate ? data[i] + value : value; }
  /// Sets or adds value(i) for begin ≤ i < end: two loops, each of which vectorises.
  template <class F>
  void put(int64_t begin, int64_t end, F value) const {
    real* out = data;
    if (accumulate) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] += value(i);
    } else {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] = value(i);
    }
  }
};

/// A tensor as a backward closure keeps it, when it can do without having it all the time: where the op that made it
/// was recorded as cheap, nothing is kept, and Backward::value makes it again. Captured in place of the tensor.
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor& x);  // NOLINT: converts silently on purpose

 private:
  friend class Backward;
  Tensor x_;           // absent where it is made again
  int32_t slot_ = -1;  // then its number on the tape
};

/// What an op's backward closure sees: the gradient of its output, and the places for those of its inputs.
class Backward {
 public:
  /// Gradient of the output, as large as the output.
  const real* dy() const { return dy_.as<real>(); }
  Tensor dy_tensor() const { return Tensor::on(shape_, dy_); }
  /// What was saved: the tensor itself, or one with the same bits. To be asked for once, and dropped soon.
  Tensor value(const Saved& saved);
  /// Room for a gradient as large as the output's: that one's own, to be overwritten, where nothing else needs it.
  Storage room_of_dy() const { return dy_.unique() ? dy_ : Storage::of<real>(shape_.size()); }
  /// False when input i is a constant: then its gradient must not be asked for.
  bool wants(int i) const { return slot(i) >= 0; }
  /// Place for the gradient of input i. Fill it completely before asking for that of another input: both may be the
  /// same tensor.
  GradView grad(int i);
  /// The gradient of input i is that of the output, unchanged. Copies nothing unless it has to.
  void pass(int i);
  /// Adds a gradient that the closure has computed into storage of its own.
  void give(int i, Storage gradient);

 private:
  friend class Tape;
  Backward(Tape& tape, const NodeInfo& node, Storage dy);
  int32_t slot(int i) const;
  GradView grad(const LeafPtr& leaf);

  Tape& tape_;
  const NodeInfo& node_;
  Shape shape_;
  Storage dy_;
};

class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// The tape that records on this thread now, or null.
  static Tape* current();

  /// A tracked copy of the handle: ops on it are recorded and grad() has its gradient after backward.
  Tensor watch(const Tensor& value);
  /// Keeps the gradient of x, a tensor on this tape, so that grad() can return it after backward. Call it before.
  void retain(const Tensor& x, Where where = Where::here());
  /// dL/dx of a watched or retained tensor after backward; zeros when L does not depend on x.
  Tensor grad(const Tensor& x, Where where = Where::here()) const;

  /// Runs the tape in reverse from `loss`, a tensor of one element, and adds to the gradients of all parameters it
  /// depends on. A tape is unwound once. Throws Error when loss is not on this tape or has more than one element.
  void backward(const Tensor& loss, Where where = Where::here());
  /// The same from any tensor y with a given gradient dy of the same shape.
  void backward(const Tensor& y, const Tensor& dy, Where where = Where::here());

  /// Number of nodes; node(i) for 0 ≤ i < size(); input(j) is the number of a node's input, -1 for a
  /// constant, -2 for an optional input that was left out.
  int64_t size() const;
  const NodeInfo& node(int64_t i) const;
  int32_t input(int32_t j) const;
  /// Prints one line for each node: "%4 = linear (12, 64, 384)  ← %3, blocks.0.attn.qkv.weight".
  void print(std::ostream& out) const;
  /// Costs and times by kind of op, most expensive first.
  std::vector<OpProfile> profile() const;

 private:
  friend class Backward;
  friend class Op;
  friend class Saved;
  struct State;
  // A function object in the arena.
  template <class Result>
  struct Function {
    void* object = nullptr;
    Result (*run)(void*, Backward&) = nullptr;
    void (*destroy)(void*) noexcept = nullptr;
  };
  using Closure = Function<void>;
  using Remake = Function<Tensor>;

  template <class Result, class F>
  Function<Result> keep(F&& f) {
    using Object = std::decay_t<F>;
    void* object = new (arena(sizeof(Object), alignof(Object))) Object(std::forward<F>(f));
    return {object, [](void* o, Backward& b) -> Result { return (*static_cast<Object*>(o))(b); },
            [](void* o) noexcept { static_cast<Object*>(o)->~Object(); }};
  }

  int32_t slot_of(const Tensor& x) const;  // -1: a constant for this tape
  int32_t leaf_slot(const LeafPtr& leaf);
  bool tracks(std::initializer_list<const Tensor*> inputs) const;
  Tensor append(const char* op, Tensor y, std::initializer_list<const Tensor*> inputs, Closure closure, Cost cost,
                double start_ms);
  void make_cheap(const Tensor& y, Remake remake);
  void note_unseen_parameters();
  void* arena(std::size_t bytes, std::size_t align);

  std::unique_ptr<State> state_;
  uint64_t id_;
  Tape* outer_;
  bool spent_ = false;
};

/// Suspends recording in its scope: what is computed there is a constant for any tape.
class NoRecord {
 public:
  NoRecord();
  ~NoRecord();
  NoRecord(const NoRecord&) = delete;
  NoRecord& operator=(const NoRecord&) = delete;

 private:
  Tape* suspended_;
};

/// The start of every op: its name and the caller's place for messages, the clock for the profile, and `record`.
///
///   Tensor square(const Tensor& x, Where where = Where::here()) {
///     const Op op("square", where);
///     op.require(bool(x), "x is missing");
///     Tensor y = Tensor::uninitialized(x.shape());
///     for (int64_t i = 0; i < x.size(); ++i) y.mutable_data()[i] = x.data()[i] * x.data()[i];
///     return op.record(y, {&x}, [x](Backward& b) {
///       const GradView dx = b.grad(0);
///       for (int64_t i = 0; i < x.size(); ++i) dx.put(i, 2 * x.data()[i] * b.dy()[i]);
///     });
///   }
class Op {
 public:
  Op(const char* name, Where where);

  /// Throws Error "name: why; from file:line".
  [[noreturn]] void fail(const std::string& why) const;
  void require(bool condition, const char* why) const {
    if (!condition) fail(why);
  }
  /// Throws Error unless each tensor is present.
  void need(std::initializer_list<const Tensor*> inputs) const;

  /// Puts y on the current tape as a function of `inputs`, with its backward, and returns it tracked. Without a tape,
  /// or when all inputs are constants, returns y as it is and drops the closure. The closure may only keep values
  /// (tensors, numbers): it runs later. This is the only way to make a tracked tensor.
  template <class F>
  Tensor record(const Tensor& y, std::initializer_list<const Tensor*> inputs, F&& backward, Cost cost = {}) const {
    Tape* tape = Tape::current();
    if (!tape || !tape->tracks(inputs)) return y;
    return append(*tape, y, inputs, std::forward<F>(backward), cost);
  }
  /// The same for an op that is cheap beside the memory of its result: closures of other ops that keep y as Saved keep
  /// nothing. remake(b) computes it again, to the same bits, from what the op saved, when the first of them needs it.
  template <class F, class G>
  Tensor record_cheap(const Tensor& y, std::initializer_list<const Tensor*> inputs, F&& backward, G&& remake,
                      Cost cost = {}) const {
    Tape* tape = Tape::current();
    if (!tape || !tape->tracks(inputs)) return y;
    const Tensor recorded = append(*tape, y, inputs, std::forward<F>(backward), cost);
    tape->make_cheap(recorded, tape->keep<Tensor>(std::forward<G>(remake)));
    return recorded;
  }
  /// The same, recorded also when no input is tracked: for an op whose closure reaches parameters by itself.
  template <class F>
  Tensor record_always(const Tensor& y, std::initializer_list<const Tensor*> inputs, F&& backward,
                       Cost cost = {}) const {
    Tape* tape = Tape::current();
    if (!tape) return y;
    tape->note_unseen_parameters();
    return append(*tape, y, inputs, std::forward<F>(backward), cost);
  }

 private:
  template <class F>
  Tensor append(Tape& tape, const Tensor& y, std::initializer_list<const Tensor*> inputs, F&& backward,
                Cost cost) const {
    return tape.append(name_, y, inputs, tape.keep<void>(std::forward<F>(backward)), cost, start_ms_);
  }

  const char* name_;
  Where where_;
  double start_ms_;
};

}  // namespace tape::inline TAPE_ABI
