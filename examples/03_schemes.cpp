// 03_schemes: Post-LN, Pre-LN and DeepNorm side by side. Their formulas and constants, what the residual stream and the
// gradients look like over the depth before any training, and a short training of each, with warm-up and without.
//
//   build/release/bin/03_schemes            about half a minute
//   build/release/bin/03_schemes --quick    a few seconds: everything smaller
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/ops.h>
#include <tape/core/parallel.h>
#include <tape/core/probe.h>
#include <tape/examples/support/markov_source.h>
#include <tape/nn/gpt.h>
#include <tape/optim/adam.h>
#include <tape/optim/schedule.h>

using namespace tape;

namespace {

struct Row {
  nn::Scheme scheme;
  const char* name;
  const char* formula;
};
constexpr std::array<Row, 3> schemes{{{nn::Scheme::PostLN, "Post-LN", "x <- norm(x + f(x))"},
                                      {nn::Scheme::PreLN, "Pre-LN", "x <- x + f(norm(x))"},
                                      {nn::Scheme::DeepNorm, "DeepNorm", "x <- norm(α·x + f(x))"}}};

void title(std::string_view text) {
  fmt::print("\n{}\n{:-<{}}\n", text, "", text.size());
}

void formulas() {
  title("1. Formulas and constants");
  fmt::print(
      "f is attention or feed-forward; a block applies the rule to one and then to the other. DeepNorm keeps α of the\n"
      "skip and starts values, attention outputs and feed-forward with weights β times as large.\n\n");
  fmt::print("  {:<11}{:<24}{:<12}{}\n", "scheme", "rule", "final norm", "constants for 6, 24 and 100 layers");
  for (const Row& row : schemes) {
    std::string constants;
    for (const int64_t layers : {6, 24, 100}) {
      const nn::SchemeConstants c = nn::scheme_constants(row.scheme, nn::Depth::decoder_only(layers));
      constants += row.scheme == nn::Scheme::DeepNorm ? fmt::format("α {:.2f}, β {:.2f};  ", c.alpha, c.beta) : "";
    }
    const bool final_norm = nn::scheme_info(row.scheme).final_norm;
    fmt::print("  {:<11}{:<24}{:<12}{}\n", row.name, row.formula, final_norm ? "yes" : "no",
               constants.empty() ? "-" : constants);
  }
}

// The same start for all: Xavier weights (times DeepNorm's β) and embeddings of unit variance, so that what differs is
// the scheme alone. (By default a Pre-LN GPT starts with GPT-2's small weights, which hide the growth of its stream.)
void start_alike(const nn::GPT& gpt) {
  for (const LeafPtr& leaf : nn::parameters(gpt)) {
    if (leaf->name.ends_with("embedding.weight")) {
      leaf->init = nn::normal_init(std::sqrt(0.5));
    } else if (leaf->init.kind == Init::Kind::normal) {
      const std::vector<double> groups(leaf->init.row_gains.size(), 1.0);
      leaf->init = nn::xavier_normal();
      leaf->init.row_gains = groups;
    }
  }
  nn::initialize(gpt, Seed{1});
}

struct Profile {
  std::vector<double> stream;    // rms of the residual stream after each block
  std::vector<double> gradient;  // ‖dL/dW‖ of each block's last weight, feed-forward down
};

Profile profile_at_start(nn::Scheme scheme, int64_t layers) {
  const nn::GPT gpt({.vocab = tool::MarkovSource::vocab,
                     .context = 32,
                     .layers = layers,
                     .heads = 4,
                     .width = 64,
                     .scheme = scheme,
                     .activation = nn::Activation::ReLU,
                     .tied = false},
                    Seed{1});
  start_alike(gpt);
  const tool::Batch batch = tool::MarkovSource(Seed{1}).batch(8, 32, 0);
  Profile profile;
  const Probe probe([&](const std::string& name, Pass pass, const Tensor& x) {
    if (pass == Pass::forward && name.ends_with("hook_resid_post")) profile.stream.push_back(statistics(x).rms);
  });
  Tape tape;
  const Tensor loss = cross_entropy(gpt(batch.input, nn::training(0)), batch.target);
  tape.backward(loss);
  for (const LeafPtr& leaf : nn::parameters(gpt)) {
    if (!leaf->name.ends_with("mlp.down.weight")) continue;
    const double rms = statistics(leaf->gradient_tensor()).rms;
    profile.gradient.push_back(rms * std::sqrt(static_cast<double>(leaf->size())));
  }
  return profile;
}

void print_profile(const char* what, int64_t layers, const std::vector<double>& post, const std::vector<double>& pre,
                   const std::vector<double>& deep) {
  fmt::print("\n  {}, {} layers\n", what, layers);
  fmt::print("  {:<14}{:>12}{:>12}{:>12}\n", "after block", "Post-LN", "Pre-LN", "DeepNorm");
  for (int64_t i = 0; i <= 5; ++i) {
    const auto block = static_cast<std::size_t>(i * (layers - 1) / 5);
    fmt::print("  {:<14}{:>12.4f}{:>12.4f}{:>12.4f}\n", block + 1, post[block], pre[block], deep[block]);
  }
}

void before_training(const std::vector<int64_t>& depths) {
  title("2. Before training: the stream forward, the gradient backward");
  fmt::print(
      "The same random weights for all (Xavier; DeepNorm's with its β), embeddings of unit variance. The stream is "
      "what\n"
      "the skip connections carry; the gradient is that of the last weight in each block.\n");
  for (const int64_t layers : depths) {
    const Profile post = profile_at_start(nn::Scheme::PostLN, layers);
    const Profile pre = profile_at_start(nn::Scheme::PreLN, layers);
    const Profile deep = profile_at_start(nn::Scheme::DeepNorm, layers);
    print_profile("Root mean square of the stream", layers, post.stream, pre.stream, deep.stream);
    print_profile("Norm of the gradient of feed-forward's last weight", layers, post.gradient, pre.gradient,
                  deep.gradient);
  }
  fmt::print(
      "\nPost-LN and DeepNorm normalise the stream after every branch, so it stays at 1. Pre-LN's grows with the "
      "square\n"
      "root of the depth: later branches change it less and less, and its final norm hands the less gradient back, "
      "the\n"
      "larger it is. Post-LN's gradient is largest at the top and fades on the way down, and the top does not get "
      "calmer\n"
      "with more layers. DeepNorm's is small and even: by α the skip outweighs the branches.\n");
}

struct Training {
  int64_t layers = 12;
  int64_t steps = 200;
  std::vector<double> rates{1e-3, 4e-3, 1e-2};
};

// Mean loss of the last tenth of a short training; NaN when it diverged.
double final_loss(const Training& training, nn::Scheme scheme, double lr, int64_t warmup) {
  const tool::MarkovSource source(Seed{1});
  const nn::GPT gpt({.vocab = tool::MarkovSource::vocab,
                     .context = 32,
                     .layers = training.layers,
                     .heads = 2,
                     .width = 32,
                     .scheme = scheme},
                    Seed{1});
  optim::AdamW adamw(nn::parameters(gpt), {.beta2 = 0.98, .weight_decay = 0});
  const optim::Schedule rate = optim::warmup(warmup, lr).then(optim::constant(lr));
  const int64_t counted = training.steps / 10;
  double sum = 0;
  for (int64_t step = 0; step < training.steps; ++step) {
    const tool::Batch batch = source.batch(16, 32, step);
    Tape tape;
    const Tensor loss = cross_entropy(gpt(batch.input, nn::training(step)), batch.target);
    if (!std::isfinite(loss.item())) return std::nan("");
    tape.backward(loss);
    adamw.step(rate(step));
    if (step >= training.steps - counted) sum += static_cast<double>(loss.item());
  }
  return sum / static_cast<double>(counted);
}

void short_trainings(const Training& training) {
  title("3. Training, with warm-up and without");
  const tool::MarkovSource source(Seed{1});
  const double floor = source.entropy();
  const double stuck = source.unigram_entropy() - 0.1;
  fmt::print(
      "A language of {} letters in which each follows from the one before: the lowest possible loss is {:.3f} nats, "
      "and\n"
      "a model that only counts letters has {:.3f}. {} layers, {} steps of AdamW, no clipping. A star marks runs that\n"
      "learned nothing beyond counting.\n\n",
      tool::MarkovSource::vocab, floor, source.unigram_entropy(), training.layers, training.steps);
  fmt::print("  {:<16}{:<14}{:>12}{:>12}{:>12}\n", "learning rate", "warm-up", "Post-LN", "Pre-LN", "DeepNorm");
  for (const double lr : training.rates) {
    for (const int64_t warmup : {int64_t{0}, training.steps / 2}) {
      fmt::print("  {:<16.4f}{:<14}", lr, warmup == 0 ? "none" : fmt::format("{} steps", warmup));
      for (const Row& row : schemes) {
        const double loss = final_loss(training, row.scheme, lr, warmup);
        fmt::print("{:>11.3f}{}", loss, loss < stuck ? ' ' : '*');
        std::fflush(stdout);
      }
      fmt::print("\n");
    }
  }
  fmt::print(
      "\nPost-LN learns only while the rate is small or grows slowly. Pre-LN and DeepNorm take every rate from the\n"
      "start: Pre-LN's skip connections pass everything on untouched, and DeepNorm's α and β bound how far one update\n"
      "of the weights can change the output.\n");
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::string_view(argv[1]) == "--quick";
  if (argc > 1 && std::string_view(argv[1]) == "--help") {
    fmt::print("03_schemes shows where schemes put their norms, and what follows; --quick trains fewer models.\n");
    return 0;
  }
  if (argc > 1 && !quick) {
    fmt::print(stderr, "03_schemes: the only option is --quick, given {}\n", argv[1]);
    return 2;
  }
  set_threads(1);  // on models this small, threads would wait for each other more than they help
  formulas();
  before_training(quick ? std::vector<int64_t>{6} : std::vector<int64_t>{6, 24});
  short_trainings(quick ? Training{.layers = 6, .steps = 60, .rates = {1e-2}} : Training{});
  fmt::print(
      "\nNext: nn/residual.h has the three rules in one function; tapeformer train --scheme tries them on a text.\n");
}
