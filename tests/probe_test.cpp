// Probes: what they see going forward and coming back, and that they change nothing.
#include <tape/core/probe.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/tensors.h"

namespace tape::test {

TEST_CASE("A tap without a probe returns its tensor and records nothing", "[probe]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  const Tensor y = tap("blocks.0", "hook_resid_pre", x);
  CHECK(tape.size() == 0);
  CHECK(y.storage().shares(x.storage()));
}

TEST_CASE("A probe sees the tensor and its gradient under the full name, in order", "[probe]") {
  const Tensor start = Tensor::from({2}, {1, 2});
  struct Sight {
    std::string name;
    Pass pass;
    Tensor x;
  };
  std::vector<Sight> seen;
  const Probe probe([&](const std::string& name, Pass pass, const Tensor& x) {
    seen.push_back({name, pass, x.copy()});
  });
  CHECK(Probe::current() == &probe);
  Tape tape;
  const Tensor x = tape.watch(start);
  const Tensor y = tap("", "last", scale(tap("blocks.0", "first", x), 3));
  tape.backward(y, Tensor::from({2}, {10, 20}));
  REQUIRE(seen.size() == 4);
  CHECK((seen[0].name == "blocks.0.first" && seen[0].pass == Pass::forward && same_bits(seen[0].x, start)));
  CHECK((seen[1].name == "last" && seen[1].pass == Pass::forward && same_bits(seen[1].x, scale(start, 3))));
  CHECK(
      (seen[2].name == "last" && seen[2].pass == Pass::backward && same_bits(seen[2].x, Tensor::from({2}, {10, 20}))));
  CHECK((seen[3].name == "blocks.0.first" && seen[3].pass == Pass::backward &&
         same_bits(seen[3].x, Tensor::from({2}, {30, 60}))));
  CHECK(same_bits(tape.grad(x), Tensor::from({2}, {30, 60})));
}

TEST_CASE("Probes nest, and the innermost receives", "[probe]") {
  int outer_count = 0;
  int inner_count = 0;
  const Tensor x = Tensor::zeros({1});
  {
    const Probe outer([&](const std::string&, Pass, const Tensor&) { ++outer_count; });
    {
      const Probe inner([&](const std::string&, Pass, const Tensor&) { ++inner_count; });
      tap("a", "b", x);
    }
    tap("a", "b", x);
    tap("a", "b", x);
  }
  CHECK(Probe::current() == nullptr);
  tap("a", "b", x);
  CHECK(inner_count == 1);
  CHECK(outer_count == 2);
}

TEST_CASE("Statistics by hand, with numbers that are not finite counted apart", "[probe]") {
  const Statistics s = statistics(Tensor::from({4}, {1, -3, 2, 4}));
  CHECK(s.mean == 1);
  CHECK(s.rms == Approx(std::sqrt(7.5)));
  CHECK(s.max_abs == 4);
  CHECK(s.non_finite == 0);
  constexpr real infinity = std::numeric_limits<real>::infinity();
  const Statistics bad = statistics(Tensor::from({4}, {1, infinity, std::numeric_limits<real>::quiet_NaN(), -3}));
  CHECK(bad.mean == -1);
  CHECK(bad.max_abs == 3);
  CHECK(bad.rms == Approx(std::sqrt(5.0)));
  CHECK(bad.non_finite == 0.5);
  CHECK(statistics(Tensor::zeros({0})).rms == 0);
}

TEST_CASE("A recorder keeps the statistics of everything it sees", "[probe]") {
  const Recorder recorder;
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {3, 4}));
  tape.backward(sum(tap("blocks.1", "hook_mlp_out", x)));
  REQUIRE(recorder.readings().size() == 2);
  CHECK(recorder.readings()[0].name == "blocks.1.hook_mlp_out");
  CHECK(recorder.readings()[0].pass == Pass::forward);
  CHECK(recorder.readings()[0].statistics.mean == 3.5);
  CHECK(recorder.readings()[1].pass == Pass::backward);
  CHECK(recorder.readings()[1].statistics.rms == 1);
}

TEST_CASE("A probe that sees forward only leaves the tape alone", "[probe]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  std::vector<Pass> passes;
  const Probe probe([&](const std::string&, Pass pass, const Tensor&) { passes.push_back(pass); },
                    {.gradients = false});
  const int64_t before = tape.size();
  const Tensor y = tap("a", "b", x);
  CHECK(tape.size() == before);
  tape.backward(sum(y));
  CHECK(passes == std::vector<Pass>{Pass::forward});
  CHECK(std::ranges::equal(tape.grad(x).values(), std::vector<real>{1, 1}));
}

// Ops that are one without a probe come apart with it, so that it sees what is between them.
TEST_CASE("A probe changes no bit of a model's loss and gradients", "[probe][nn][bits]") {
  const Ids ids = random_ids({3, 8}, 11, 1);
  const Ids target = random_ids({3, 8}, 11, 2);
  for (const nn::Scheme scheme : {nn::Scheme::PreLN, nn::Scheme::PostLN, nn::Scheme::DeepNorm, nn::Scheme::ResiDual}) {
    for (const nn::Activation activation : {nn::Activation::GELU, nn::Activation::SwiGLU}) {
      for (const double dropout : {0.0, 0.2}) {
        const nn::GPT gpt({.vocab = 11,
                           .context = 8,
                           .layers = 2,
                           .heads = 2,
                           .width = 16,
                           .scheme = scheme,
                           .activation = activation,

                           .dropout = dropout},
                          Seed{1});
        const auto results = [&] {
          Tape tape;
          const Tensor loss = cross_entropy(gpt(ids, nn::training(1)), target);
          tape.backward(loss);
          std::vector<Tensor> all{loss};
          for (const Tensor& g : take_gradients(nn::parameters(gpt))) all.push_back(g);
          return all;
        };
        const std::vector<Tensor> alone = results();
        std::set<std::string> seen;
        const Probe probe([&](const std::string& name, Pass, const Tensor&) { seen.insert(name); });
        const std::vector<Tensor> watched = results();
        INFO(name_of(scheme) << ", " << name_of(activation) << ", dropout " << dropout);
        for (std::size_t i = 0; i < alone.size(); ++i) CHECK(different_bits(alone[i], watched[i]) == 0);
        for (const char* name : {"blocks.1.hook_attn_out", "blocks.1.mlp.hook_pre", "blocks.1.hook_mlp_out"})
          CHECK(seen.contains(name));
      }
    }
  }
}

TEST_CASE("A tap on no tensor is an error", "[probe][errors]") {
  const Recorder recorder;
  CHECK(has_parts(error_of([] { tap("a", "b", Tensor()); }), {"tap", "empty", "probe_test.cpp:"}));
}

}  // namespace tape::test
