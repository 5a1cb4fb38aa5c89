// A small experiment of made-up numbers for tests of the lab.
#pragma once

#include <atomic>
#include <vector>

#include <tape/core/error.h>
#include <tape/examples/lab/experiment.h>

namespace tape::inline TAPE_ABI::test {

/// Cells {scheme, layers}, 4 in a quick run and 6 in a full one; the result is 100·seed + layers, and a list. After
/// `measured` cells, if it is not negative, measuring throws Error "power cut".
inline lab::Experiment made_up_experiment(std::atomic<int>* measured = nullptr, int fails_after = -1) {
  lab::Experiment e{
      .place = 99, .name = "made-up", .title = {"Made up", "虚构"}, .question = {"?", "？"}, .source = "none"};
  e.cells = [](lab::Size size) {
    return lab::grid(
        {{"scheme", {"post", "pre"}},
         {"layers", size == lab::Size::full ? std::vector<lab::Value>{2, 4, 8} : std::vector<lab::Value>{2, 8}}},
        {{"width", 0.1}});
  };
  e.seconds = [](const lab::Cell&) { return 0.001; };
  e.measure = [=](const lab::Cell& cell) {
    if (measured && fails_after >= 0 && *measured >= fails_after) throw Error("power cut");
    if (measured) ++*measured;
    const double value = 100 * cell.number("seed") + cell.number("layers") + 0.1;
    return lab::Fields{
        {"value", value}, {"failed", cell.number("layers") > 4 ? 1 : 0}, {"list", std::vector<double>{value, -value}}};
  };
  e.figures = [](const lab::Results&) { return std::vector<lab::Figure>{}; };
  return e;
}

}  // namespace tape::inline TAPE_ABI::test
