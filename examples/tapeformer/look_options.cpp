#include "look_options.h"

#include <optional>
#include <string>

#include "commands.h"

namespace tapeformer {

void add_look_options(CLI::App& command, LookOptions& look, const std::string& without_text) {
  const auto add = [&command](const char* name, std::optional<std::string>& value, const std::string& description) {
    // Not add_option: to that an empty text would be none.
    return command.add_option_function<std::string>(
        name, [&value](const std::string& text) { value = text; }, description);
  };
  add("--text", look.request.text,
      "Text to read, no longer than the model's context; for a bert with gaps; for encdec the source [" + without_text +
          "]")
      ->type_name("TEXT");
  add("--target", look.request.target, "Target of the source, for an encdec [what the model writes]")
      ->type_name("TEXT");
  add("--mask", look.request.mask, "Character that marks a gap, for a bert [_]")->type_name("CHAR");
  command.add_option("--layers", look.selection.layers, "Layers to show, from 0, as in 0,5,11 [up to 16]")
      ->delimiter(',')
      ->check(whole_number<int64_t>())
      ->type_name("INT,...");
  command.add_option("--heads", look.selection.heads, "Heads to show, from 0, as in 0,3 [all]")
      ->delimiter(',')
      ->check(whole_number<int64_t>())
      ->type_name("INT,...");
}

}  // namespace tapeformer
