#include "floors.h"

#include <cstring>
#include <vector>

#include <tape/core/gemm.h>
#include <tape/core/parallel.h>
#include <tape/core/product.h>
#include <tape/core/small_gemm.h>
#include <tape/core/tensor.h>

#include "measure.h"

namespace bench {

namespace {

using namespace tape;

Tensor random_matrix(int64_t rows, int64_t columns) {
  Random random(Seed{1});
  return randn({rows, columns}, random);
}

// As a step has it: packed where its shards share it.
Factor weight_factor(int64_t out, int64_t in, Precision precision, bool in_shards) {
  const Tensor w = random_matrix(out, in);
  if (!in_shards || !worth_packing(precision, out, in)) return Factor(w, precision);
  const PackedMatrix packed(out, in);
  for (int64_t i = 0; i < packed.panel_count(); ++i) packed.pack(w.data(), i);
  return Factor(packed);
}

// y = x·wᵀ, dx = dy·w, dw = dyᵀ·x: the three products of a linear layer.
double linear_floor(int64_t rows, int64_t in, int64_t out, Precision precision, bool in_shards, double seconds) {
  const Factor x(random_matrix(rows, in), precision);
  const Factor w = weight_factor(out, in, precision, in_shards);
  const Factor dy(random_matrix(rows, out), precision);
  Tensor y = Tensor::zeros({rows, out});
  Tensor dx = Tensor::zeros({rows, in});
  Tensor dw = Tensor::zeros({out, in});
  return measure(seconds,
                 [&] {
                   multiply(Transpose::no, Transpose::yes, x, w, 0, {y.mutable_data(), rows, out});
                   multiply(Transpose::no, Transpose::no, dy, w, 0, {dx.mutable_data(), rows, in});
                   multiply(Transpose::yes, Transpose::no, dy, x, 0, {dw.mutable_data(), out, in});
                 })
      .median;
}

// Six products of one head's half square: Q·Kᵀ, P·V, and backward dO·Vᵀ, Pᵀ·dO, dS·K, dSᵀ·Q.
double attention_floor(const Workload& w, double seconds) {
  const int64_t t = w.model.context;
  const int64_t d = w.model.width / w.model.heads;
  const int64_t half = (t + 1) / 2;
  const int64_t heads = w.batch * w.model.heads;
  const Tensor q = random_matrix(heads * t, d);
  Tensor out = random_matrix(heads * t, d);
  Tensor squares = random_matrix(heads * t, half);
  return measure(seconds,
                 [&] {
                   parallel_tasks(heads, 0, [&](int64_t head, real*) {
                     const real* a = q.data() + head * t * d;
                     real* o = out.mutable_data() + head * t * d;
                     real* s = squares.mutable_data() + head * t * half;
                     for (int i = 0; i < 2; ++i) {
                       gemm_serial(Transpose::no, Transpose::yes, 1, {a, t, d}, {a, half, d}, 0, {s, t, half});
                       gemm_serial(Transpose::no, Transpose::no, 1, {s, t, half}, {a, half, d}, 0, {o, t, d});
                       gemm_serial(Transpose::yes, Transpose::no, 1, {s, t, half}, {a, t, d}, 0, {o, half, d});
                     }
                   });
                 })
      .median;
}

// The same in pairs, of factors that are ready: each product of a head has the size of one of these two.
double attention_floor_in_bf16(const Workload& w, double seconds) {
  const int64_t t = w.model.context;
  const int64_t d = w.model.width / w.model.heads;
  const int64_t half = (t + 1) / 2;
  const int64_t heads = w.batch * w.model.heads;
  const auto room = [](int64_t size) { return std::vector<bf16_pair>(static_cast<std::size_t>(size)); };
  const Tensor q = random_matrix(t, d);
  const Tensor s = random_matrix(t, half);
  auto q_room = room(left_size<bf16_pair>(t, d));
  auto s_room = room(left_size<bf16_pair>(t, half));
  auto k_room = room(packed_size<bf16_pair>(d, half));
  auto v_room = room(packed_size<bf16_pair>(half, d));
  const auto q_left = left(Transpose::no, {q.data(), t, d}, q_room.data());
  const auto s_left = left(Transpose::no, {s.data(), t, half}, s_room.data());
  const auto k_panels = pack(Transpose::yes, {q.data(), half, d}, k_room.data());
  const auto v_panels = pack(Transpose::no, {q.data(), half, d}, v_room.data());
  return measure(seconds,
                 [&] {
                   parallel_tasks(heads, t * (half + d), [&](int64_t, real* c) {
                     for (int i = 0; i < 3; ++i) {
                       small_gemm(1, q_left, k_panels, 0, {c, t, half});
                       small_gemm(1, s_left, v_panels, 0, {c + t * half, t, d});
                     }
                   });
                 })
      .median;
}

}  // namespace

double gemm_floor(const Workload& w, tape::Precision precision, bool in_shards, double seconds) {
  const std::vector<LinearLayer> layers = linear_layers(w);
  const double share = seconds / static_cast<double>(layers.size() + 1);
  const auto of_attention = precision == Precision::bf16 ? attention_floor_in_bf16 : attention_floor;
  double floor = static_cast<double>(w.model.layers) * of_attention(w, share);
  for (const LinearLayer& layer : layers)
    floor +=
        static_cast<double>(layer.count) * linear_floor(w.tokens(), layer.in, layer.out, precision, in_shards, share);
  return floor;
}

Copy::Copy(double megabytes)
    : from_(Tensor::full({static_cast<int64_t>(megabytes * 1024 * 1024) / static_cast<int64_t>(sizeof(real))}, 1)),
      to_(Tensor::zeros(from_.shape())) {}

void Copy::run() {
  parallel_for(from_.size(), elementwise_grain,
               [from = from_.data(), to = to_.mutable_data()](int64_t begin, int64_t end) {
                 std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin) * sizeof(real));
               });
}

double Copy::bandwidth(double ms) const {
  return 2 * static_cast<double>(from_.size()) * sizeof(real) / ms / 1e6;
}

double copy_bandwidth(double megabytes, double seconds) {
  Copy copy(megabytes);
  return copy.bandwidth(measure(seconds, [&] { copy.run(); }).median);
}

}  // namespace bench
