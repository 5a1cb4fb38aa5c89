// bench head: the output layer with its loss, all rows at once and a few rows at a time. In pieces, the logits of a
// large vocabulary are never all in memory; but each piece reads all of the weights and adds to all of their gradient.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tape/core/ops.h>
#include <tape/core/tape.h>
#include <tape/nn/module.h>

#include "commands.h"
#include "measure.h"
#include "workloads.h"

namespace bench {

namespace {

using namespace tape;
using Json = nlohmann::ordered_json;

struct Options {
  std::string name = "W3";
  std::vector<int64_t> pieces{8, 4, 2, 1};  // the memory of each is seen only when it takes more than those before
  double seconds = 5;
  bool json = false;
};

// Features (R, C) → gradients of features and weights, in so many pieces of the rows.
class Head {
 public:
  explicit Head(const Workload& w)
      : weight_({w.model.vocab, w.model.width}, Init{.kind = Init::Kind::normal}, true), target_(Shape{w.tokens()}) {
    weight_->name = "weight";
    nn::initialize({weight_.leaf()}, Seed{1});
    Random random(Seed{2});
    features_ = randn({w.tokens(), w.model.width}, random);
    for (int64_t i = 0; i < w.tokens(); ++i) target_.mutable_data()[i] = static_cast<int32_t>(i * 190 % w.model.vocab);
  }

  void operator()(int64_t pieces) {
    const int64_t rows = features_.rows();
    weight_->has_gradient = false;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t begin = rows * piece / pieces;
      const int64_t end = rows * (piece + 1) / pieces;
      const Tensor part = slice(features_, 0, begin, end);
      const Ids target = target_.rows(begin, end);
      Tape tape;
      tape.backward(
          cross_entropy(linear(tape.watch(part), weight_, {}), target, {.divisor = static_cast<double>(rows)}));
    }
  }

 private:
  Parameter weight_;
  Tensor features_;
  Ids target_;
};

void run(const Options& o) {
  const Workload& w = workload(o.name);
  for (const int64_t pieces : o.pieces) {
    if (pieces < 1 || pieces > w.tokens())
      throw Error(str("--pieces must be from 1 to ", w.tokens(), ", the rows of ", w.name, ", it is ", pieces));
  }
  Head head(w);
  Json all = Json::array();
  const double logits = sizeof(real) * static_cast<double>(w.tokens() * w.model.vocab);
  const double weights = sizeof(real) * static_cast<double>(w.model.vocab * w.model.width);
  if (!o.json) {
    fmt::print("{}: logits ({}, {}) of {:.1f} MiB; weights and their gradient, {:.1f} MiB each, are not counted\n",
               w.name, w.tokens(), w.model.vocab, logits / (1 << 20), weights / (1 << 20));
  }
  for (const int64_t pieces : o.pieces) {
    const double ms = measure(o.seconds, [&] { head(pieces); }).median;
    const double most = static_cast<double>(pool_stats().peak_bytes_in_use) - 2 * weights;
    all.push_back({{"workload", w.name}, {"pieces", pieces}, {"ms", ms}, {"logits_bytes", logits}, {"bytes", most}});
    if (!o.json) {
      fmt::print("  {:>2} piece{} {:8.1f} ms forward and backward, {:6.1f} MiB: {:.2f} times the logits\n", pieces,
                 pieces == 1 ? ": " : "s:", ms, most / (1 << 20), most / logits);
    }
  }
  if (o.json) fmt::print("{}\n", all.dump(2));
}

}  // namespace

void add_head(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("head", "Time the output layer and its loss, whole and in pieces");
  add_workload(*command, options->name);
  command->add_option("--pieces", options->pieces, "Into how many to cut the rows; from many to few, for the memory")
      ->check(whole_number<int64_t>())
      ->delimiter(',')
      ->type_name("INT")
      ->capture_default_str();
  add_seconds(*command, options->seconds);
  add_common(*command, options->json);
  command->footer(
      "Examples:\n"
      "  bench head --workload W3\n"
      "  bench head --workload W1 --pieces 4 1");
  command->callback([options] { run(*options); });
}

}  // namespace bench
