// bench ops: each kind of op by itself, beside the floor that stands below it: copying its bytes, or the largest
// product.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tape/core/gemm.h>
#include <tape/core/ops.h>
#include <tape/core/tape.h>
#include <tape/nn/module.h>
#include <tape/optim/adam.h>

#include "commands.h"
#include "floors.h"
#include "measure.h"

namespace bench {

namespace {

using namespace tape;
using Json = nlohmann::ordered_json;

// One line of the table. Rates are GB/s where bytes count, GFLOP/s where operations do.
struct Line {
  std::string what;
  double ms = 0;
  double rate = 0;
  const char* unit = "GB/s";
  double share = 0;  // of the floor
};

class Bench {
 public:
  explicit Bench(double seconds) : seconds_(seconds), copy_(256), random_(Seed{1}) {
    const double rate = copy_bandwidth(256, seconds);
    add("copy of 256 MiB", 2 * 256 * 1.048576 / rate, rate, "GB/s", 1);
  }

  const std::vector<Line>& lines() const { return lines_; }

  /// Forward and backward of f on x, with the bytes that each must at least move.
  template <class F>
  void op(const std::string& what, const Tensor& x, double forward_bytes, double backward_bytes, const F& f) {
    bytes(what + ", forward", forward_bytes, [&] {
      f(x);  // the copy has taken the caches
      return time_of([&] { f(x); });
    });
    const Tensor dy = cotangent(f(x));
    bytes(what + ", backward", backward_bytes, [&] { return backward_ms(x, f, dy); });
  }
  /// run() returns the milliseconds of a run; a copy goes before each, and the share is that of the pairs, since the
  /// bandwidth that other programs leave changes.
  template <class Run>
  void bytes(const std::string& what, double bytes, const Run& run) {
    std::vector<double> ms;
    std::vector<double> shares;
    run();
    const double start = now_ms();
    while (ms.size() < 7 || now_ms() - start < 1000 * seconds_) {
      const double rate = copy_.bandwidth(time_of([&] { copy_.run(); }));
      ms.push_back(run());
      shares.push_back(bytes / ms.back() / 1e6 / rate);
    }
    const double median = summary(std::move(ms)).median;
    add(what, median, bytes / median / 1e6, "GB/s", summary(std::move(shares)).median);
  }
  void flops(const std::string& what, double flops, double ms) {
    const double rate = flops / ms / 1e6;
    if (best_ == 0) best_ = rate;  // the first is the largest product
    add(what, ms, rate, "GFLOP/s", rate / best_);
  }
  template <class F>
  static double backward_ms(const Tensor& x, const F& f, const Tensor& dy) {
    Tape tape;
    const Tensor y = f(tape.watch(x));
    return time_of([&] { tape.backward(y, dy); });
  }
  template <class F>
  double backward_median(const Tensor& x, const F& f) {
    const Tensor dy = cotangent(f(x));
    std::vector<double> ms;
    const double start = now_ms();
    while (ms.size() < 7 || now_ms() - start < 1000 * seconds_) ms.push_back(backward_ms(x, f, dy));
    return summary(std::move(ms)).median;
  }
  Tensor random(const Shape& shape) { return randn(shape, random_); }
  double seconds() const { return seconds_; }

 private:
  static Tensor cotangent(const Tensor& y) {
    Random random(Seed{2});
    return randn(y.shape(), random);
  }
  void add(std::string what, double ms, double rate, const char* unit, double share) {
    lines_.push_back({std::move(what), ms, rate, unit, share});
  }

  double seconds_;
  Copy copy_;
  double best_ = 0;
  Random random_;
  std::vector<Line> lines_;
};

void products(Bench& b) {
  struct Case {
    const char* what;
    int64_t rows, in, out;
  };
  for (const Case c :
       {Case{"gemm 2048 x 2048 x 2048", 2048, 2048, 2048}, Case{"gemm of W1: 768 x 128 x 512", 768, 128, 512},
        Case{"gemm of W2: 2048 x 384 x 1536", 2048, 384, 1536}, Case{"gemm of W3: 256 x 768 x 3072", 256, 768, 3072},
        Case{"gemm of W4: 512 x 64 x 256", 512, 64, 256}}) {
    const Tensor x = b.random({c.rows, c.in});
    const Tensor w = b.random({c.out, c.in});
    Tensor y = Tensor::zeros({c.rows, c.out});
    const Times t = measure(b.seconds(), [&] {
      gemm(Transpose::no, Transpose::yes, 1, {x.data(), c.rows, c.in}, {w.data(), c.out, c.in}, 0,
           {y.mutable_data(), c.rows, c.out});
    });
    b.flops(c.what, 2 * static_cast<double>(c.rows * c.in * c.out), t.median);
  }
}

void norms(Bench& b, int64_t rows, int64_t width) {
  const Tensor x = b.random({rows, width});
  const Tensor w = Tensor::full({width}, 1);
  const Tensor bias = Tensor::zeros({width});
  const double array = sizeof(real) * static_cast<double>(x.size());
  const std::string size = fmt::format(" of {} x {}", rows, width);
  b.op("layer_norm" + size, x, 2 * array, 3 * array, [&](const Tensor& t) { return layer_norm(t, w, bias); });
  b.op("rms_norm" + size, x, 2 * array, 3 * array, [&](const Tensor& t) { return rms_norm(t, w); });
}

void pointwise(Bench& b) {
  const Tensor x = b.random({8192, 3072});
  const double array = sizeof(real) * static_cast<double>(x.size());
  b.op("gelu of 8192 x 3072", x, 2 * array, 3 * array, [](const Tensor& t) { return gelu(t); });
  b.op("softmax of 8192 x 3072", x, 2 * array, 3 * array, [](const Tensor& t) { return softmax(t); });
}

void losses(Bench& b) {
  const int64_t vocab = 50257;
  const Tensor logits = b.random({256, vocab});
  Ids targets({256});
  for (int64_t i = 0; i < 256; ++i) targets.mutable_data()[i] = static_cast<int32_t>(i * 190 % vocab);
  const double array = sizeof(real) * static_cast<double>(logits.size());
  b.op("cross_entropy of 256 x 50257", logits, array, 2 * array,
       [&](const Tensor& t) { return cross_entropy(t, targets); });
}

void attentions(Bench& b) {
  struct Case {
    int64_t batch, context, heads, width;
  };
  for (const Case c : {Case{12, 64, 4, 128}, Case{8, 256, 6, 384}, Case{1, 4096, 6, 384}}) {
    const Tensor qkv = b.random({c.batch, c.context, 3 * c.width});
    const double square = static_cast<double>(c.batch * c.context * c.width) * static_cast<double>(c.context + 1) / 2;
    for (const Precision p : {Precision::f32, Precision::bf16}) {
      const auto f = [&](const Tensor& t) {
        return attention_packed(t, {.heads = c.heads, .causal = true, .precision = p});
      };
      const std::string what = fmt::format("causal attention B {} T {} H {} D {}, {}", c.batch, c.context, c.heads,
                                           c.width / c.heads, name_of(p));
      b.flops(what + ", forward", 2 * 2 * square, measure(b.seconds(), [&] { f(qkv); }).median);
      b.flops(what + ", backward", 5 * 2 * square, b.backward_median(qkv, f));
    }
  }
}

void optimizer(Bench& b) {
  const Parameter p({4096, 4096}, Init{.kind = Init::Kind::normal}, true);
  p->name = "weight";
  nn::initialize({p.leaf()}, Seed{1});
  optim::AdamW adamw({p.leaf()}, {.weight_decay = 0.1});
  // Read: value, gradient, two averages; written: value, two averages.
  b.bytes("AdamW of 4096 x 4096", 7.0 * sizeof(real) * 4096 * 4096, [&] {
    Tape tape;
    tape.backward(sum(p));
    return time_of([&] { adamw.step(1e-4); });
  });
}

void run(double seconds, bool json) {
  Bench b(seconds);
  products(b);
  attentions(b);
  norms(b, 768, 128);
  norms(b, 32768, 768);
  pointwise(b);
  losses(b);
  optimizer(b);
  if (json) {
    Json all = Json::array();
    for (const Line& l : b.lines()) {
      all.push_back({{"what", l.what}, {"ms", l.ms}, {"rate", l.rate}, {"unit", l.unit}, {"share_of_floor", l.share}});
    }
    fmt::print("{}\n", all.dump(2));
    return;
  }
  fmt::print("{:<50}{:>10}{:>20}{:>10}\n", "", "ms", "rate", "of floor");
  for (const Line& l : b.lines()) {
    fmt::print("{:<50}{:>10.3f}{:>20}{:>9.0f}%\n", l.what, l.ms, fmt::format("{:.1f} {}", l.rate, l.unit),
               100 * l.share);
  }
  fmt::print(
      "\nThe floor of GB/s is a copy of 256 MiB before each run, that of GFLOP/s the largest product. Bytes are those\n"
      "that must be moved at least; smaller arrays than the cache can be faster than the copy. Attention in bf16 is\n"
      "compared with the product in f32, too.\n");
}

}  // namespace

void add_ops(CLI::App& app) {
  struct Options {
    double seconds = 0.5;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("ops", "Time each kind of op beside its floor");
  add_seconds(*command, options->seconds);
  add_common(*command, options->json);
  command->footer(
      "Examples:\n"
      "  bench ops\n"
      "  bench ops --threads 1 --json");
  command->callback([options] { run(options->seconds, options->json); });
}

}  // namespace bench
