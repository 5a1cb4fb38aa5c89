#include <tape/core/name_list.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Letters to change, add, leave out or swap with the next one, in either case (optimal string alignment), row by row.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1), last, before;
  std::iota(row.begin(), row.end(), std::size_t{0});
  const auto same = [&](std::size_t i, std::size_t j) { return lower(a[i]) == lower(b[j]); };
  for (std::size_t i = 0; i < a.size(); ++i) {
    before = std::move(last);
    last = row;
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({last[j] + (same(i, j) ? 0 : 1), last[j + 1] + 1, row[j] + 1});
      if (i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j)) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::string first_names(std::span<const std::string> names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > most) text += str(" and ", names.size() - most, " more");
  return text;
}

std::string nearest_name(std::string_view name, std::span<const std::string_view> known) {
  constexpr std::size_t longest = 64;  // of a misspelt name
  std::string nearest;
  std::size_t least = std::min<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t d = name.size() > longest ? least : distance(name, candidate);
    if (d >= least) continue;
    nearest = candidate;
    least = d;
  }
  return nearest;
}

std::string choices_for(std::string_view name, std::span<const std::string_view> known) {
  std::string all;
  for (const std::string_view candidate : known) all += str(all.empty() ? "" : ", ", candidate);
  const std::string nearest = nearest_name(name, known);
  return nearest.empty() ? "choose one of " + all : str("did you mean ", nearest, "? Choose one of ", all);
}

}  // namespace tape::inline TAPE_ABI
