// Times training steps of the workloads of tests/bench in libtorch, as `bench train --json` does for tapeformer.
//
//   build/libtorch/train_libtorch --workload W1 --seconds 10 --threads 2
//
// The model and the optimizer are those of tests/golden/train_pytorch.py, whose note on tuning holds here too.
#include <ATen/autocast_mode.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using torch::Tensor;
namespace nn = torch::nn;

struct Workload {
  int64_t layers, heads, width, context, batch, vocab;
};
const std::map<std::string, Workload> workloads{{"W1", {4, 4, 128, 64, 12, 65}},
                                                {"W2", {6, 6, 384, 256, 8, 65}},
                                                {"W3", {12, 12, 768, 64, 4, 50257}},
                                                {"W4", {100, 2, 64, 64, 8, 65}}};

// Pre-LN: x + attention(norm1(x)), then x + mlp(norm2(x)).
struct BlockImpl : nn::Module {
  BlockImpl(const Workload& w, Tensor later)
      : heads_(w.heads),
        later_(std::move(later)),
        norm1_(register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({w.width})))),
        qkv_(register_module("qkv", nn::Linear(w.width, 3 * w.width))),
        out_(register_module("out", nn::Linear(w.width, w.width))),
        norm2_(register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({w.width})))),
        up_(register_module("up", nn::Linear(w.width, 4 * w.width))),
        down_(register_module("down", nn::Linear(4 * w.width, w.width))) {}

  Tensor forward(const Tensor& x) {
    const Tensor mid = x + attention(norm1_(x));
    return mid + down_(torch::gelu(up_(norm2_(mid))));
  }

 private:
  // 1.13's own fused attention computes the same three products and builds the causal mask in each call: slower.
  Tensor attention(const Tensor& x) {
    const int64_t batch = x.size(0), length = x.size(1), width = x.size(2), size = width / heads_;
    const std::vector<Tensor> parts = qkv_(x)
                                          .view({batch, length, 3, heads_, size})
                                          .permute({2, 0, 3, 1, 4})
                                          .reshape({3, batch * heads_, length, size})
                                          .unbind();
    const Tensor scores = torch::baddbmm(later_, parts[0], parts[1].transpose(1, 2), 1, 1 / std::sqrt(double(size)));
    const Tensor z = torch::bmm(torch::softmax(scores, -1), parts[2]);
    return out_(z.view({batch, heads_, length, size}).transpose(1, 2).reshape({batch, length, width}));
  }

  int64_t heads_;
  Tensor later_;  // -infinity above the diagonal
  nn::LayerNorm norm1_;
  nn::Linear qkv_, out_;
  nn::LayerNorm norm2_;
  nn::Linear up_, down_;
};
TORCH_MODULE(Block);

struct GPTImpl : nn::Module {
  explicit GPTImpl(const Workload& w)
      : tokens_(register_module("token_embedding", nn::Embedding(w.vocab, w.width))),
        positions_(register_module("position_embedding", nn::Embedding(w.context, w.width))),
        final_norm_(register_module("final_norm", nn::LayerNorm(nn::LayerNormOptions({w.width})))) {
    const Tensor later = torch::full({w.context, w.context}, -std::numeric_limits<float>::infinity()).triu(1);
    for (int64_t layer = 0; layer < w.layers; ++layer)
      blocks_.push_back(register_module("block" + std::to_string(layer), Block(w, later)));
    const torch::NoGradGuard no_grad;
    for (Tensor& p : parameters())
      if (p.dim() == 2) nn::init::normal_(p, 0, 0.02);
  }

  Tensor loss(const Tensor& ids, const Tensor& targets) {
    Tensor x = tokens_(ids) + positions_->weight.slice(0, 0, ids.size(1));
    for (Block& block : blocks_) x = block(x);
    const Tensor logits = torch::linear(final_norm_(x), tokens_->weight);
    return torch::cross_entropy_loss(logits.flatten(0, 1), targets.flatten());
  }

 private:
  nn::Embedding tokens_, positions_;
  std::vector<Block> blocks_;
  nn::LayerNorm final_norm_;
};
TORCH_MODULE(GPT);

torch::optim::AdamW make_optimizer(const GPT& model) {
  std::vector<Tensor> matrices, others;
  for (const Tensor& p : model->parameters()) (p.dim() == 2 ? matrices : others).push_back(p);
  const auto group = [](std::vector<Tensor> parameters, double decay) {
    auto options = std::make_unique<torch::optim::AdamWOptions>(1e-3);
    options->betas({0.9, 0.99}).eps(1e-8).weight_decay(decay);
    return torch::optim::OptimizerParamGroup(std::move(parameters), std::move(options));
  };
  return torch::optim::AdamW({group(matrices, 0.1), group(others, 0)});
}

// The forward pass in bf16 where autocast thinks it safe.
class Autocast {
 public:
  explicit Autocast(bool on) : on_(on) {
    if (!on_) return;
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_cpu_enabled(true);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::set_cpu_enabled(false);
    at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_;
};

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median_of_sorted(const std::vector<double>& x) {
  const std::size_t n = x.size();
  return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::string name = "W1", precision = "f32";
  double seconds = 10;
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  CLI::App app("Times training steps of the workloads of tests/bench in libtorch.", "train_libtorch");
  app.add_option("--workload", name)->check(CLI::IsMember(workloads))->capture_default_str();
  app.add_option("--precision", precision, "bf16: autocast")->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--seconds", seconds)->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const Workload& w = workloads.at(name);
  torch::set_num_threads(threads);
  torch::manual_seed(1);
  GPT model(w);
  std::vector<Tensor> parameters = model->parameters();
  torch::optim::AdamW optimizer = make_optimizer(model);
  const Tensor ids = torch::randint(w.vocab, {w.batch, w.context}, torch::kLong);
  const Tensor targets = torch::randint(w.vocab, {w.batch, w.context}, torch::kLong);
  double last = 0;
  const auto step = [&] {
    const double begin = now_ms();
    Tensor loss;
    {
      const Autocast autocast(precision == "bf16");
      loss = model->loss(ids, targets);
    }
    for (Tensor& p : parameters) p.mutable_grad() = Tensor();  // zero_grad() would keep and add to them
    loss.backward();
    optimizer.step();
    last = loss.item<double>();
    return now_ms() - begin;
  };

  for (int i = 0; i < 3; ++i) step();
  std::vector<double> ms;
  const double start = now_ms();
  while (ms.size() < 5 || now_ms() - start < 1000 * seconds) ms.push_back(step());
  std::sort(ms.begin(), ms.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const nlohmann::ordered_json result = {
      {"workload", name},
      {"precision", precision},
      {"threads", threads},
      {"ms", {{"median", median_of_sorted(ms)}, {"min", ms.front()}, {"steps", ms.size()}}},
      {"tokens_per_s", 1000 * static_cast<double>(w.batch * w.context) / median_of_sorted(ms)},
      {"peak_rss_mib", static_cast<double>(usage.ru_maxrss) / 1024},
      {"loss", last}};
  std::cout << result.dump() << '\n';
}
