#include <tape/core/probe.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {
thread_local Probe* current_probe = nullptr;
}

Probe::Probe(Handler handler, ProbeOptions options)
    : handler_(std::move(handler)), options_(std::move(options)), outer_(std::exchange(current_probe, this)) {}
Probe::~Probe() {
  current_probe = outer_;
}
Probe* Probe::current() {
  return current_probe;
}
bool Probe::asks_for(std::string_view name) {
  return current_probe && std::ranges::find(current_probe->options_.asked, name) != current_probe->options_.asked.end();
}

Tensor tap(std::string_view prefix, std::string_view name, const Tensor& x, Where where) {
  if (!current_probe) return x;
  const Op op("tap", where);
  op.need({&x});
  std::string full = prefix.empty() ? std::string(name) : str(prefix, '.', name);
  current_probe->see(full, Pass::forward, x);
  if (!current_probe->sees_gradients()) return x;
  return op.record(x.detach(), {&x}, [full = std::move(full)](Backward& b) {
    if (current_probe) current_probe->see(full, Pass::backward, b.dy_tensor());
    b.pass(0);
  });
}

Statistics statistics(const Tensor& x) {
  Statistics result;
  double sum = 0;
  double squares = 0;
  int64_t finite = 0;
  for (const real value : x.values()) {
    if (!std::isfinite(value)) continue;
    ++finite;
    sum += value;
    squares += static_cast<double>(value) * value;
    result.max_abs = std::max(result.max_abs, std::fabs(static_cast<double>(value)));
  }
  if (x.size() > 0) result.non_finite = static_cast<double>(x.size() - finite) / static_cast<double>(x.size());
  if (finite > 0) {
    result.mean = sum / static_cast<double>(finite);
    result.rms = std::sqrt(squares / static_cast<double>(finite));
  }
  return result;
}

Recorder::Recorder()
    : probe_([this](const std::string& name, Pass pass, const Tensor& x) {
        readings_.push_back({name, pass, statistics(x)});
      }) {}

}  // namespace tape::inline TAPE_ABI
