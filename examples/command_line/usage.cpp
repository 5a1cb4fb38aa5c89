#include <tape/examples/command_line/usage.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <tape/core/name_list.h>

namespace tape::inline TAPE_ABI::command_line {

namespace {

// Settings whose options have other names.
constexpr std::pair<std::string_view, std::string_view> other_names[] = {{"bias_correction", "--no-bias-correction"},
                                                                         {"validation_windows", "--eval-windows"},
                                                                         {"momentum", "--beta1"},
                                                                         {"beta", "--beta1"}};

// The option that is this setting; empty when there is none.
std::string option_of(const std::string& setting, const CLI::App& command) {
  std::string option = "--" + setting;
  for (const auto& [name, other] : other_names) {
    if (name == setting) option = other;
  }
  std::ranges::replace_if(
      option, [](char c) { return c == '_' || c == '.'; }, '-');
  const bool word = setting.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string::npos;
  return word && command.get_option_no_throw(option) ? option : "";
}

std::string first_word(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of(" :")));
}

// Settings that stand before a number, as in "a multiple of heads 4", as options.
std::string with_options(std::string_view text, const CLI::App& command) {
  std::string result;
  for (;;) {
    const std::size_t end = text.find(' ');
    const std::string word(text.substr(0, end));
    if (end == std::string_view::npos) return result + word;
    text.remove_prefix(end + 1);
    const bool number = !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
    const std::string option = number ? option_of(word, command) : "";
    result += (option.empty() ? word : option) + " ";
  }
}

std::vector<std::string> long_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::string unknown_option(const std::string& given, const CLI::App& command) {
  const std::string name = given.substr(0, given.find('='));
  const std::vector<std::string> names = long_names(command);
  const std::string meant = nearest_name(name, std::vector<std::string_view>(names.begin(), names.end()));
  return str("unknown option ", name, meant.empty() ? "" : ": did you mean " + meant + "?");
}

// A value that is missing, given twice, or of another kind, in words of ours.
std::string wrong_value(const CLI::ParseError& error, const CLI::App& command) {
  const std::string message = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) {  // "--name: 1 required INT missing", "--name: At Most …"
    const std::string name = message.substr(0, message.find(": "));
    if (message.ends_with("missing")) return name + " needs a value";
    return message.find(": At Most ") != std::string::npos ? name + " is given more than once" : message;
  }
  const std::size_t colon = message.find(": ");
  const std::size_t equals = message.find(" = ");
  if (!dynamic_cast<const CLI::ConversionError*>(&error) || colon == std::string::npos || equals == std::string::npos)
    return message;
  const std::string name = message.substr(colon + 2, equals - colon - 2);  // "Could not convert: --name = value"
  const CLI::Option* const option = command.get_option_no_throw(name);
  if (option && option->get_expected_max() == 0) return name + " takes no value";
  return str(name, " must be a number, it is ", message.substr(equals + 3));
}

}  // namespace

std::string in_options(std::string_view message, const CLI::App& command) {
  const std::size_t colon = message.find(": ");
  const std::string_view rest = colon == std::string_view::npos ? "" : message.substr(colon + 2);
  std::string subject = first_word(message);
  std::string option = option_of(subject, command);
  if (option == "--norm" && !rest.empty()) {  // "norm rms: eps must …"
    const std::string part = option_of("norm_" + first_word(rest), command);
    if (!part.empty()) return str("--", message.substr(0, colon + 2), part, rest.substr(first_word(rest).size()));
  }
  if (option.empty()) {  // who complains is of no interest
    subject = first_word(rest);
    option = option_of(subject, command);
    if (!option.empty()) message = rest;
  }
  if (option.empty()) return with_options(message, command);
  return option + with_options(message.substr(subject.size()), command);
}

std::string message_of(const CLI::ParseError& error, const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const std::vector<std::string> rest = command->remaining();
  const bool required = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const bool extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  const std::vector<std::string> names = command_names(*command);
  const auto choices_for = [&names](const std::string& word) {
    return tape::choices_for(word, std::vector<std::string_view>(names.begin(), names.end()));
  };
  if (required && rest.empty() && !names.empty()) return "a command is missing: " + choices_for("");
  if (rest.empty() || !(required || extras)) return wrong_value(error, *command);
  const std::string& first = rest.front();
  if (first.starts_with('-')) return unknown_option(first, *command);
  if (!names.empty()) return str("unknown command \"", first, "\": ", choices_for(first));
  return str("unexpected \"", first, "\"", required ? str("; ", error.what()) : "");
}

}  // namespace tape::inline TAPE_ABI::command_line
