// Feed-forward and mixtures of experts against PyTorch: outputs, the load-balancing loss, and gradients of inputs and
// of all parameters. The values come from tests/golden/feed_forward.py, where the settings stand again.
#include <tape/core/ops.h>
#include <tape/core/safetensors.h>

#include "catch.h"
#include "support/mixtures.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr double tolerance = 3e-6;

// One case of the golden file: a feed-forward with its values.
class Case {
 public:
  Case(std::string name, nn::FeedForwardConfig config) : name_(std::move(name)), mlp_(sized(config), {}) {
    nn::name_parameters(mlp_);
    std::size_t in_file = 0;
    for (const std::string& tensor : file_.names()) in_file += tensor.starts_with(name_ + ".value.") ? 1 : 0;
    REQUIRE(in_file == nn::parameters(mlp_).size());
    for (const LeafPtr& leaf : nn::parameters(mlp_)) {
      file_.read_into(name_ + ".value." + leaf->name, leaf->data(), leaf->size());
      leaf->initialized = true;
    }
  }

  // Compares with the file the output, the auxiliary loss where there is one, and all gradients of
  // y·dy + factor·(auxiliary loss).
  void check(double factor) const {
    INFO(name_);
    Tape tape;
    nn::AuxiliaryLosses losses;
    const Tensor x = tape.watch(read("x"));
    const Tensor y = mlp_(x, nn::training(1).collecting(losses));
    tape.backward(sum(y * read("dy")) + scale(losses.total(), factor));
    CHECK(difference(y, read("y")) < tolerance);
    CHECK(difference(tape.grad(x), read("dx")) < tolerance);
    CHECK(losses.count() == (mlp_.mixture ? 1 : 0));
    if (mlp_.mixture) CHECK(difference(losses.total(), read("balance")) < tolerance);
    for (const LeafPtr& leaf : nn::parameters(mlp_)) {
      INFO(leaf->name);
      const Tensor expected = read("gradient." + leaf->name);
      if (leaf->has_gradient) {
        CHECK(difference(leaf->gradient_tensor(), expected, 0.1) < tolerance);
      } else {
        CHECK(same_bits(expected, Tensor::zeros(leaf->shape)));  // an expert without tokens
      }
    }
  }

 private:
  static nn::FeedForwardConfig sized(nn::FeedForwardConfig config) {
    config.width = 6;
    config.hidden = 10;
    config.mixture.balance = 1;
    return config;
  }
  Tensor read(const std::string& tensor) const { return file_.read(name_ + "." + tensor); }

  std::string name_;
  SafetensorsFile file_ = SafetensorsFile::open(TAPE_GOLDEN_DIR "/feed_forward.safetensors");
  nn::FeedForward mlp_;
};

}  // namespace

TEST_CASE("Feed-forward agrees with PyTorch for every activation", "[golden][nn][feed_forward]") {
  for (const char* name : {"relu", "gelu", "gelu_tanh", "squared_relu", "silu", "swiglu", "geglu", "reglu"}) {
    Case(name, {.activation = nn::activation(name)}).check(0);
  }
}

TEST_CASE("Feed-forward with a norm inside agrees with PyTorch", "[golden][nn][feed_forward]") {
  Case("gelu.layer", {.activation = nn::Activation::GELU, .norm_hidden = true}).check(0);
  Case("swiglu.rms", {.activation = nn::Activation::SwiGLU, .norm_hidden = true, .norm = nn::NormKind::RMS}).check(0);
}

TEST_CASE("A mixture of experts agrees with PyTorch: output, balance and all gradients", "[golden][nn][mixture]") {
  Case("mixtral", {.activation = nn::Activation::SwiGLU, .mixture = {.experts = 4, .per_token = 2}}).check(0.5);
  Case("top1", {.activation = nn::Activation::GELU, .mixture = {.experts = 3, .per_token = 1}}).check(0.5);
  Case("normed", {.activation = nn::Activation::GeGLU, .norm_hidden = true, .mixture = {.experts = 9, .per_token = 3}})
      .check(0.5);
}

}  // namespace tape::inline TAPE_ABI::test
