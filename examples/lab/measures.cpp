#include <tape/examples/lab/measures.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <tape/core/error.h>
#include <tape/core/ops.h>
#include <tape/core/probe.h>
#include <tape/examples/lab/small_text.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

double number_or(const Cell& cell, const char* name, double otherwise) {
  return cell.has(name) ? cell.number(name) : otherwise;
}

double mean_square(const Tensor& x) {
  const double rms = statistics(x).rms;
  return rms * rms;
}

}  // namespace

nn::ModelConfig model_config(const Cell& cell, int64_t context) {
  nn::ModelConfig config{.vocab = data_of(cell).vocab,
                         .context = context,
                         .layers = cell.integer("layers"),
                         .heads = static_cast<int64_t>(number_or(cell, "heads", 4)),
                         .width = cell.integer("width"),
                         .scheme = nn::scheme(cell.has("scheme") ? cell.text("scheme") : "pre"),
                         .activation = nn::Activation::ReLU,
                         .tied = false};
  config.hidden = static_cast<int64_t>(number_or(cell, "ratio", 2)) * config.width;
  if (cell.has("norm")) config.norm = nn::norm_kind(cell.text("norm"));
  if (number_or(cell, "qk_norm", 0) > 0) config.qk_norm = nn::QKNorm::PerHead;
  return config;
}

void start_alike(const ParameterList& parameters, Seed seed) {
  for (const LeafPtr& leaf : parameters) {
    if (leaf->name.ends_with("embedding.weight")) {
      leaf->init = nn::normal_init(std::sqrt(0.5));  // of tokens and of positions: their sum has unit variance
    } else if (leaf->init.kind == Init::Kind::normal) {
      const std::vector<int64_t> rows = leaf->init.group_rows;
      const std::vector<double> gains(leaf->init.row_gains.size(), 1.0);
      leaf->init = nn::xavier_normal();
      leaf->init.row_gains = gains;
      leaf->init.group_rows = rows;
    }
  }
  nn::initialize(parameters, seed);
}

nn::GPT model_of(const Cell& cell) {
  nn::GPT model(model_config(cell, cell.integer("context")), Seed{1});
  start_alike(nn::parameters(model), Seed{static_cast<uint64_t>(cell.integer("seed"))});
  return model;
}

const tool::MarkovSource& language() {
  static const tool::MarkovSource source(Seed{1});
  return source;
}

const Data& data_of(const Cell& cell) {
  static const Data markov{
      tool::MarkovSource::vocab, language().unigram_entropy(), language().entropy(),
      [](int64_t rows, int64_t context, int64_t index) { return language().batch(rows, context, index); }};
  static const Data text{
      small_text().vocab(), small_text().unigram_entropy(), small_text().bigram_entropy(),
      [](int64_t rows, int64_t context, int64_t index) { return small_text().batch(rows, context, index); }};
  if (!cell.has("data")) return markov;
  if (cell.text("data") != "text")
    throw Error("\"data\" of a cell can only be \"text\": leave it out for the language");
  return text;
}

tool::Batch batch_of(const Cell& cell, int64_t rows, int64_t context, int64_t index) {
  return data_of(cell).batch(rows, context, cell.integer("seed") * 1'000'000 + index);
}

Snapshot snapshot(const nn::GPT& model, const Cell& cell, int64_t batches, double alpha) {
  Snapshot s;
  const auto blocks = static_cast<std::size_t>(model.config().layers);
  s.stream.assign(blocks, 0);
  s.norm_input.assign(blocks, 0);
  const double share = 1 / static_cast<double>(batches);
  std::map<std::string, Tensor> middle;  // the stream between attention and feed-forward
  const Probe probe([&](const std::string& name, Pass pass, const Tensor& x) {
    if (pass != Pass::forward || !name.starts_with("blocks.")) return;
    const std::string block = name.substr(7, name.find('.', 7) - 7);
    const std::size_t i = std::stoul(block);
    if (name.ends_with("hook_resid_mid")) middle[block] = x.detach();
    if (name.ends_with("hook_resid_post")) s.stream[i] += share * mean_square(x);
    if (name.ends_with("hook_mlp_out")) s.norm_input[i] += share * mean_square(axpy(alpha, middle[block], x.detach()));
  });
  for (int64_t b = 0; b < batches; ++b) {
    const tool::Batch batch = batch_of(cell, 8, model.config().context, b);
    Tape tape;
    const Tensor loss = cross_entropy(model(batch.input, nn::training(0)), batch.target);
    s.loss += share * static_cast<double>(loss.item());
    tape.backward(scale(loss, share));
  }
  for (const LeafPtr& leaf : nn::parameters(model)) {
    if (!leaf->name.ends_with("mlp.down.weight")) continue;
    s.gradient.push_back(statistics(leaf->gradient_tensor()).rms * std::sqrt(static_cast<double>(leaf->size())));
  }
  return s;
}

double stuck_loss(const Data& data) {
  return data.unigram_entropy - 0.1;
}

Course train(const std::function<Tensor(int64_t)>& loss_of, optim::Optimizer& optimizer, const Training& training,
             double stuck, const std::function<bool(int64_t, double)>& stop) {
  Course course;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int64_t step = 0; step < training.steps; ++step) {
    Tape tape;
    const Tensor loss = loss_of(step);
    const auto value = static_cast<double>(loss.item());
    if (!std::isfinite(value)) break;
    course.losses.push_back(value);
    if (stop && stop(step, value)) break;
    tape.backward(loss);
    const double limit = training.clip > 0 ? training.clip : std::numeric_limits<double>::infinity();
    if (!std::isfinite(optim::clip_grad_norm(optimizer, limit))) break;
    optimizer.step(training.rate(step));
  }
  course.losses.resize(static_cast<std::size_t>(training.steps), nan);
  const auto counted = static_cast<std::size_t>(std::max<int64_t>(1, training.steps / 10));
  double sum = 0;
  for (std::size_t i = course.losses.size() - counted; i < course.losses.size(); ++i) sum += course.losses[i];
  course.final_loss = sum / static_cast<double>(counted);
  course.failed = !(course.final_loss <= stuck);
  return course;
}

Course train(const std::function<Tensor(const Ids&, const nn::Context&)>& model, optim::Optimizer& optimizer,
             const Cell& cell, const Training& training, const std::function<bool(int64_t, double)>& stop) {
  const auto loss = [&](int64_t step) {
    const tool::Batch batch = batch_of(cell, training.rows, training.context, step);
    return cross_entropy(model(batch.input, nn::training(step)), batch.target);
  };
  return train(loss, optimizer, training, stuck_loss(data_of(cell)), stop);
}

Course train(const nn::GPT& model, const Cell& cell, const Training& training,
             const std::function<bool(int64_t, double)>& stop) {
  optim::Adam adam(nn::parameters(model), {.beta2 = 0.98, .eps = 1e-9});
  return train([&](const Ids& ids, const nn::Context& context) { return model(ids, context); }, adam, cell, training,
               stop);
}

Fields measure_training(const Cell& cell) {
  const int64_t steps = cell.integer("steps");
  return fields_of(
      train(model_of(cell), cell,
            {.steps = steps,
             .rows = cell.integer("rows"),
             .context = cell.integer("context"),
             .rate = warmed(cell.number("lr"), cell.number("warmup"), steps, number_or(cell, "decay", 0) > 0)}));
}

double training_seconds(const Cell& cell) {
  const double tokens = cell.number("rows") * cell.number("context");
  return 1e-6 * cell.number("steps") * cell.number("layers") * (200 + 1.6 * tokens * cell.number("width") / 32);
}

Fields fields_of(const Course& course) {
  return {{"loss", course.final_loss}, {"failed", course.failed ? 1 : 0}};
}

optim::Schedule warmed(double peak, double share, int64_t steps, bool decays) {
  const auto rising = static_cast<int64_t>(std::lround(share * static_cast<double>(steps)));
  return optim::warmup(rising, peak).then(decays ? optim::linear(steps - rising, peak, 0) : optim::constant(peak));
}

double largest_working_rate(const Results& results) {
  const std::vector<double> rates = results.numbers("lr");
  double largest = rates.empty() ? std::numeric_limits<double>::quiet_NaN() : rates.front() / 2;
  for (const double lr : rates) {
    if (results.where(Fields{{"lr", lr}}).mean("failed") == 0) largest = lr;
  }
  return largest;
}

double best_loss(const Results& results) {
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const double lr : results.numbers("lr")) {
    const Results here = results.where(Fields{{"lr", lr}});
    if (here.mean("failed") == 0 && !(here.mean("loss") >= best)) best = here.mean("loss");
  }
  return best;
}

}  // namespace tape::inline TAPE_ABI::lab
