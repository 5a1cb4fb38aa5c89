#include <tape/examples/support/interrupt.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

volatile std::sig_atomic_t wanted = 0;

void note(int) {
  wanted = 1;
}

void install(int signal, struct sigaction& before) {
  ::sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);  // the second one does what it always did
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  wanted = 0;
  install(SIGINT, before_int_);
  install(SIGTERM, before_term_);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
}

bool Interrupt::requested() const {
  return wanted != 0;
}

}  // namespace tape::inline TAPE_ABI::tool
