#!/usr/bin/env bash
# The pages that tapeformer writes, in a real browser: Debian's chromium without a window. tests/browser/check_page.py says
# what is looked at. Without chromium or python3 the test is skipped (exit code 77).
#
#   tests/browser_test.sh path/to/tapeformer [FOLDER]      FOLDER keeps the pages, and pictures of them to look at
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -n "${2-}" ]; then mkdir -p "$2" && folder=$(realpath "$2") || exit 1; else folder=; fi
for command in python3 chromium; do
  command -v $command >/dev/null || { echo "skipped: there is no $command here (Debian: apt-get install chromium python3)"; exit 77; }
done
. "$here/support/cli.sh"

for i in $(seq 200); do echo "Number $i & <so on>, of a text."; done >text.txt
for i in $(seq 60); do printf 'ab%s cd\tAB%s CD\n' "$((i % 10))" "$((i % 10))"; done >pairs.tsv
shape=(--layers 3 --heads 4 --batch 8 --width 32 --steps 40)
ends_with 0 train --text text.txt --context 48 "${shape[@]}" --out gpt
ends_with 0 train --text text.txt --arch bert --context 24 "${shape[@]}" --scheme post --out bert
ends_with 0 train --pairs pairs.tsv --arch encdec --context 16 "${shape[@]}" --out encdec
for run in gpt bert encdec; do ends_with 0 inspect $run --out "inspect-$run.html"; done
ends_with 0 lab run norm-outliers gradient-profile --quick --seeds 3 --out lab
mv lab/report.html lab.html

pictures=()
if [ -n "$folder" ]; then pictures=(--pictures "$folder"); cp ./*.html "$folder"; fi
python3 "$here/browser/check_page.py" "${pictures[@]}" ./*.html
[ $? -eq 0 ] && [ "$failures" -eq 0 ]
