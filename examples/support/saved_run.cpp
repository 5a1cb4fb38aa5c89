#include <tape/examples/support/saved_run.h>

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

}  // namespace tape::inline TAPE_ABI::tool
