#!/usr/bin/env bash
# Installs what is missing (Debian, Ubuntu), builds and tests.
#
#   tests/run.sh               the optimised build and all its tests
#   tests/run.sh all           what has to pass before a change is accepted: style release asan tsan. Clang's warnings
#                              count there too: it compiles the builds with sanitizers. Their tests run with two
#                              threads, those of release with one; alone it runs them with one and with two
#   tests/run.sh PART...       some of: style release schemes browser clang asan tsan portable debug nightly
#
# The last line counts tests: "N passed, N failed". Exits with 0 when none failed. Builds are in build/PART.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. examples/install_packages.sh

parts=("$@")
all=no
strict=OFF
case "${1-}" in
  '') parts=(release) ;;
  all) parts=(style release asan tsan) all=yes ;;
esac
if [ "$all" = yes ] || [ -n "${CI-}" ]; then strict=ON; fi

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

finish() {
  echo
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

stop() {
  echo "tests/run.sh: $1" >&2
  failed=$((failed + 1))
  finish
}

# check "what it is" command...: one test of its own.
check() {
  local what=$1
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok: $what"
  else
    failed=$((failed + 1))
    cat "$log"
    echo "FAILED: $what"
  fi
}

# ctest_part PRESET ctest-arguments...: runs the tests of a build and adds up what ctest counts.
ctest_part() {
  local line bad total
  ctest --preset "$@" >"$log" 2>&1
  line=$(grep -E 'tests failed out of [0-9]+' "$log" | tail -n 1)
  if [ -z "$line" ]; then
    cat "$log"
    stop "ctest found no tests in build/$1"
  fi
  bad=$(sed -E 's/.* ([0-9]+) tests? failed out of .*/\1/' <<<"$line")
  total=$(sed -E 's/.* out of ([0-9]+).*/\1/' <<<"$line")
  if [ "$bad" -gt 0 ]; then
    grep -vE '^ *[0-9]+/[0-9]+ Test .* Passed |^ +Start +[0-9]+:' "$log"
  fi
  passed=$((passed + total - bad))
  failed=$((failed + bad))
  echo "$1, OMP_NUM_THREADS=$OMP_NUM_THREADS: $line"
}

build() {
  echo "== $1: building"
  local options=(-DTAPE_WERROR=$strict)
  if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  if ! cmake --preset "$1" "${options[@]}" >"$log" 2>&1 || ! cmake --build --preset "$1" >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "FAILED: the $1 build"
    failed=$((failed + 1))
    return 1
  fi
}

# Many tests at once with one thread each, then again with two threads each, which are more than there are processors:
# they must not wait busily.
test_with_one_and_two_threads() {
  OMP_NUM_THREADS=1 ctest_part "$1" -j "$(nproc)"
  if [ "$all" = yes ]; then return; fi
  # By name: ctest leaves out what all filters of labels name, and the preset has one. Tests that set the number of
  # threads themselves have nothing new to show here.
  OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive ctest_part "$1" -j "$(nproc)" -E '^f64:|same bits with|threads changes no bit|One thread and two|^package$'
}

style() {
  echo "== style"
  local file scripts=()
  while IFS= read -r file; do scripts+=("$file"); done < <(find .ci examples tests -type f \( -name '*.sh' -o -path '.ci/run' \))
  for file in "${scripts[@]}"; do check "bash can read $file" bash -n "$file"; done
  if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then  # other versions lay some lines out otherwise
    check "clang-format would change nothing" layout
  else
    echo "skipped: the layout check needs clang-format 14"
  fi
}

# Compares texts: clang-format 14 with --dry-run also complains about changes that change nothing. All files at once, as
# most of its time goes into its start.
layout() {
  local files file
  mapfile -t files < <(find core nn optim examples tests -name '*.h' -o -name '*.cpp')
  clang-format "${files[@]}" | cmp -s - <(cat "${files[@]}") && return
  for file in "${files[@]}"; do
    clang-format "$file" | diff -u --label "$file" --label "$file, formatted" "$file" -
  done
  return 1
}

groups=(build tests)
for part in "${parts[@]}"; do
  case $part in
    release | schemes | nightly | portable | debug) ;;
    browser) groups=("${groups[@]}" browser) ;;
    style | clang | asan | tsan) groups=("${groups[@]}" ci) ;;
    *) stop "there is no part '$part'; parts are style release schemes browser clang asan tsan portable debug nightly, or all" ;;
  esac
done
install_packages "${groups[@]}" || stop "packages are missing"
if ! printf '3.25\n%s\n' "$(cmake --version | sed -n 's/cmake version //p')" | sort -V -C; then
  stop "cmake 3.25 or newer is needed (Debian 12, Ubuntu 24.04)"
fi

for part in "${parts[@]}"; do
  SECONDS=0
  case $part in
    style) style ;;
    schemes | browser | nightly) build release && OMP_NUM_THREADS=1 ctest_part "$part" -j "$(nproc)" ;;
    clang) build clang && OMP_NUM_THREADS=1 ctest_part clang -j "$(nproc)" ;;
    asan) build asan && OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive ctest_part asan -j "$(nproc)" ;;
    tsan) build tsan && OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive ctest_part tsan -j "$(nproc)" ;;
    *) build "$part" && test_with_one_and_two_threads "$part" ;;
  esac
  echo "== $part: done after $SECONDS s"
done
finish
