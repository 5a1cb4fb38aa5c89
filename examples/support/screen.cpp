#include <tape/examples/support/screen.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace tape::inline TAPE_ABI::tool {

namespace {

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void say(std::string_view line) {
  put(std::string(line) + "\n");
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
  put("\r" + line + "\x1b[K");  // back to the start, and clear what is left of the old line
  open_ = true;
}

void StatusLine::end() {
  if (open_) put("\n");
  open_ = false;
}

}  // namespace tape::inline TAPE_ABI::tool
