#include <tape/examples/support/numbers.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tape::inline TAPE_ABI::tool {

std::string grouped(int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool after_digit = i > 0 && digits[i - 1] != '-';
    if (after_digit && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(int64_t number, const std::string& one) {
  return grouped(number) + " " + one + (number == 1 ? "" : "s");
}

std::string short_number(double number) {
  if (!(std::fabs(number) >= 999.5)) return fmt::format("{:.0f}", number);
  const bool millions = std::fabs(number) >= 999.5e3;
  const double scaled = number / (millions ? 1e6 : 1e3);
  const int decimals = std::fabs(scaled) >= 99.95 ? 0 : std::fabs(scaled) >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", scaled, decimals, millions ? 'M' : 'k');
}

std::string clock_time(double seconds) {
  const auto total = static_cast<int64_t>(std::lround(std::clamp(seconds, 0.0, 1e9)));
  const int64_t hours = total / 3600;
  const int64_t minutes = total / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60);
  return fmt::format("{}:{:02}", minutes, total % 60);
}

std::vector<std::size_t> some_of(std::size_t count, std::size_t most) {
  std::vector<std::size_t> chosen;
  const std::size_t n = std::min(count, most);
  for (std::size_t i = 0; i < n; ++i) chosen.push_back(n == 1 ? count - 1 : i * (count - 1) / (n - 1));
  return chosen;
}

}  // namespace tape::inline TAPE_ABI::tool
