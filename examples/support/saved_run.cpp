#include <tape/examples/support/saved_run.h>

#include <tape/core/safetensors.h>

namespace tape::inline TAPE_ABI::tool {

SavedRun load_saved_run(const RunFolder& folder) {
  folder.require_run();
  SavedRun run{load_config(folder.config()), CharTokenizer::load(folder.tokenizer())};
  const nn::Architecture architecture = run.config.architecture;
  const int64_t needed = vocabulary(run.tokenizer, architecture);
  if (needed != run.config.model.vocab) {
    throw Error(str(folder.tokenizer(), " has ", run.tokenizer.size(), " characters, for which a ",
                    name_of(architecture), " needs a vocabulary of ", needed, ", but ", folder.config(), " says ",
                    run.config.model.vocab, ": the files are not of the same run"));
  }
  return run;
}

TrainedModel load_trained_model(const RunFolder& folder) {
  folder.require_model();
  const SavedRun run = load_saved_run(folder);
  TrainedModel trained{run, Model(run.config.architecture, run.config.model, Seed{})};
  try {
    SafetensorsFile::open(folder.model());
  } catch (const Error& error) {
    throw Error(str(error.what(), folder.can_continue()
                                      ? str("; or remove it, and train --resume ", folder.path(), " writes it anew")
                                      : "; or train the run anew"));
  }
  nn::load(folder.model(), trained.model);
  return trained;
}

}  // namespace tape::inline TAPE_ABI::tool
