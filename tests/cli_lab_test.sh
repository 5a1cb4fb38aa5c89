#!/usr/bin/env bash
# tapeformer lab as people start it: lists, runs, pages, runs that are killed and go on, and wrong input.
#
#   tests/cli_lab_test.sh path/to/tapeformer
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"
export LC_ALL=C

# Help and list
ends_with 0 lab --help
holds "help has examples" grep -q "Examples:" out
ends_with 0 lab run --help
holds "and so has that of a command of the lab" grep -q "tapeformer lab all --quick" out
ends_with 0 lab list
holds "the list has all experiments" test "$(grep -c 'quick .* full' out)" -ge 15
holds "with the number of their cells" grep -qE "^gradient-depth +quick +150 cells" out
holds "no guess of nothing for what takes a moment" grep -qE "^norm-outliers +quick .* cells +<0:01" out

# A run and its page
ends_with 0 lab run norm-outliers --out first --seeds 3 --jobs 1
holds "the number of cells is printed before the run" bash -c "head -1 out | grep -q '1 experiment, 72 cells, 0 of them measured already'"
holds "there is a line for each cell" test "$(wc -l <first/norm-outliers.jsonl)" -eq 72
holds "with configuration and seed" grep -q '"cell":{"norm":"layer","outlier":1,"width":64,"rows":256,"seed":1},"result":{"change":' first/norm-outliers.jsonl
holds "and a page" grep -q "</html>" first/report.html
cp -r first again
ends_with 0 lab run norm-outliers --out again --seeds 3
holds "nothing is measured twice" grep -q "^0 cells measured" out
holds "and the data stay" cmp first/norm-outliers.jsonl again/norm-outliers.jsonl
ends_with 0 lab run norm-outliers --out second --seeds 3 --jobs 2
holds "the same seeds give the same data, however many at once" cmp first/norm-outliers.jsonl second/norm-outliers.jsonl
ends_with 0 lab run norm-outliers --out second --seeds 3 --lang zh
holds "a page in Chinese" grep -q 'lang="zh"' second/report.html
holds "no Markdown unless asked for" test ! -e second/report.md
ends_with 0 lab run norm-outliers --out second --seeds 3 --lang en --markdown
holds "Markdown, too" grep -q '^## norm-outliers$' second/report.md
holds "and its pictures" grep -q "</svg>" second/figures/norm-outliers-1.svg

# Killed at any moment, a run goes on
ends_with 0 lab run gradient-profile --seeds 1 --out whole --jobs 1
for after in 1 4 9; do
  "$program" lab run gradient-profile --seeds 1 --out killed --jobs 1 >/dev/null 2>&1 &
  pid=$!
  for _ in $(seq 600); do
    [ "$(cat killed/gradient-profile.jsonl 2>/dev/null | wc -l)" -ge $after ] && break
    sleep 0.05
  done
  kill -9 $pid
  wait $pid 2>/dev/null
  printf '{"experiment":"gradient-prof' >>killed/gradient-profile.jsonl
done
ends_with 0 lab run gradient-profile --seeds 1 --out killed --jobs 2
holds "the killed run ends with the same data" cmp whole/gradient-profile.jsonl killed/gradient-profile.jsonl

# Ctrl-C finishes the cell in progress
"$program" lab run gradient-profile --seeds 2 --out stopped --jobs 1 >stopped.out 2>&1 &
pid=$!
for _ in $(seq 600); do [ -s stopped/gradient-profile.jsonl ] && break; sleep 0.05; done
kill -TERM $pid
wait $pid
holds "a run that was asked to stop says so" grep -q "the same command goes on from here" stopped.out
holds "and has a page" test -s stopped/report.html

# Wrong input
refused "lab" lab
misused 'a command is missing: choose one of list, run, all' lab
touch not_a_folder
refused 'not_a_folder is not a folder: there is a file of that name' lab run norm-outliers --out not_a_folder
misused 'unknown command "rnu": did you mean run? Choose one of list, run, all' lab rnu norm-outliers
misused 'tapeformer: unknown experiment "rmsnrom": did you mean rmsnorm? Choose one of' lab run rmsnrom --out none
misused 'unknown experiment "gradients": choose one of gradient-depth' lab run gradients --out none
refused "NAME" lab run --out none
refused "exclude each other" lab all --quick --full --out none
refused "--seeds" lab all --seeds 0 --out none
refused "--jobs" lab all --jobs 0 --out none
misused '(see tapeformer lab run --help)' lab run norm-outliers --seeds 0 --out none
misused 'unknown option --sedes: did you mean --seeds?' lab run norm-outliers --sedes 3 --out none
misused 'experiment norm-outliers is named twice' lab run norm-outliers norm-outliers --out none
misused '--lang: unknown language "de": choose one of en, zh, both' lab run norm-outliers --lang de --out none
touch file
refused "file/lab" lab run norm-outliers --seeds 1 --out file/lab
sed -i '3s/"version":1/"version":7/' again/norm-outliers.jsonl
refused "again/norm-outliers.jsonl, line 3, is not of version 1 of the experiment" lab run norm-outliers --out again
sed -i '3s/.*/no JSON/' again/norm-outliers.jsonl
refused "again/norm-outliers.jsonl, line 3, is no line of the lab" lab run norm-outliers --out again

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ] && [ "$checks" -gt 30 ]
