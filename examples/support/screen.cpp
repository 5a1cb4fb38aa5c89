#include <tape/examples/support/screen.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <system_error>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

int failure = 0;       // errno of the first print that failed
std::string going_on;  // what to say when that happens; empty: nothing

std::string complaint() {
  return "can not write to standard output: " + std::generic_category().message(failure);
}

// Calls `print` and remembers why it failed.
void attempt(const auto& print) {
  errno = 0;
  if (print() || failure != 0) return;
  failure = errno != 0 ? errno : EIO;
  if (!going_on.empty()) std::fprintf(stderr, "tapeformer: %s; %s\n", complaint().c_str(), going_on.c_str());
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void show(std::string_view text) {
  attempt(
      [text] { return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0; });
}

void say(std::string_view line) {
  show(std::string(line) + "\n");
}

void require_shown() {
  attempt([] { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; });  // of a print by other means
  if (failure != 0) throw Error(complaint());
}

void go_on_without_output(const std::string& note) {
  going_on = note;
  std::signal(SIGPIPE, SIG_IGN);
}

void StatusLine::show(const std::vector<std::string>& parts, bool important) {
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  const double time = now();
  if (!important && time < next_time_) return;
  next_time_ = time + (terminal ? 0.1 : 10);

  const std::size_t room = terminal ? terminal_columns() - 1 : std::string::npos;
  std::string line;
  for (const std::string& part : parts) {
    const std::string longer = line.empty() ? part : line + "  " + part;
    if (longer.size() > room) break;
    line = longer;
  }
  if (!terminal) return say(line);
  tool::show("\r" + line + "\x1b[K");  // back to the start, and clear what is left of the old line
  open_ = true;
}

void StatusLine::end() {
  if (open_) tool::show("\n");
  open_ = false;
}

}  // namespace tape::inline TAPE_ABI::tool
