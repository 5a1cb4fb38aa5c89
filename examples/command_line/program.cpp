#include <tape/examples/command_line/program.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <string_view>

#include <tape/core/error.h>
#include <tape/core/parallel.h>
#include <tape/examples/command_line/choices.h>
#include <tape/examples/command_line/usage.h>
#include <tape/examples/support/screen.h>

namespace tape::inline TAPE_ABI::command_line {

namespace {

// "program: message" in one line.
int complain(const CLI::App& app, std::string_view message, int exit_code) {
  std::string line;
  for (const char c : message) {
    if (c == '\n') line += line.ends_with(':') ? "" : ";";
    if (c != '\n' && !(c == ' ' && line.ends_with(' '))) line += c;
  }
  while (line.ends_with(';')) line.pop_back();
  std::cerr << app.get_name() << ": " << line << '\n';
  return exit_code;
}

// The same for a wrong command line.
int complain_of_usage(const CLI::App& app, const std::string& message) {
  std::string help = app.get_name();
  for (const CLI::App* c = &app; !c->get_subcommands().empty(); help += " " + c->get_name()) {
    c = c->get_subcommands().front();
  }
  return complain(app, message + " (see " + help + " --help)", exit_usage);
}

void run(CLI::App& app, int argc, char** argv, bool (*is_for_reading)(const CLI::App&)) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    std::ostringstream text;
    app.exit(help, text, text);
    tool::show(text.str());
    tool::require_shown();
    return;
  }
  if (is_for_reading(app)) tool::require_shown();
}

}  // namespace

void add_threads(CLI::App& command) {
  const auto set = [](const std::string& given) {
    int count = 0;
    read_whole(given, count);
    set_threads(count);
  };
  command.add_option_function<std::string>("--threads", set, "Threads; changes nothing but the speed [all]")
      ->check(from_to(1, 1024))
      ->type_name("INT");
}

void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", O_RDWR);  // takes the lowest free number: this one
  }
}

int run_program(CLI::App& app, int argc, char** argv, const int& exit_code, bool (*is_for_reading)(const CLI::App&)) {
  try {
    run(app, argc, argv, is_for_reading);
    return exit_code;
  } catch (const CLI::ParseError& error) {
    return complain_of_usage(app, message_of(error, app));
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.starts_with("--")) return complain_of_usage(app, message);
    return complain(app, message, exit_failure);
  } catch (const std::bad_alloc&) {
    return complain(app, "there is not enough memory; choose a smaller model, batch or text", exit_failure);
  } catch (const std::exception& error) {
    return complain(app, error.what(), exit_failure);
  }
}

}  // namespace tape::inline TAPE_ABI::command_line
