// tapeformer inspect: a page of what happens inside a trained model while it reads a text.
#include <fmt/format.h>

#include <memory>
#include <string>

#include <tape/core/atomic_file.h>
#include <tape/core/error.h>
#include <tape/examples/inspect/page.h>
#include <tape/examples/support/screen.h>

#include "commands.h"
#include "look_options.h"

namespace tapeformer {

namespace {

namespace inspect = tape::inspect;
namespace tool = tape::tool;

struct Options {
  std::string folder;
  std::string out;
  std::string language = "both";
  LookOptions look;
};

void run(const Options& o) {
  const tape::lab::Language language = tape::lab::language(o.language);
  const tool::RunFolder folder(o.folder);
  const std::string out = o.out.empty() ? folder.inspection() : o.out;
  folder.require_model();
  folder.require_free_for_page(out);
  const std::string page = inspect::page(folder, o.look.request, o.look.selection, language);
  tape::atomic_write_file(out, page);
  tool::say(fmt::format("page      {}   {:.1f} MB", out, static_cast<double>(page.size()) / 1e6));
}

}  // namespace

void add_inspect(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("inspect", "Write a page of attention maps and activations of a trained model on a text");
  command->add_option("DIR", o->folder, "Folder of a run, as --out of train")->required();
  add_look_options(*command, o->look, "from the data that validates");
  command->add_option("--out", o->out, "Page to write [DIR/inspect.html]")->type_name("FILE");
  command->add_option("--lang", o->language, "Language of the page: en, zh or both")
      ->check(known_by(tape::lab::language))
      ->type_name("LANG")
      ->capture_default_str();
  add_threads(*command);
  command->footer(
      "The page is one file that needs neither network nor JavaScript. It has the probabilities of attention for each\n"
      "layer and head, their entropy, the size of the residual stream and of the norms' outputs for each token, how\n"
      "many hidden units are active, dimensions that stick out, and what is predicted after each token.\n\n"
      "Examples:\n"
      "  tapeformer inspect runs/book\n"
      "  tapeformer inspect runs/book --text \"In the beginning\" --layers 0,5 --lang en\n"
      "  tapeformer inspect runs/bert --text \"In the b_ginn_ng\" --out gaps.html\n"
      "  tapeformer inspect runs/en-es --text \"And God said\" --target \"Y dijo Dios\"");
  command->callback([o] { run(*o); });
}

}  // namespace tapeformer
