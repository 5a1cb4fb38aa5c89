#include <tape/examples/lab/norm_timing.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <vector>

#include <tape/core/ops.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/lab/processor_time.h>
#include <tape/optim/adam.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

// LayerNorm from simpler ops, as a program without a fused one has it: several passes over the numbers.
Tensor composed_layer_norm(const Tensor& x, const nn::Norm& norm) {
  const Tensor ones = Tensor::full({1, x.last()}, 1);
  const auto across = [&](const Tensor& column) { return matmul(reshape(column, {column.size(), 1}), ones); };
  const Tensor centre = x - across(mean_last(x));
  const Tensor variance = mean_last(centre * centre);
  const Tensor deviation = sqrt(variance + Tensor::full(variance.shape(), real{1e-5F}));
  return add_bias(multiply_rows(centre / across(deviation), norm.weight), norm.bias);
}

double median(std::vector<double> numbers) {
  std::ranges::sort(numbers);
  return numbers[numbers.size() / 2];
}

}  // namespace

Fields time_norms(const Cell& cell) {
  const int64_t width = cell.integer("width");
  Random random(Seed{static_cast<uint64_t>(cell.integer("seed"))});
  const Tensor x = randn({cell.integer("elements") / width, width}, random);
  const Tensor dy = randn(x.shape(), random);
  const nn::Norm layer(nn::NormKind::Layer, width);
  const nn::Norm rms(nn::NormKind::RMS, width);
  for (const nn::Norm* norm : {&layer, &rms}) nn::initialize(*norm, Seed{1});
  struct Timed {
    const char* name;
    std::function<Tensor(const Tensor&)> norm;
    double forward = 1e9, backward = 1e9;
  };
  std::array<Timed, 3> all{Timed{"layer", [&](const Tensor& v) { return layer(v); }},
                           Timed{"rms", [&](const Tensor& v) { return rms(v); }},
                           Timed{"composed", [&](const Tensor& v) { return composed_layer_norm(v, layer); }}};
  for (int64_t i = 0; i < cell.integer("repeats"); ++i) {
    for (Timed& t : all) {
      Tape tape;
      const Tensor watched = tape.watch(x);
      const double start = thread_seconds();
      const Tensor y = t.norm(watched);
      const double middle = thread_seconds();
      tape.backward(y, dy);
      t.forward = std::min(t.forward, middle - start);
      t.backward = std::min(t.backward, thread_seconds() - middle);
    }
  }
  const double scale = 1e9 / cell.number("elements");
  Fields result;
  for (const Timed& t : all) {
    result.set(std::string(t.name) + "_forward_ns", t.forward * scale);
    result.set(std::string(t.name) + "_backward_ns", t.backward * scale);
  }
  return result;
}

Fields time_models(const Cell& cell) {
  struct Timed {
    const char* name;
    nn::GPT model;
    optim::Adam adam;
    std::vector<double> training = {}, inference = {};
    Timed(const char* name_, const Cell& c) : name(name_), model(model_of(c)), adam(nn::parameters(model)) {}
  };
  Timed layer("layer", cell.with("norm", "layer"));
  Timed rms("rms", cell.with("norm", "rms"));
  for (int64_t step = 0; step < cell.integer("steps"); ++step) {
    const tool::Batch batch = batch_of(cell, cell.integer("rows"), cell.integer("context"), step);
    for (Timed* t : {&layer, &rms}) {
      double start = thread_seconds();
      {
        Tape tape;
        tape.backward(cross_entropy(t->model(batch.input, nn::training(step)), batch.target));
        t->adam.step(1e-3);
        t->adam.zero_grad();
      }
      t->training.push_back(thread_seconds() - start);
      start = thread_seconds();
      const Tensor scores = t->model(batch.input, nn::evaluation());
      t->inference.push_back(thread_seconds() - start);
    }
  }
  Fields result;
  for (const Timed* t : {&layer, &rms}) {
    result.set(std::string(t->name) + "_steps_per_s", 1 / median(t->training));
    result.set(std::string(t->name) + "_passes_per_s", 1 / median(t->inference));
  }
  return result;
}

}  // namespace tape::inline TAPE_ABI::lab
