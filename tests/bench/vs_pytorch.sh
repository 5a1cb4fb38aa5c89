#!/usr/bin/env bash
# Training steps of tapeformer and of PyTorch, in turns in one run, so that a machine that slows down slows both; prints
# the ratio of each pair and the median.
#
#   tests/bench/vs_pytorch.sh              W1 W2 W3 W4, three pairs each: some ten minutes
#   tests/bench/vs_pytorch.sh W1 W4        some of them
#
# Needs build/release/bin/bench (cmake --workflow --preset release) and python3 with torch. PAIRS, SECONDS_EACH, THREADS,
# PYTHON and BENCH change the number of pairs, the seconds of each measurement, the threads and the programs.
set -u -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bench=${BENCH-build/release/bin/bench}
python=${PYTHON-/usr/bin/python3}
pairs=${PAIRS-3}
seconds=${SECONDS_EACH-10}
threads=${THREADS-$(nproc)}
[ -x "$bench" ] || { echo "vs_pytorch.sh: $bench is missing: build with cmake --workflow --preset release" >&2; exit 1; }
. tests/support/tuned_pytorch.sh
fail_without_torch vs_pytorch.sh
results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT

for workload in "${@:-W1 W2 W3 W4}"; do
  for name in $workload; do
    for pair in $(seq "$pairs"); do
      ours=$("$bench" --threads "$threads" train --workload "$name" --seconds "$seconds" --no-floor --json) || exit 1
      theirs=$(env "${tuned[@]}" "$python" tests/bench/train_pytorch.py --workload "$name" --seconds "$seconds" \
        --threads "$threads") || exit 1
      printf '{"pair": %s, "ours": %s, "theirs": %s}\n' "$pair" "$(tr '\n' ' ' <<<"$ours")" "$theirs" >>"$results"
      echo "$name, pair $pair of $pairs: done" >&2
    done
  done
done

"$python" - "$results" <<'END'
import json
import statistics
import sys

with open(sys.argv[1]) as file:
    rows = [json.loads(line) for line in file]
print(f"{'':6}{'tapeformer ms':>16}{'PyTorch ms':>14}{'ratio':>8}{'peak MiB':>12}{'PyTorch':>10}")
for name in dict.fromkeys(row["theirs"]["workload"] for row in rows):
    ratios = []
    for row in (row for row in rows if row["theirs"]["workload"] == name):
        ours, theirs = row["ours"], row["theirs"]
        ratios.append(theirs["ms"]["median"] / ours["ms"]["median"])
        print(
            f"{name:6}{ours['ms']['median']:16.2f}{theirs['ms']['median']:14.2f}{ratios[-1]:8.2f}"
            f"{ours['peak_rss_mib']:12.0f}{theirs['peak_rss_mib']:10.0f}"
        )
    print(f"{name}: tapeformer is {statistics.median(ratios):.2f} times as fast (median of {len(ratios)} pairs)")
END
