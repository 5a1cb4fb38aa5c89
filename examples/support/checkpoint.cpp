#include <tape/examples/support/checkpoint.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include <tape/core/safetensors.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

const std::string model_prefix = "model.";
const std::string ema_prefix = "ema.";

int64_t steps_of(const SafetensorsFile& file) {
  int64_t steps = -1;
  const auto found = file.metadata().find("steps");
  if (found != file.metadata().end()) {
    const char* end = found->second.data() + found->second.size();
    if (std::from_chars(found->second.data(), end, steps).ptr != end) steps = -1;
  }
  if (steps < 0)
    throw Error(str(file.path(), " is not a checkpoint of a run: it does not say how many steps were done"));
  return steps;
}

void require_run(const SafetensorsFile& file, const std::string& run) {
  const auto found = file.metadata().find("run");
  if (found != file.metadata().end() && found->second != run)
    throw Error(str(file.path(), " belongs to another run, of text and seed ", found->second, " instead of ", run));
}

// `plateau` as it was when the file was written; nothing when there is none.
std::optional<optim::Plateau> plateau_of(const SafetensorsFile& file, const optim::Plateau* plateau) {
  const auto found = file.metadata().find("plateau");
  const bool saved = found != file.metadata().end();
  if (saved != (plateau != nullptr))
    throw Error(str(file.path(), " belongs to a run with", saved ? "" : "out", " the plateau schedule"));
  if (!saved) return std::nullopt;
  optim::Plateau loaded = *plateau;
  try {
    loaded.load_state(found->second);
  } catch (const Error& error) {
    throw Error(str(file.path(), ": ", error.what()));
  }
  return loaded;
}

}  // namespace

void save_checkpoint(const std::string& path, const ParameterList& model, const optim::Optimizer& optimizer,
                     const optim::Ema* ema, int64_t steps, const std::string& run, const optim::Plateau* plateau) {
  optim::State tensors = optimizer.state();
  if (ema) {
    for (const auto& entry : ema->state()) tensors.push_back(entry);
  }
  for (const LeafPtr& leaf : model)
    tensors.emplace_back(model_prefix + leaf->name, Tensor::on(leaf->shape, leaf->value));
  std::map<std::string, std::string> notes{{"steps", std::to_string(steps)}, {"run", run}};
  if (plateau) notes["plateau"] = plateau->state();
  save_safetensors(path, tensors, notes);
}

int64_t load_checkpoint(const std::string& path, const ParameterList& model, optim::Optimizer& optimizer,
                        optim::Ema* ema, const std::string& run, optim::Plateau* plateau) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const int64_t steps = steps_of(file);
  const std::vector<std::string> names = file.names();
  const auto of_model = [](const std::string& name) { return name.starts_with(model_prefix); };
  std::vector<Tensor> values;
  for (const LeafPtr& leaf : model) {
    const std::string name = model_prefix + leaf->name;
    if (!file.contains(name) || file.info(name).shape() != leaf->shape)
      throw Error(str(path, " belongs to another model: it has no ", name, " of shape ", leaf->shape));
    values.push_back(file.read(name));
  }
  if (std::ranges::count_if(names, of_model) != std::ssize(model))
    throw Error(str(path, " belongs to another model: it has more tensors than this one"));
  require_run(file, run);
  optim::State state, averages;
  for (const std::string& name : names) {
    if (of_model(name)) continue;
    (ema && name.starts_with(ema_prefix) ? averages : state).emplace_back(name, file.read(name));
  }
  const optim::State before = ema ? ema->state() : optim::State{};
  const std::optional<optim::Plateau> loaded = plateau_of(file, plateau);
  try {
    if (ema) ema->load_state(averages);
    optimizer.load_state(state);
  } catch (const Error& error) {
    if (ema) ema->load_state(before);
    throw Error(str(path, ": ", error.what()));
  }
  if (plateau) *plateau = *loaded;
  for (std::size_t i = 0; i < model.size(); ++i) {
    std::ranges::copy(values[i].values(), model[i]->data());
    model[i]->initialized = true;
  }
  return steps;
}

int64_t checkpoint_steps(const std::string& path) {
  return steps_of(SafetensorsFile::open(path));
}

}  // namespace tape::inline TAPE_ABI::tool
