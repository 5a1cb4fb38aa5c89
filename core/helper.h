// A thread whose own work has ended, and that takes a part of another thread's loops. Waking a thread takes as long as
// many of these loops; one that looks for work starts at once.
#pragma once

#include <atomic>
#include <exception>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

class alignas(64) Helper {
 public:
  /// To be called while nobody helps or shares.
  void open();
  /// Helps on the calling thread until close(), or returns at once after it.
  void help();
  /// No more work comes. From the thread that is helped.
  void close() { closed_.store(true, std::memory_order_release); }

  /// Calls work(false) on this thread and work(true) on one that helps it, at the same time; on this thread too if that
  /// one did not begin in time. Returns false, without a call, if none helps. Throws what work(false) threw, after
  /// which work(true) may be left out, or what work(true) threw.
  template <class Work>
  static bool share(const Work& work) {
    Helper* const helper = waiting();
    if (!helper) return false;
    Job job{&work, [](const void* object, bool other) { (*static_cast<const Work*>(object))(other); }};
    helper->run(job);
    return true;
  }

  /// While it lives, loops of this thread may be shared with whoever helps with `helper`.
  class Scope {
   public:
    explicit Scope(Helper& helper);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

 private:
  enum class Progress { none, posted, begun };
  struct Job {
    const void* object;
    void (*run)(const void* object, bool other);
    std::exception_ptr error = {};
  };
  static Helper* waiting();  // for work of this thread; null if none
  void run(Job& job);

  std::atomic<bool> helps_ = false;
  std::atomic<bool> closed_ = true;
  std::atomic<Progress> progress_ = Progress::none;
  Job* job_ = nullptr;    // valid while progress_ is not none
  bool sharing_ = false;  // a loop inside a shared one is not shared again
};

}  // namespace tape::inline TAPE_ABI
