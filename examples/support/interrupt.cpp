#include <tape/examples/support/interrupt.h>

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<int, 3> signals{SIGINT, SIGTERM, SIGHUP};

std::atomic<bool> wanted = false;
std::atomic<bool> insisted = false;  // by another signal than SIGHUP
static_assert(std::atomic<bool>::is_always_lock_free);

std::string line;  // what note() prints, complete before it can run

// A signal handler: only calls that are safe there.
void note(int signal) {
  if (signal != SIGHUP) {
    if (insisted) {  // the second one, of the other kind: it does what it always did from here on
      ::raise(signal);
      return;
    }
    insisted = true;
  }
  if (wanted) return;
  wanted = true;
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

sigset_t all_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

}  // namespace

Interrupt::Interrupt(std::string_view answer) {
  wanted = false;
  insisted = false;
  const char* const above = ::isatty(STDOUT_FILENO) != 0 ? "\n" : "";  // a status is drawn in place there
  line = str(above, answer, "\n");
  for (std::size_t i = 0; i < signals.size(); ++i) install(signals[i], before_[i]);
  const sigset_t ours = all_signals();
  ::pthread_sigmask(SIG_BLOCK, &ours, &mask_before_);
  listener_ = std::thread([this, ours] {
    ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
    done_.acquire();
  });
}

Interrupt::~Interrupt() {
  done_.release();
  listener_.join();
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
  ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

bool Interrupt::requested() const {
  return wanted;
}

}  // namespace tape::inline TAPE_ABI::tool
