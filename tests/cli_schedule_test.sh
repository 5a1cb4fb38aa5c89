#!/usr/bin/env bash
# tapeformer schedule as people start it, and training with the schedules that listen or choose their own warm-up: what
# is printed, what is written, and that wrong input ends with one line on standard error and nothing written.
#
#   tests/cli_schedule_test.sh path/to/tapeformer
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"
export LC_ALL=C

# Help
ends_with 0 schedule --help
holds "help has examples" grep -q "Examples:" out
holds "help names the schedules" grep -q "cosine_restarts, inverse_sqrt, noam" out
holds "help shows the defaults" grep -q -- "--steps INT=2000" out

# The table
ends_with 0 schedule --schedule cosine --steps 2000 --warmup 100 --lr 1e-3
holds "the first step has its part of the peak" grep -qE "^ +0 +1\.00e-05$" out
holds "the warm-up ends at the peak" grep -qE "^ +99 +1\.00e-03$" out
holds "the last step has nearly the lowest rate" grep -qE "^ +1,999 +1\.00e-04$" out
holds "there is a mean" grep -qE "^ +mean +5\.48e-04$" out
holds "without UTF-8 there are no other characters" bash -c '! LC_ALL=C grep -q "[^ -~]" out'
ends_with 0 schedule --compare linear,wsd --compare one_cycle
holds "compared schedules stand side by side" grep -qE "step +cosine +linear +wsd +one_cycle$" out
ends_with 0 schedule --schedule plateau
holds "of plateau it says what can not be known" grep -q "as if the validation loss kept falling" out
ends_with 0 schedule --steps 1 --warmup 0 --plot one.svg
holds "one step is one" grep -q "^1 step, warm-up 0" out
holds "and no step is negative" bash -c '! grep -q ">-[0-9.]*</text>" one.svg'
ends_with 0 schedule --steps 1000000000
if locale -a 2>/dev/null | grep -qiE '^C\.utf-?8$'; then
  LC_ALL=C.UTF-8 ends_with 0 schedule
  holds "with UTF-8 there is a plot" grep -q "█████" out
fi

# The warm-up
ends_with 0 schedule --warmup untuned --beta2 0.98
holds "an untuned warm-up follows from beta2" grep -q "warm-up 100," out
ends_with 0 schedule --schedule one_cycle --steps 1000
holds "one_cycle rises for 30 %" grep -q "warm-up 300," out

# Files
ends_with 0 schedule --steps 50 --warmup 5 --lr 0.1 --compare noam,wsd_exponential --csv rates.csv
holds "the file of numbers has a line for each step" test "$(wc -l <rates.csv)" -eq 51
holds "and a head" grep -qx "step,cosine,noam,wsd_exponential" rates.csv
holds "and exact numbers" grep -qx "4,0.1,0.1,0.1" rates.csv
ends_with 0 schedule --compare linear,wsd,one_cycle,inverse_sqrt,cosine_restarts,step,wsd_sqrt --plot eight.svg
holds "the picture names every schedule" bash -c \
  'for n in cosine linear wsd one_cycle inverse_sqrt cosine_restarts step wsd_sqrt; do grep -q ">$n</text>" eight.svg || exit 1; done'
holds "and its axes" bash -c 'grep -q ">learning rate</text>" eight.svg && grep -q ">step</text>" eight.svg'
holds "and the warm-up" grep -q "warm-up of cosine" eight.svg
holds "and has a dark theme" grep -q "prefers-color-scheme: dark" eight.svg
ends_with 0 schedule --log-y --title 'lr < 1 & "more"' --plot log.svg
holds "a title may hold any characters" grep -q "lr &lt; 1 &amp; &quot;more&quot;" log.svg
holds "a logarithmic axis has powers of ten" grep -q ">1e-4</text>" log.svg
if command -v xmllint >/dev/null; then holds "pictures are XML" xmllint --noout eight.svg log.svg; fi
if command -v python3 >/dev/null; then
  holds "pictures can be parsed" python3 -c \
    'import sys, xml.dom.minidom as m; [m.parse(f) for f in sys.argv[1:]]' eight.svg log.svg
fi
cp log.svg before.svg
ends_with 0 schedule --log-y --title 'lr < 1 & "more"' --plot log.svg
holds "the same schedule gives the same picture" cmp before.svg log.svg

# Wrong input
misused 'unknown schedule "up": choose one of constant, linear, cosine' schedule --schedule up
misused 'unknown schedule "up"' schedule --compare linear,up
ends_with 2 schedule --schedule up
misused 'unknown schedule "wsd-sqrt": did you mean wsd_sqrt? Choose one of' schedule --compare linear,wsd-sqrt
misused "--log-y would change nothing here: it is for --plot" schedule --log-y
misused "--title would change nothing here: it is for --plot" schedule --title rates
misused "--beta2 would change nothing here: it is for --warmup untuned" schedule --beta2 7
misused "--beta2 would change nothing here" schedule --warmup 10 --beta2 0.9
misused "--beta2 must be" schedule --warmup untuned --beta2 7
misused "--min-lr would change nothing here" schedule --schedule constant --min-lr 0
misused "--min-lr would change nothing here" schedule --schedule noam --compare step,inverse_sqrt --min-lr 0
ends_with 0 schedule --schedule constant --compare linear --min-lr 0
misused "--compare names cosine a second time" schedule --compare cosine
misused "--compare: at most 8 schedules can be compared" schedule --compare \
  linear,wsd,one_cycle,inverse_sqrt,cosine_restarts,step,wsd_sqrt,noam --plot many.svg
misused "--steps must be at least 1" schedule --steps 0
misused "--steps" schedule --steps many
misused "--warmup must not be longer than the run of 2000 steps" schedule --warmup 2001
misused "--warmup must be at least 0" schedule --warmup -1
misused '--warmup must be a number of steps or "untuned", it is "long"' schedule --warmup long
misused "--warmup must be at least 1 with the noam schedule" schedule --schedule noam --warmup 0
misused "beta2" schedule --warmup untuned --beta2 1
misused "--lr must be" schedule --lr 0
misused "--lr must be" schedule --lr nan
misused "--min-lr must be" schedule --min-lr 1
misused "--min-lr must be above 0 with the exponential schedule" schedule --schedule exponential --min-lr 0
misused "--plot must not be empty" schedule --plot ""
misused "--csv must not be empty" schedule --csv ""
misused "must not name the same file" schedule --plot same --csv same
misused "too many" schedule --steps 1000000000 --csv huge.csv
misused "--title is not UTF-8" schedule --title "$(printf 'l\377')" --plot title.svg
refused "none/rates.svg" schedule --plot none/rates.svg
mkdir folder
refused "folder" schedule --plot folder
misused "--colour" schedule --colour red

# Training
for i in $(seq 60); do echo "line $i of a text."; done | head -c 1200 >text.txt
shape=(--layers 1 --heads 2 --width 8 --context 16 --batch 2 --lr 0.3 --log-every 1)
for name in cosine_restarts square_root wsd_cosine wsd_sqrt wsd_exponential one_cycle plateau; do
  ends_with 0 train --text text.txt "${shape[@]}" --steps 7 --schedule $name --out $name
done
ends_with 0 train --text text.txt "${shape[@]}" --steps 100 --warmup untuned --beta2 0.95 --out untuned
holds "training takes an untuned warm-up" grep -q '"warmup": 40' untuned/config.json
misused "--warmup can not be untuned with sgd" train --text text.txt --optimizer sgd --warmup untuned --out refused

rates() { sed -E 's/.*"step":([0-9]+).*"lr":([^,]*),.*/\1 \2/' "$1/metrics.jsonl" | grep -v '^{'; }
listens=("${shape[@]}" --schedule plateau --warmup 2 --eval-every 2 --eval-windows 4)
ends_with 0 train --text text.txt "${listens[@]}" --steps 60 --out whole
rates whole >whole.rates
holds "the rate falls when the loss does not" test "$(cut -d' ' -f2 whole.rates | sort -u | wc -l)" -ge 4
ends_with 0 train --text text.txt "${listens[@]}" --steps 25 --out cut
refused "--eval-every can not be changed with --resume" train --resume cut --steps 60 --eval-every 3
ends_with 0 train --resume cut --steps 60 --eval-every 2
rates cut >cut.rates
holds "a continued run has the same rates" cmp whole.rates cut.rates
holds "and the same model" cmp whole/model.safetensors cut/model.safetensors
holds "and the same checkpoint" cmp whole/checkpoint.safetensors cut/checkpoint.safetensors

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ] && [ "$checks" -gt 70 ]
