#include <tape/core/helper.h>

#include <omp.h>

#include <thread>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace tape::inline TAPE_ABI {

namespace {

thread_local Helper* helper_of_thread = nullptr;

// Waits a moment; others get the processor when that has been long.
class Patience {
 public:
  void wait() {
    if (++turns_ > 2000) {
      std::this_thread::yield();
      return;
    }
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

 private:
  int turns_ = 0;
};

}  // namespace

Helper::Scope::Scope(Helper& helper) {
  helper_of_thread = &helper;
}
Helper::Scope::~Scope() {
  helper_of_thread = nullptr;
}

void Helper::open() {
  closed_.store(false, std::memory_order_relaxed);
  helps_.store(false, std::memory_order_relaxed);
}

Helper* Helper::waiting() {
  Helper* const helper = helper_of_thread;
  const bool free = helper && !helper->sharing_ && helper->helps_.load(std::memory_order_relaxed);
  return free && !omp_in_parallel() ? helper : nullptr;
}

void Helper::help() {
  helps_.store(true, std::memory_order_relaxed);
  Patience patience;
  while (!closed_.load(std::memory_order_acquire)) {
    Progress expected = progress_.load(std::memory_order_relaxed);
    if (expected != Progress::posted ||
        !progress_.compare_exchange_strong(expected, Progress::begun, std::memory_order_acquire)) {
      patience.wait();
      continue;
    }
    try {
      job_->run(job_->object, true);
    } catch (...) {
      job_->error = std::current_exception();
    }
    progress_.store(Progress::none, std::memory_order_release);
    patience = {};
  }
}

void Helper::run(Job& job) {
  sharing_ = true;
  job_ = &job;
  progress_.store(Progress::posted, std::memory_order_release);
  std::exception_ptr error;
  try {
    job.run(job.object, false);
  } catch (...) {
    error = std::current_exception();
  }
  Progress expected = Progress::posted;
  if (progress_.compare_exchange_strong(expected, Progress::none, std::memory_order_relaxed)) {
    try {
      if (!error) job.run(job.object, true);
    } catch (...) {
      error = std::current_exception();
    }
  } else {
    Patience patience;
    while (progress_.load(std::memory_order_acquire) != Progress::none) patience.wait();
  }
  sharing_ = false;
  if (!error) error = job.error;
  if (error) std::rethrow_exception(error);
}

}  // namespace tape::inline TAPE_ABI
