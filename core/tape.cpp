#include <tape/core/tape.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iomanip>
#include <map>
#include <ostream>

#include <tape/core/arena.h>
#include <tape/core/parallel.h>
#include <tape/core/shard_gradients.h>

namespace tape::inline TAPE_ABI {

namespace {

thread_local Tape* current_tape = nullptr;
std::atomic<uint64_t> tapes_made{0};

double now_ms() {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  return Milliseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// y = dy, or y += dy.
void set_or_add(real* y, const real* dy, int64_t n, bool accumulate) {
  if (accumulate) {
    add(y, dy, n);
    return;
  }
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
    std::memcpy(y + begin, dy + begin, static_cast<std::size_t>(end - begin) * sizeof(real));
  });
}

}  // namespace

// Everything a tape holds. Kept for the thread's next tape when one ends, so that a repeated step allocates nothing.
struct Tape::State {
  // A tensor that this tape knows: an output of a node, a watched tensor or a parameter.
  struct Slot {
    Shape shape;
    Storage gradient;  // empty until the first contribution; parameters keep theirs in the leaf, but in a shard
    LeafPtr leaf;
    bool keep = false;        // watched or retained
    int32_t cheap = -1;       // number in `cheap`, when its value can be made again
    int64_t first_node = -1;  // of a parameter: the first one that uses it
  };
  std::vector<NodeInfo> nodes;
  std::vector<Closure> closures;  // one for each node
  std::vector<int32_t> inputs;
  std::vector<Slot> slots;
  struct Cheap {
    Remake remake;
    int64_t uses = 0;   // closures that will ask for the value
    Tensor value = {};  // made again, while there are more
  };
  std::vector<Cheap> cheap;
  std::vector<int32_t> leaf_table;  // open addressing: slot of a leaf by the hash of its address, -1 empty
  std::size_t leaves = 0;
  bool reaches_unseen = false;  // some closures reach parameters that are not among their node's inputs
  Arena arena;

  std::size_t leaf_position(const Leaf* leaf) const {
    const std::size_t mask = leaf_table.size() - 1;
    std::size_t at = (reinterpret_cast<std::uintptr_t>(leaf) >> 4) * 0x9e3779b97f4a7c15ull >> 20 & mask;
    while (leaf_table[at] >= 0 && slots[static_cast<std::size_t>(leaf_table[at])].leaf.get() != leaf)
      at = (at + 1) & mask;
    return at;
  }

  void destroy_closures() noexcept {
    for (std::size_t i = closures.size(); i-- > 0;) destroy(closures[i]);
  }
  static void destroy(auto& function) noexcept {
    if (function.object) function.destroy(std::exchange(function.object, nullptr));
  }
  static void destroy(Cheap& c) noexcept {
    destroy(c.remake);
    c.value = Tensor();
  }

  void clear() noexcept {
    destroy_closures();
    for (Cheap& c : cheap) destroy(c);
    cheap.clear();
    nodes.clear();
    closures.clear();
    inputs.clear();
    slots.clear();
    std::ranges::fill(leaf_table, -1);
    leaves = 0;
    reaches_unseen = false;
    arena.reset();
  }

  // In a shard: hands over the gradient of a parameter, if it has one.
  static void give(ShardScope& shard, Slot& slot) {
    if (slot.leaf && slot.gradient) shard.gradients().give(slot.leaf, std::exchange(slot.gradient, {}));
  }
  // In a shard: hands over those of the parameters that node i is the first to use, since it is the last to reach them.
  void give_complete(ShardScope& shard, std::size_t i) {
    const NodeInfo& node = nodes[i];
    for (int32_t j = node.first_input; j < node.first_input + node.inputs; ++j) {
      if (inputs[static_cast<std::size_t>(j)] < 0) continue;
      Slot& slot = slots[static_cast<std::size_t>(inputs[static_cast<std::size_t>(j)])];
      if (slot.first_node == static_cast<int64_t>(i)) give(shard, slot);
    }
  }

  static std::vector<std::unique_ptr<State>>& spare() {
    thread_local std::vector<std::unique_ptr<State>> states;
    return states;
  }
};

Tape::Tape() : id_(++tapes_made), outer_(current_tape) {
  auto& spare = State::spare();
  if (spare.empty()) {
    state_ = std::make_unique<State>();
    state_->leaf_table.assign(256, -1);
  } else {
    state_ = std::move(spare.back());
    spare.pop_back();
  }
  current_tape = this;
}

Tape::~Tape() {
  current_tape = outer_;
  state_->clear();
  State::spare().push_back(std::move(state_));
}

Tape* Tape::current() {
  return current_tape;
}

int32_t Tape::slot_of(const Tensor& x) const {
  if (x.tape_ == id_) return x.slot_;
  if (!x.leaf_ || x.leaf_->frozen) return -1;
  return state_->leaf_table[state_->leaf_position(x.leaf_.get())];
}

int32_t Tape::leaf_slot(const LeafPtr& leaf) {
  State& s = *state_;
  std::size_t at = s.leaf_position(leaf.get());
  if (s.leaf_table[at] >= 0) return s.leaf_table[at];
  if (2 * ++s.leaves > s.leaf_table.size()) {
    s.leaf_table.assign(s.leaf_table.size() * 2, -1);
    for (std::size_t i = 0; i < s.slots.size(); ++i) {
      if (s.slots[i].leaf) s.leaf_table[s.leaf_position(s.slots[i].leaf.get())] = static_cast<int32_t>(i);
    }
    at = s.leaf_position(leaf.get());
  }
  const auto slot = static_cast<int32_t>(s.slots.size());
  s.slots.push_back({.shape = leaf->shape, .gradient = {}, .leaf = leaf, .first_node = size()});
  s.leaf_table[at] = slot;
  return slot;
}

bool Tape::tracks(std::initializer_list<const Tensor*> inputs) const {
  return std::ranges::any_of(
      inputs, [this](const Tensor* x) { return *x && (x->tape_ == id_ || (x->leaf_ && !x->leaf_->frozen)); });
}

void* Tape::arena(std::size_t bytes, std::size_t align) {
  return state_->arena.take(bytes, align);
}

Tensor Tape::append(const char* op, Tensor y, std::initializer_list<const Tensor*> inputs, Closure closure, Cost cost,
                    double start_ms) {
  State& s = *state_;
  NodeInfo node{.op = op,
                .shape = y.shape(),
                .first_input = static_cast<int32_t>(s.inputs.size()),
                .inputs = static_cast<int32_t>(inputs.size()),
                .cost = cost};
  double bytes = static_cast<double>(y.size()) * sizeof(real);
  for (const Tensor* x : inputs) {
    const bool is_leaf = *x && x->tape_ != id_ && x->leaf_ && !x->leaf_->frozen;
    s.inputs.push_back(is_leaf ? leaf_slot(x->leaf_) : *x ? slot_of(*x) : -2);
    if (*x) bytes += static_cast<double>(x->size()) * sizeof(real);
  }
  if (node.cost.bytes == 0) node.cost.bytes = bytes;
  node.output = static_cast<int32_t>(s.slots.size());
  s.slots.push_back({.shape = y.shape(), .gradient = {}, .leaf = nullptr});
  s.closures.push_back(closure);
  node.forward_ms = now_ms() - start_ms;
  s.nodes.push_back(node);
  y.leaf_ = nullptr;
  y.tape_ = id_;
  y.slot_ = node.output;
  return y;
}

void Tape::note_unseen_parameters() {
  state_->reaches_unseen = true;
}

void Tape::make_cheap(const Tensor& y, Remake remake) {
  State& s = *state_;
  s.slots[static_cast<std::size_t>(y.slot_)].cheap = static_cast<int32_t>(s.cheap.size());
  s.cheap.push_back({remake});
}

Saved::Saved(const Tensor& x) : x_(x) {
  const Tape* tape = Tape::current();
  if (!tape || x.tape_ != tape->id_ || tape->state_->slots[static_cast<std::size_t>(x.slot_)].cheap < 0) return;
  ++tape->state_->cheap[static_cast<std::size_t>(tape->state_->slots[static_cast<std::size_t>(x.slot_)].cheap)].uses;
  slot_ = x.slot_;
  x_ = Tensor();
}

Tensor Tape::watch(const Tensor& value) {
  Tensor x = value.detach();
  x.tape_ = id_;
  x.slot_ = static_cast<int32_t>(state_->slots.size());
  state_->slots.push_back({.shape = value.shape(), .gradient = {}, .leaf = nullptr, .keep = true});
  return x;
}

void Tape::retain(const Tensor& x, Where where) {
  if (x.tape_ != id_) throw Error(str("Tape::retain: tensor ", x.shape(), " is not on this tape"), where);
  if (spent_) throw Error("Tape::retain: call it before backward(), which keeps only what was asked for", where);
  state_->slots[static_cast<std::size_t>(x.slot_)].keep = true;
}

Tensor Tape::grad(const Tensor& x, Where where) const {
  if (x.tape_ != id_) throw Error(str("Tape::grad: tensor ", x.shape(), " is not on this tape"), where);
  if (!spent_) throw Error("Tape::grad: call backward() first", where);
  const State::Slot& slot = state_->slots[static_cast<std::size_t>(x.slot_)];
  if (!slot.keep) throw Error("Tape::grad: call watch() before using the tensor, or retain() before backward()", where);
  return slot.gradient ? Tensor::on(slot.shape, slot.gradient) : Tensor::zeros(slot.shape);
}

void Tape::backward(const Tensor& loss, Where where) {
  if (loss && loss.size() != 1) {
    throw Error(str("backward: the loss must be one number, not ", loss.shape(),
                    "; take sum() or mean(), or pass the gradient dy of the same shape"),
                where);
  }
  backward(loss, Tensor::full(loss.shape(), 1), where);
}

void Tape::backward(const Tensor& y, const Tensor& dy, Where where) {
  if (!y || y.tape_ != id_) {
    throw Error("backward: the tensor is not on this tape: no op on a tracked tensor made it while the tape was alive",
                where);
  }
  if (dy.shape() != y.shape())
    throw Error(str("backward: dy ", dy.shape(), " must have the shape of y ", y.shape()), where);
  if (spent_) throw Error("backward: this tape was already unwound; a tape is used for one backward pass", where);
  spent_ = true;
  const NoRecord suspended;
  State& s = *state_;
  ShardScope* shard = ShardScope::current();
  if (shard && !shard->begin(*this, where)) shard = nullptr;  // inside a closure of the shard's tape, which collects
  s.slots[static_cast<std::size_t>(y.slot_)].gradient = dy.storage();
  for (std::size_t i = s.nodes.size(); i-- > 0;) {
    NodeInfo& node = s.nodes[i];
    State::Slot& output = s.slots[static_cast<std::size_t>(node.output)];
    // Only closures that have run could ask for the output.
    if (output.cheap >= 0) State::destroy(s.cheap[static_cast<std::size_t>(output.cheap)]);
    if (output.gradient) {
      const double start = now_ms();
      Storage gradient = output.keep ? output.gradient : std::exchange(output.gradient, {});
      Backward backward(*this, node, std::move(gradient));
      s.closures[i].run(s.closures[i].object, backward);
      node.backward_ms = now_ms() - start;
    }
    State::destroy(s.closures[i]);  // what it saved goes back to the pool while unwinding
    if (shard && !s.reaches_unseen) s.give_complete(*shard, i);
  }
  if (!shard) return;
  for (State::Slot& slot : s.slots) State::give(*shard, slot);
  shard->end();
}

int64_t Tape::size() const {
  return static_cast<int64_t>(state_->nodes.size());
}
const NodeInfo& Tape::node(int64_t i) const {
  return state_->nodes.at(static_cast<std::size_t>(i));
}
int32_t Tape::input(int32_t j) const {
  return state_->inputs.at(static_cast<std::size_t>(j));
}

void Tape::print(std::ostream& out) const {
  for (const NodeInfo& node : state_->nodes) {
    out << std::setw(5) << str('%', node.output) << " = " << node.op << ' ' << node.shape;
    const char* separator = "  ← ";
    for (int32_t i = 0; i < node.inputs; ++i) {
      const int32_t slot = input(node.first_input + i);
      if (slot == -2) continue;
      out << std::exchange(separator, ", ");
      if (slot < 0) {
        out << "constant";
      } else if (const LeafPtr& leaf = state_->slots[static_cast<std::size_t>(slot)].leaf) {
        out << leaf->name;
      } else {
        out << '%' << slot;
      }
    }
    out << '\n';
  }
}

std::vector<OpProfile> Tape::profile() const {
  std::map<std::string, OpProfile> by_name;
  for (const NodeInfo& node : state_->nodes) {
    OpProfile& sum = by_name[node.op];
    sum.op = node.op;
    ++sum.calls;
    sum.cost.flops += node.cost.flops;
    sum.cost.bytes += node.cost.bytes;
    sum.forward_ms += node.forward_ms;
    sum.backward_ms += node.backward_ms;
  }
  std::vector<OpProfile> result;
  for (auto& [name, sum] : by_name) result.push_back(std::move(sum));
  std::ranges::sort(result, std::ranges::greater{}, [](const OpProfile& p) { return p.forward_ms + p.backward_ms; });
  return result;
}

NoRecord::NoRecord() : suspended_(std::exchange(current_tape, nullptr)) {}
NoRecord::~NoRecord() {
  current_tape = suspended_;
}

Backward::Backward(Tape& tape, const NodeInfo& node, Storage dy)
    : tape_(tape), node_(node), shape_(node.shape), dy_(std::move(dy)) {}

int32_t Backward::slot(int i) const {
  return tape_.input(node_.first_input + i);
}

Tensor Backward::value(const Saved& saved) {
  if (saved.slot_ < 0) return saved.x_;
  Tape::State& s = *tape_.state_;
  Tape::State::Cheap& c = s.cheap[static_cast<std::size_t>(s.slots[static_cast<std::size_t>(saved.slot_)].cheap)];
  const Tensor value = c.value ? c.value : c.remake.run(c.remake.object, *this);
  c.value = --c.uses > 0 ? value : Tensor();
  return value;
}

GradView Backward::grad(int i) {
  Tape::State::Slot& slot_i = tape_.state_->slots[static_cast<std::size_t>(slot(i))];
  if (slot_i.leaf) return grad(slot_i.leaf);
  const int64_t n = slot_i.shape.size();
  const bool accumulate = static_cast<bool>(slot_i.gradient);
  if (!slot_i.gradient.unique()) {  // absent, or shared with another gradient by pass()
    const Storage shared = std::exchange(slot_i.gradient, Storage::of<real>(n));
    if (accumulate) set_or_add(slot_i.gradient.as<real>(), shared.as<real>(), n, false);
  }
  return {slot_i.gradient.as<real>(), accumulate};
}

GradView Backward::grad(const LeafPtr& leaf) {
  if (const ShardScope* shard = ShardScope::current()) {
    Tape& tape = shard->tape();
    Storage& gradient = tape.state_->slots[static_cast<std::size_t>(tape.leaf_slot(leaf))].gradient;
    const bool accumulate = static_cast<bool>(gradient);
    if (!accumulate) gradient = Storage::of<real>(leaf->size());
    return {gradient.as<real>(), accumulate};
  }
  if (!leaf->gradient) leaf->gradient = Storage::of<real>(leaf->size());
  return {leaf->gradient_data(), std::exchange(leaf->has_gradient, true)};
}

void Backward::pass(int i) {
  Tape::State::Slot& slot_i = tape_.state_->slots[static_cast<std::size_t>(slot(i))];
  if (!slot_i.leaf && !slot_i.gradient) {
    slot_i.gradient = dy_;
    return;
  }
  const GradView dx = grad(i);
  set_or_add(dx.data, dy(), slot_i.shape.size(), dx.accumulate);
}

void Backward::give(int i, Storage gradient) {
  Tape::State::Slot& slot_i = tape_.state_->slots[static_cast<std::size_t>(slot(i))];
  if (!slot_i.leaf && !slot_i.gradient) {
    slot_i.gradient = std::move(gradient);
    return;
  }
  const GradView dx = grad(i);
  set_or_add(dx.data, gradient.as<real>(), slot_i.shape.size(), dx.accumulate);
}

Op::Op(const char* name, Where where) : name_(name), where_(where), start_ms_(current_tape ? now_ms() : 0) {}

void Op::fail(const std::string& why) const {
  throw Error(str(name_, ": ", why), where_);
}

void Op::need(std::initializer_list<const Tensor*> inputs) const {
  int position = 1;
  for (const Tensor* x : inputs) {
    if (!*x) fail(str("argument ", position, " is an empty tensor"));
    ++position;
  }
}

}  // namespace tape::inline TAPE_ABI
