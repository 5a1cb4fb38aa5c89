#!/usr/bin/env bash
# Training steps of tapeformer, PyTorch and libtorch, in turns in one run, so that a machine that slows down slows all;
# prints the ratio of each turn, against the faster of the two, and the median.
#
#   tests/bench/vs_pytorch.sh              W1 W2 W3 W4, three turns each: some fifteen minutes
#   tests/bench/vs_pytorch.sh W1 W4        some of them
#
# Needs build/release/bin/bench (cmake --workflow --preset release) and python3 with torch. Where CMake finds libtorch it
# builds libtorch/train_libtorch.cpp, else PyTorch is the only peer. PAIRS, SECONDS_EACH, THREADS, PRECISION (f32 or
# bf16), PYTHON and BENCH change the number of turns, the seconds of each measurement, the threads, what products are
# computed in, and the programs. RESULTS=FILE keeps what each of them printed, a line for each turn.
set -u -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bench=${BENCH-build/release/bin/bench}
python=${PYTHON-/usr/bin/python3}
pairs=${PAIRS-3}
seconds=${SECONDS_EACH-10}
threads=${THREADS-$(nproc)}
precision=${PRECISION-f32}
[ -x "$bench" ] || { echo "vs_pytorch.sh: $bench is missing: build with cmake --workflow --preset release" >&2; exit 1; }
. tests/support/tuned_pytorch.sh
fail_without_torch vs_pytorch.sh
results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT

libtorch=build/libtorch/train_libtorch
mkdir -p build || exit 1
if cmake -S tests/bench/libtorch -B build/libtorch >build/libtorch.log 2>&1; then
  cmake --build build/libtorch >>build/libtorch.log 2>&1 || { tail -n 20 build/libtorch.log; exit 1; } >&2
else
  echo "vs_pytorch.sh: without libtorch, see build/libtorch.log; on Debian or Ubuntu: apt-get install libtorch-dev" >&2
  libtorch=
fi

for workload in "${@:-W1 W2 W3 W4}"; do
  for name in $workload; do
    for pair in $(seq "$pairs"); do
      ours=$("$bench" --threads "$threads" train --workload "$name" --seconds "$seconds" --precision "$precision" \
        --no-floor --json) || exit 1
      same=(--workload "$name" --seconds "$seconds" --threads "$threads" --precision "$precision")
      pytorch=$(env "${tuned[@]}" "$python" tests/bench/train_pytorch.py "${same[@]}") || exit 1
      native=null
      if [ -n "$libtorch" ]; then native=$(env "${tuned[@]}" $libtorch "${same[@]}") || exit 1; fi
      printf '{"ours": %s, "pytorch": %s, "libtorch": %s}\n' "$(tr '\n' ' ' <<<"$ours")" "$pytorch" "$native" >>"$results"
      echo "$name, turn $pair of $pairs: done" >&2
    done
  done
done

if [ -n "${RESULTS-}" ]; then cp "$results" "$RESULTS" || exit 1; fi

"$python" - "$results" <<'END'
import json
import statistics
import sys

with open(sys.argv[1]) as file:
    rows = [json.loads(line) for line in file]
programs = {"ours": "tapeformer", "pytorch": "PyTorch", "libtorch": "libtorch"}
programs = {key: name for key, name in programs.items() if rows[0][key]}
print(f"{'':6}" + "".join(f"{name + ' ms':>15}{'MiB':>6}" for name in programs.values()) + f"{'ratio':>8}")
for name in dict.fromkeys(row["ours"]["workload"] for row in rows):
    ratios = []
    for row in (row for row in rows if row["ours"]["workload"] == name):
        times = {key: row[key]["ms"]["median"] for key in programs}
        ours = times.pop("ours")
        ratios.append(min(times.values()) / ours)
        columns = (f"{row[key]['ms']['median']:15.2f}{row[key]['peak_rss_mib']:6.0f}" for key in programs)
        print(f"{name:6}" + "".join(columns) + f"{ratios[-1]:8.2f}")
    print(f"{name}: tapeformer is {statistics.median(ratios):.2f} times as fast (median of {len(ratios)} turns)")
END
