#include "page_server.h"

#include <httplib.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>

namespace tape::inline TAPE_ABI::report {

namespace {

// Signals are for the thread that trains: threads that are started while this lives get none.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

void answer(const std::function<std::string()>& content, httplib::Response& response) {
  response.set_header("Cache-Control", "no-store");
  try {
    response.set_content(content(), "text/html; charset=utf-8");
  } catch (const Error& error) {
    response.status = 503;
    response.set_header("Refresh", "3");
    response.set_content(str("There is nothing to see yet: ", error.what(), "\n"), "text/plain; charset=utf-8");
  }
}

[[noreturn]] void can_not_listen(const std::string& address, int port, int why) {
  const std::string where = str("can not listen on port ", port, " of ", address, " for --serve: ");
  if (why == EADDRINUSE) throw Error(str(where, "another program does; choose another port, or 0 for a free one"));
  if (why == EACCES)
    throw Error(str(where, "ports below 1024 are for the system; choose a higher one, or 0 for a free one"));
  throw Error(str(where, "--serve-address must be an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all"));
}

}  // namespace

struct PageServer::State {
  httplib::Server server;
  std::thread thread;
};

bool can_serve() {
  return true;
}

PageServer::PageServer(const std::string& address, int port, Content content) : state_(std::make_unique<State>()) {
  httplib::Server& server = state_->server;
  // The library's own choice would share the port with another server.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.new_task_queue = [] { return new httplib::ThreadPool(4); };  // the server owns and deletes it
  server.set_keep_alive_max_count(1);  // no connection stays open when the program wants to end
  server.set_keep_alive_timeout(1);
  server.Get("/", [page = content.page](const httplib::Request&, httplib::Response& r) { answer(page, r); });
  server.Get(str("/", sections_address),
             [sections = content.sections](const httplib::Request&, httplib::Response& r) { answer(sections, r); });
  errno = 0;
  const int bound = port == 0 ? server.bind_to_any_port(address) : server.bind_to_port(address, port) ? port : -1;
  if (bound < 0) can_not_listen(address, port, errno);
  const bool six = address.find(':') != std::string::npos;
  url_ = str("http://", six ? "[" : "", address, six ? "]" : "", ":", bound, "/");
  const NoSignals blocked;
  state_->thread = std::thread([&server] {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);  // of this thread, and of those that it starts
    server.listen_after_bind();
  });
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

PageServer::~PageServer() {
  state_->server.stop();
  state_->thread.join();
}

}  // namespace tape::inline TAPE_ABI::report
