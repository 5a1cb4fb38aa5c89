#include <tape/examples/support/interrupt.h>

#include <unistd.h>

#include <cerrno>
#include <string>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<int, 3> signals{SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t wanted = 0;
volatile std::sig_atomic_t insisted = 0;  // by another signal than SIGHUP

std::string line;  // what note() prints, complete before it can run

// A signal handler: only calls that are safe there.
void note(int signal) {
  if (signal != SIGHUP) {
    if (insisted != 0) {  // the second one, of the other kind: it does what it always did from here on
      ::raise(signal);
      return;
    }
    insisted = 1;
  }
  if (wanted != 0) return;
  wanted = 1;
  const int code = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(STDOUT_FILENO, line.data(), line.size());  // a courtesy
  errno = code;
}

void install(int signal, struct sigaction& before) {
  ::sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  if (signal != SIGHUP) action.sa_flags |= static_cast<int>(SA_RESETHAND);  // the second one does what it always did
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt(std::string_view answer) {
  wanted = 0;
  insisted = 0;
  const char* const above = ::isatty(STDOUT_FILENO) != 0 ? "\n" : "";  // a status is drawn in place there
  line = str(above, answer, "\n");
  for (std::size_t i = 0; i < signals.size(); ++i) install(signals[i], before_[i]);
}

Interrupt::~Interrupt() {
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
}

bool Interrupt::requested() const {
  return wanted != 0;
}

}  // namespace tape::inline TAPE_ABI::tool
