// What follows from a module's visit(): dotted names, counting, the census, describing, freezing, moving and cloning.
#include <tape/nn/module.h>

#include <regex>
#include <set>
#include <sstream>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/reduce.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

// One of everything that visit() may meet.
struct Tower {
  Parameter scale{{3}, nn::ones_init(), false};
  nn::Linear first{3, 4, false};
  std::vector<nn::Linear> layers;
  std::optional<nn::Linear> present{std::in_place, 4, 2};
  std::optional<nn::Linear> absent;

  Tower() {
    layers.emplace_back(4, 4);
    layers.emplace_back(4, 4);
  }
  void visit(auto&& v) const {
    v("scale", scale);
    v("first", first);
    v("layers", layers);
    v("present", present);
    v("absent", absent);
  }
};

struct Tied {
  nn::Linear linear{2, 3, false};
  void visit(auto&& v) const {
    v("embedding", linear);
    v("head", linear);
  }
};

struct Forgetful {
  nn::Census census;
  nn::Linear named{2, 3};
  nn::Linear forgotten{3, 2};
  Parameter also{{2}, nn::zeros_init(), false};
  Forgetful() { census.check(*this, "Forgetful"); }
  void visit(auto&& v) const {
    v("named", named);
    v("also", also);
  }
};

// Two wrongs that would cancel in a plain count.
struct Mistaken {
  nn::Census census;
  Parameter named{{2}, nn::zeros_init(), false};
  Parameter forgotten{{2}, nn::zeros_init(), false};
  Mistaken() { census.check(*this, "Mistaken"); }
  void visit(auto&& v) const {
    v("named", named);
    v("forgotten", named);
  }
};

struct Complete {
  nn::Census census;
  nn::Linear named{2, 3};
  Complete() { census.check(*this, "Complete"); }
  void visit(auto&& v) const { v("named", named); }
};

std::vector<std::string> names_of(const auto& module) {
  std::vector<std::string> names;
  nn::for_each_parameter(module, [&](const std::string& name, const LeafPtr&) { names.push_back(name); });
  return names;
}

nn::ModelConfig small_config() {
  return {.vocab = 11, .context = 6, .layers = 2, .heads = 2, .width = 8};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("visit gives dotted names in its own order, and none to what is absent", "[nn][module]") {
  const Tower tower;
  CHECK(names_of(tower) == std::vector<std::string>{"scale", "first.weight", "layers.0.weight", "layers.0.bias",
                                                    "layers.1.weight", "layers.1.bias", "present.weight",
                                                    "present.bias"});
  CHECK(nn::parameters(tower).size() == 8);
  CHECK(nn::count_parameters(tower) == 3 + 12 + 2 * (16 + 4) + 8 + 2);
}

TEST_CASE("Naming writes the names into the parameters, and a parameter without one gets it when needed",
          "[nn][module]") {
  const Tower tower;
  CHECK(tower.first.weight->name == "(unnamed)");
  nn::name_parameters(tower.first);
  CHECK(tower.first.weight->name == "weight");
  const ParameterList list = nn::named_parameters(tower);
  CHECK(tower.first.weight->name == "weight");  // it had one
  CHECK(tower.present->bias->name == "present.bias");
  nn::name_parameters(tower);
  CHECK(tower.first.weight->name == "first.weight");
  CHECK(list.size() == 8);
}

TEST_CASE("A parameter that visit names twice counts once, under its first name", "[nn][module]") {
  const Tied tied;
  CHECK(names_of(tied) == std::vector<std::string>{"embedding.weight"});
  CHECK(nn::count_parameters(tied) == 6);
}

TEST_CASE("The census catches a field that visit forgot", "[nn][module]") {
  CHECK(error_of([] { const Forgetful model; }).starts_with("Forgetful owns 5 parameters, but visit() named 3"));
  CHECK(error_of([] { const Mistaken model; }).starts_with("Mistaken owns 2 parameters, but visit() named 1"));
  CHECK_NOTHROW(Complete());
}

TEST_CASE("Linear and embedding weights decay, biases and norms do not", "[nn][module]") {
  const nn::GPT gpt(small_config(), Seed{1});
  int decayed = 0;
  for (const LeafPtr& leaf : nn::parameters(gpt)) {
    INFO(leaf->name);
    const bool is_matrix = leaf->shape.rank() == 2;
    CHECK(leaf->decay == is_matrix);
    decayed += leaf->decay ? 1 : 0;
  }
  CHECK(decayed == 2 + 2 * 4);
}

TEST_CASE("describe tells name, shape, count and marks of each parameter, and the total", "[nn][module]") {
  const nn::GPT gpt(small_config(), Seed{1});
  nn::freeze(gpt, "blocks.1.attn.*");
  const ParameterList list = nn::parameters(gpt);
  const std::vector<std::string> lines = lines_of(nn::describe(gpt));
  REQUIRE(lines.size() == list.size() + 1);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Leaf& leaf = *list[i];
    INFO(lines[i]);
    CHECK(has_parts(lines[i], {leaf.name + " ", str(leaf.shape), str(" ", leaf.size(), " ")}));
    CHECK(lines[i].ends_with("frozen") == (leaf.name.starts_with("blocks.1.attn.")));
    CHECK((lines[i].find("no decay") != std::string::npos) == (leaf.shape.rank() == 1));
  }
  CHECK(has_parts(lines.back(), {str(list.size(), " tensors"), str(" ", nn::count(list), " "), "KiB"}));
}

TEST_CASE("describe gives bytes in KiB and from a MiB on in MiB", "[nn][module]") {
  const nn::Linear small(16, 16, false);
  CHECK(has_parts(nn::describe(small), {sizeof(real) == 4 ? "1.0 KiB" : "2.0 KiB"}));
  const nn::Linear large(512, 1024, false);
  CHECK(has_parts(nn::describe(large), {sizeof(real) == 4 ? "2.0 MiB" : "4.0 MiB"}));
}

TEST_CASE("freeze matches patterns, returns their number and thaws", "[nn][module]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const ParameterList list = nn::parameters(gpt);
  const auto frozen = [&] {
    std::set<std::string> names;
    for (const LeafPtr& leaf : list) {
      if (leaf->frozen) names.insert(leaf->name);
    }
    return names;
  };
  CHECK(nn::freeze(gpt, "blocks.*.attn.*") == 2 * 4);
  CHECK(frozen().size() == 8);
  CHECK(frozen().contains("blocks.0.attn.qkv.weight"));
  CHECK_FALSE(frozen().contains("blocks.0.mlp.up.weight"));
  CHECK(nn::freeze(gpt, "blocks.0.attn.qkv.weight", false) == 1);
  CHECK(frozen().size() == 7);
  CHECK(nn::freeze(gpt, "*", false) == static_cast<int64_t>(list.size()));
  CHECK(frozen().empty());
  CHECK(nn::freeze(gpt, "*.bias") == nn::freeze(gpt, "*.b*as*"));
  CHECK(nn::freeze(gpt, "*norm*") == 2 * 4 + 2);
}

TEST_CASE("freeze refuses a pattern that matches nothing", "[nn][module]") {
  const nn::GPT gpt(small_config(), Seed{1});
  for (const char* pattern : {"block.*", "blocks", "", "blocks.2.*", "*.weigh"}) {
    INFO(pattern);
    CHECK(has_parts(error_of([&] { nn::freeze(gpt, pattern); }),
                    {"freeze: no parameter matches \"" + std::string(pattern) + "\"", "describe"}));
  }
}

TEST_CASE("freeze does not take long over a pattern of many stars", "[nn][module]") {
  const Parameter parameter = parameter_of(Tensor::zeros({1}), std::string(60, 'a'));
  std::string pattern;
  for (int i = 0; i < 25; ++i) pattern += "*a";
  CHECK(nn::freeze(ParameterList{parameter.leaf()}, pattern) == 1);
  CHECK_THROWS_AS(nn::freeze(ParameterList{parameter.leaf()}, pattern + "*b"), Error);
}

TEST_CASE("A frozen parameter gets no gradient, the others the same as before", "[nn][module]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const ParameterList list = nn::parameters(gpt);
  const Ids ids = random_ids({2, 6}, 11, 1);
  const StepResult before = training_step(gpt, ids, ids, nn::evaluation());
  nn::freeze(gpt, "blocks.0.*");
  Tape tape;
  const Tensor logits = gpt(ids, nn::evaluation());
  tape.backward(logits, cotangent(logits.shape(), 1));
  for (const LeafPtr& leaf : list) CHECK(leaf->has_gradient == !leaf->frozen);
  nn::freeze(gpt, "*", false);
  for (const LeafPtr& leaf : list) leaf->has_gradient = false;
  CHECK(same_bits(training_step(gpt, ids, ids, nn::evaluation()), before));
}

TEST_CASE("A parameter used before it has values is refused by name", "[nn][module]") {
  const nn::Linear linear(3, 2, false);
  const Tensor x = Tensor::zeros({1, 3});
  CHECK(has_parts(error_of([&] { linear(x); }), {"parameter (unnamed) (2, 3)", "no values yet", "initialize"}));
  nn::name_parameters(linear);
  CHECK(has_parts(error_of([&] { linear(x); }), {"parameter weight (2, 3)"}));
  nn::initialize(linear, Seed{1});
  CHECK(linear(x).shape() == Shape{1, 2});
}

TEST_CASE("Moving a model leaves its parameters where they are", "[nn][module]") {
  nn::GPT gpt(small_config(), Seed{1});
  const ParameterList before = nn::parameters(gpt);
  const Ids ids = random_ids({1, 6}, 11, 1);
  const Tensor logits = gpt(ids, nn::evaluation());
  std::vector<nn::GPT> models;
  models.push_back(std::move(gpt));
  models.emplace_back(small_config(), Seed{2});  // makes the vector move it once more
  CHECK(nn::parameters(models[0]) == before);
  CHECK(same_bits(models[0](ids, nn::evaluation()), logits));
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<nn::GPT>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<nn::Linear>);
}

TEST_CASE("A clone has the same values in places of its own", "[nn][module]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const nn::GPT copy = gpt.clone();
  const ParameterList ours = nn::parameters(gpt);
  const ParameterList theirs = nn::parameters(copy);
  REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    INFO(ours[i]->name);
    CHECK(ours[i]->name == theirs[i]->name);
    CHECK(same_bits(value_of(ours[i]), value_of(theirs[i])));
    CHECK(ours[i]->data() != theirs[i]->data());
  }
  const Ids ids = random_ids({1, 6}, 11, 1);
  const Tensor before = gpt(ids, nn::evaluation());
  randomize(theirs, 7);
  CHECK(same_bits(gpt(ids, nn::evaluation()), before));
  CHECK_FALSE(same_bits(copy(ids, nn::evaluation()), before));
}

TEST_CASE("copy_values refuses models of different structure and changes nothing", "[nn][module]") {
  nn::ModelConfig other = small_config();
  other.layers = 1;
  other.width = 16;
  other.tied = false;
  const nn::GPT from(other, Seed{1});
  const nn::GPT to(small_config(), Seed{2});
  const Ids ids = random_ids({1, 6}, 11, 1);
  const Tensor before = to(ids, nn::evaluation());
  const std::string message = error_of([&] { nn::copy_values(nn::parameters(from), nn::parameters(to)); });
  CHECK(has_parts(message, {"copy_values", "blocks.1.attn.qkv.weight", "head.weight",
                            "token_embedding.weight is (11, 16), must be (11, 8)"}));
  CHECK(same_bits(to(ids, nn::evaluation()), before));
}

}  // namespace tape::inline TAPE_ABI::test
