#!/usr/bin/env bash
# The default training run by tapeformer and by PyTorch, side by side: loss and speed, as a table.
#
#   tests/golden/compare_quickstart.sh            the whole run of 2000 steps, with two seeds: several minutes
#   tests/golden/compare_quickstart.sh STEPS      a shorter one
#
# The two take turns, so that a machine that slows down slows both. First it is checked that PyTorch finds the same
# validation loss for the model that tapeformer wrote. Needs build/release (examples/quickstart.sh makes it and the
# text) and python3 with torch. TAPEFORMER, PYTHON and TEXT name others. Results stay in build/compare.
set -u -o pipefail

fail() {
  echo "compare_quickstart.sh: $1" >&2
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
steps=${1-2000}
tool=${TAPEFORMER-build/release/bin/tapeformer}
python=${PYTHON-/usr/bin/python3}
text=${TEXT-build/data/kjv.txt}
peer=tests/golden/train_pytorch.py
out=build/compare
threads=$(nproc)

case $steps in '' | *[!0-9]*) fail "give a number of steps, not '$steps'" ;; esac
[ "$steps" -ge 20 ] || fail "give at least 20 steps: the speed is measured over so many"
[ -x "$tool" ] || fail "$tool is missing: start examples/quickstart.sh first, or set TAPEFORMER"
[ -r "$text" ] || fail "$text is missing: start examples/quickstart.sh first, or set TEXT"
. tests/support/tuned_pytorch.sh
fail_without_torch compare_quickstart.sh
mkdir -p "$out" || fail "can not write to $out"

for seed in 1 2; do
  echo "== seed $seed: tapeformer"
  "$tool" train --text "$text" --out "$out/seed$seed" --force --steps "$steps" --seed "$seed" --threads "$threads" ||
    fail "tapeformer failed, see above"
  if [ "$seed" = 1 ]; then
    echo "== the same model, measured by PyTorch"
    env "${tuned[@]}" "$python" $peer --text "$text" --evaluate "$out/seed1" || fail "PyTorch failed, see above"
  fi
  echo "== seed $seed: PyTorch"
  env "${tuned[@]}" "$python" $peer --text "$text" --steps "$steps" --seed "$seed" --threads "$threads" \
    --json "$out/pytorch$seed.json" || fail "PyTorch failed, see above"
done

echo
"$python" - "$out" <<'END'
import json
import statistics
import sys

folder = sys.argv[1]
print(f"{'':8}{'tapeformer':>24}{'PyTorch':>24}")
columns = f"{'val. loss':>12}{'tokens/s':>12}"
print(f"{'seed':8}{columns}{columns}{'speed ratio':>14}{'loss apart':>12}")
ratios = []
for seed in (1, 2):
    with open(f"{folder}/seed{seed}/metrics.jsonl") as file:
        lines = [json.loads(line) for line in file]
    loss = [line["val_loss"] for line in lines if "val_loss" in line][-1]
    speed = statistics.median(line["tokens_per_s"] for line in lines if "tokens_per_s" in line)
    with open(f"{folder}/pytorch{seed}.json") as file:
        peer = json.load(file)
    ratios.append(speed / peer["tokens_per_s"])
    apart = loss - peer["validation_loss"]
    print(
        f"{seed:<8}{loss:12.4f}{speed:12.0f}{peer['validation_loss']:12.4f}{peer['tokens_per_s']:12.0f}"
        f"{ratios[-1]:14.2f}{apart:12.4f}"
    )
print(f"tapeformer is {statistics.mean(ratios):.2f} times as fast")
END
