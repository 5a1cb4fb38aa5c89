#include <tape/examples/lab/runner.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include <tape/core/error.h>
#include <tape/core/parallel.h>
#include <tape/examples/lab/store.h>
#include <tape/examples/support/interrupt.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/screen.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The cells of one experiment that are still to be measured.
std::vector<Cell> open_cells(const Experiment& e, const RunOptions& options, const std::vector<Row>& rows) {
  std::vector<Cell> open = cells_of(e, options.size, options.seeds);
  std::erase_if(open, [&](const Cell& cell) {
    return std::ranges::any_of(rows, [&](const Row& row) { return row.cell == cell; });
  });
  return open;
}

double seconds_of(const Experiment& e, const std::vector<Cell>& cells) {
  double sum = 0;
  for (const Cell& cell : cells) sum += e.seconds(cell);
  return sum;
}

class Run {
 public:
  explicit Run(const RunOptions& options) : options_(options), plan_(plan_of(options)), left_(plan_.seconds_left) {}

  RunResult all() {
    for (const Experiment* e : options_.experiments) {
      if (!stopped()) one(*e);
    }
    line_.end();
    result_.interrupted = interrupt_.requested();
    result_.seconds = seconds_since(start_);
    return result_;
  }

 private:
  bool stopped() const { return failure_ || interrupt_.requested(); }

  void one(const Experiment& e) {
    Store store(options_.folder, e);
    cells_ = open_cells(e, options_, store.rows());
    next_ = 0;
    if (cells_.empty()) return;
    const std::size_t workers =
        e.alone ? 1 : std::min(cells_.size(), static_cast<std::size_t>(std::max(1, options_.jobs)));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < workers; ++i) threads.emplace_back([&] { work(e, store); });
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    store.sort();
  }

  void work(const Experiment& e, Store& store) {
    set_threads(1);
    for (;;) {
      Cell cell;
      {
        const std::lock_guard guard(mutex_);
        if (stopped() || next_ == cells_.size()) return;
        cell = cells_[next_++];
        show(e, cell, false);
      }
      const auto start = Clock::now();
      try {
        const Fields result = e.measure(cell);
        const std::lock_guard guard(mutex_);
        store.append(cell, result);
        finished(e, cell, seconds_since(start));
      } catch (...) {
        const std::lock_guard guard(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
  }

  void finished(const Experiment& e, const Cell& cell, double seconds) {
    ++result_.measured;
    expected_ += e.seconds(cell);
    taken_ += seconds;
    left_ -= e.seconds(cell);
  }

  // The guess for the rest, corrected by how long the cells so far took instead of what was guessed for them.
  void show(const Experiment& e, const Cell& cell, bool important) {
    const double factor = expected_ > 0 ? taken_ / expected_ : 1;
    line_.show(
        {fmt::format("{}/{} cells", plan_.done + result_.measured, plan_.cells),
         fmt::format("{} left", tool::clock_time(left_ * factor / std::max(1, options_.jobs))), e.name, to_json(cell)},
        important);
  }

  const RunOptions& options_;
  Plan plan_;
  tool::Interrupt interrupt_{"stopping after the cells in progress; Ctrl-C again stops at once, without them"};
  tool::StatusLine line_;
  Clock::time_point start_ = Clock::now();
  std::mutex mutex_;  // guards all below and the store
  std::vector<Cell> cells_;
  std::size_t next_ = 0;
  double expected_ = 0, taken_ = 0, left_ = 0;
  std::exception_ptr failure_;
  RunResult result_;
};

}  // namespace

Plan plan_of(const RunOptions& options) {
  Plan plan;
  for (const Experiment* e : options.experiments) {
    const std::vector<Cell> open = open_cells(*e, options, read_rows(options.folder, *e));
    const auto cells = static_cast<int64_t>(cells_of(*e, options.size, options.seeds).size());
    plan.cells += cells;
    plan.done += cells - static_cast<int64_t>(open.size());
    plan.seconds_left += seconds_of(*e, open);
  }
  return plan;
}

RunResult run(const RunOptions& options, const tool::FolderLock&) {
  return Run(options).all();
}

}  // namespace tape::inline TAPE_ABI::lab
