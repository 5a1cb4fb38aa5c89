// Every op's gradient against finite differences: one table, several sizes, each input alone and handed in twice.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/op_table.h"

namespace tape::inline TAPE_ABI::test {

namespace {

struct Size {
  int64_t rows, columns;
};
constexpr Size sizes[] = {{1, 1}, {3, 7}, {7, 3}, {2, 33}, {33, 2}};

// f of fewer inputs: position which[i] of the remaining ones stands for input i.
Function merged(const Function& f, const std::vector<std::size_t>& which) {
  return [=](const Inputs& fewer) {
    Inputs all;
    for (const std::size_t i : which) all.push_back(fewer[i]);
    return f(all);
  };
}

// Checks f with inputs i and j, and those listed in `more`, given by one tensor.
void check_merged(const OpCase& c, std::size_t i, const std::vector<std::size_t>& others) {
  Inputs fewer;
  std::vector<std::size_t> which;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    if (std::ranges::count(others, k)) {
      which.push_back(which[i]);
    } else {
      which.push_back(fewer.size());
      fewer.push_back(c.inputs[k]);
    }
  }
  GradCheckOptions options;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    const bool shared = k == i || std::ranges::count(others, k);
    const auto is_zero = [&](std::size_t m) { return std::ranges::count(c.zero, static_cast<int>(m)) > 0; };
    if (shared ? is_zero(i) && std::ranges::all_of(others, is_zero) : is_zero(k)) {
      options.zero.push_back(static_cast<int>(which[k]));
    }
  }
  if (c.cancels) options.zero = {0};
  check_gradients(merged(c.f, which), fewer, options);
}

std::set<std::string> declared_ops() {
  std::set<std::string> names;
  const std::regex declaration(R"(^(?:inline )?Tensor ([a-z_0-9]+)\((?!const char))");
  for (const auto& file : std::filesystem::directory_iterator(TAPE_SOURCE_DIR "/core/ops")) {
    if (file.path().extension() != ".h") continue;
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) {
      std::smatch match;
      if (std::regex_search(line, match, declaration)) names.insert(match[1]);
    }
  }
  return names;
}

}  // namespace

TEST_CASE("The gradient of every op agrees with finite differences", "[gradient]") {
  for (const OpRow& row : op_table()) {
    for (const Size size : sizes) {
      DYNAMIC_SECTION(row.name() << " at " << size.rows << " x " << size.columns) {
        const OpCase c = row.make(size.rows, size.columns);
        check_gradients(c.f, c.inputs, GradCheckOptions{.zero = c.zero});
      }
    }
  }
}

TEST_CASE("The gradient is right when one tensor is handed in as several arguments", "[gradient]") {
  int cases = 0;
  for (const OpRow& row : op_table()) {
    for (const Size size : {Size{3, 7}, Size{5, 1}}) {
      const OpCase c = row.make(size.rows, size.columns);
      const auto alike = [&](std::size_t i, std::size_t j) { return c.inputs[i].shape() == c.inputs[j].shape(); };
      INFO(row.name() << " at " << size.rows << " x " << size.columns);
      for (std::size_t i = 0; i < c.inputs.size(); ++i) {
        std::vector<std::size_t> others;
        for (std::size_t j = i + 1; j < c.inputs.size(); ++j) {
          if (!alike(i, j)) continue;
          others.push_back(j);
          INFO("arguments " << i << " and " << j << " are the same tensor");
          check_merged(c, i, {j});
          ++cases;
        }
        if (others.size() < 2) continue;
        INFO("all arguments from " << i << " on are the same tensor");
        check_merged(c, i, others);
        ++cases;
      }
    }
  }
  CHECK(cases > 40);
}

TEST_CASE("Every op declared in core/ops has a row in the table of gradient checks", "[gradient]") {
  std::set<std::string> seen;
  for (const OpRow& row : op_table()) {
    INFO(row.name());
    const OpCase c = row.make(3, 5);
    Tape tape;
    Inputs watched;
    for (const Tensor& x : c.inputs) watched.push_back(tape.watch(x));
    c.f(watched);
    REQUIRE(tape.size() == 1);
    CHECK(tape.node(0).op == row.op);
    seen.insert(tape.node(0).op);
  }
  const std::set<std::string> declared = declared_ops();
  CHECK(declared.size() > 25);
  for (const std::string& op : declared) {
    INFO("core/ops declares " << op);
    CHECK(seen.count(op) == 1);
  }
}

}  // namespace tape::inline TAPE_ABI::test
