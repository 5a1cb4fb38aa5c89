#!/usr/bin/env bash
# The program tapeformer as people start it: what it prints, what it writes, and how it answers wrong input: with one line
# on standard error, exit code 1 or 2, and nothing written.
#
#   tests/cli_test.sh path/to/tapeformer
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"

# A text of 1,200 characters with some structure, and the smallest sensible run on it.
for i in $(seq 60); do echo "line $i of a text."; done | head -c 1200 >text.txt
shape=(--layers 1 --heads 2 --width 8 --context 16 --batch 2)
tiny=("${shape[@]}" --steps 4)

# Help and version
ends_with 0 --help
holds "help names the subcommands" grep -q "train .*Train" out
ends_with 0 train --help
holds "help of train has examples" grep -q "Examples:" out
holds "help of train shows the defaults" grep -q -- "--width INT=128" out
ends_with 0 sample --help
holds "help of sample has examples" grep -q "Examples:" out
ends_with 0 --version
holds "the version names who computes products" grep -qE "^products +(small weights by a kernel of our own; otherwise |all by )?(oneDNN [0-9.]+ with|BLAS: )" out
holds "the version names compiler and BLAS" grep -qE "^BLAS .*OpenBLAS" out

# Command lines that make no sense
misused "a command is missing: choose one of train, sample, inspect, schedule, schemes, lab, report (see tapeformer --help)"
misused 'unknown command "paint": choose one of train, sample, inspect, schedule, schemes, lab, report' paint
misused 'unknown command "trian": did you mean train? Choose one of train, sample' trian --text text.txt
misused "--text is required" train
misused "unknown option --colour (see tapeformer train --help)" train --text text.txt --colour red
misused "unknown option --layer: did you mean --layers? (see tapeformer train --help)" train --text text.txt --layer 3
misused "unknown option --kv_heads: did you mean --kv-heads?" train --text text.txt --kv_heads=2
misused "unknown option --verson: did you mean --version?" --verson
misused "unknown option --modle: did you mean --model?" sample --modle m
misused 'unexpected "q"; --model is required (see tapeformer sample --help)' sample q
misused 'unexpected "q" (see tapeformer sample --help)' sample --model m q
misused "--layers" train --text text.txt --layers many
misused "--layers needs a value (see tapeformer train --help)" train --text text.txt --layers
misused "--text is given more than once (see tapeformer train --help)" train --text text.txt --text text.txt
misused "--lr must be a number, it is fast (see tapeformer train --help)" train --text text.txt --lr fast
misused "--force takes no value (see tapeformer train --help)" train --text text.txt --force=maybe
misused 'unknown scheme "before": choose one of post, pre, deepnorm' train --text text.txt --scheme before
misused 'unknown scheme "DeepNrom": did you mean deepnorm? Choose one of post, pre' train --text text.txt --scheme DeepNrom
misused 'unknown scheme "Pre-LN": did you mean pre? Choose' train --text text.txt --scheme Pre-LN
misused 'unknown norm "rmsnorm": did you mean rms? Choose one of layer, rms' train --text text.txt --norm rmsnorm
misused 'unknown norm "batch": choose one of layer, rms' train --text text.txt --norm batch
misused 'unknown precision "fp8": choose one of f32, bf16, bf16-emulated' train --text text.txt --precision fp8
misused "unknown activation" train --text text.txt --activation step
misused "unknown positions" train --text text.txt --positions absolute
misused "unknown optimizer" train --text text.txt --optimizer adagrad
misused 'unknown decay "some": choose one of coupled, independent' train --text text.txt --decay some
misused "unknown schedule" train --text text.txt --schedule up

# Values out of range
misused "tapeformer: --width 130 must be a positive multiple of --heads 4" train --text text.txt --width 130 --out run
misused "tapeformer: --layers must be at least 1, it is 0 (see tapeformer train --help)" train --text text.txt --layers 0 --out run
misused "--heads must be at least 1" train --text text.txt --heads -1 --out run
misused "--width must be at least 1" train --text text.txt --width 0 --out run
misused "--context must be at least 1" train --text text.txt --context 0 --out run
misused "--hidden must not be negative" train --text text.txt --hidden -8 --out run
misused "--dropout must be" train --text text.txt --dropout 1.5 --out run
misused "--decay independent is for adamw, not for lion" train --text text.txt --optimizer lion --decay independent --out run
misused "--no-bias-correction: only adam and adamw can do without, not muon" train --text text.txt --optimizer muon --no-bias-correction --out run
misused "--ema must be at least 0 (none) and below 1, it is 1" train --text text.txt --ema 1 --out run
misused "--ema is not for schedule-free" train --text text.txt --optimizer schedule-free --ema 0.9 --out run
misused "--beta2 must be" train --text text.txt --optimizer lion --beta2 2 --out run
misused "--steps must be at least 1" train --text text.txt --steps 0 --out run
misused "--batch must be at least 1" train --text text.txt --batch 0 --out run
misused "--eval-windows must be" train --text text.txt --eval-windows 0 --out run
misused "--kv-heads 3" train --text text.txt --kv-heads 3 --out run
misused "--window must" train --text text.txt --window -1 --out run
misused "--lr must be" train --text text.txt --lr -1 --out run
misused "--lr must be" train --text text.txt --lr nan --out run
misused "--min-lr must be" train --text text.txt --min-lr 1 --out run
misused "--warmup must" train --text text.txt --warmup 5000 --out run
misused "--beta1 must be" train --text text.txt --beta1 1 --out run
misused "--weight-decay must be" train --text text.txt --weight-decay -1 --out run
misused "--clip must be" train --text text.txt --clip -1 --out run
misused "--log-every must be at least 1" train --text text.txt --log-every 0 --out run
misused "--threads: must be from 1 to 1024, it is 0" train --text text.txt --threads 0 --out run
misused "--threads: must be from 1 to 1024, it is 99999999999" sample --model run --threads 99999999999
misused "rotary positions need an even head size, but --width 12 over" train --text text.txt --width 12 --heads 4 --positions rotary --out run
misused "--layers 4, --width 1000000, --batch 12 and --context 64 need at least" train --text text.txt --width 1000000 --out run
misused "GiB of memory" train --text text.txt --layers 999999999 --out run
misused "--layers must be at most" train --text text.txt --layers 9223372036854775807 --out run

# Whole numbers
misused "--layers: must be at most 9223372036854775807, it is 99999999999999999999" \
  train --text text.txt --layers 99999999999999999999 --out run
misused "--layers: must be at least -9223372036854775808, it is -99999999999999999999" \
  train --text text.txt --layers -99999999999999999999 --out run
misused "--seed: must be at most 18446744073709551615, it is 18446744073709551616" \
  train --text text.txt --seed 18446744073709551616 --out run
for number in many 3.5 0x10 1e3 4x +4 --4; do
  misused "--steps: must be a whole number in decimal digits, it is $number" \
    train --text text.txt "--steps=$number" --out run
done

# Texts
misused "--lr must be a number above 0 and at most 1e30" train --text text.txt --lr 1e40 --out run
refused "there is no file nothing.txt" train --text nothing.txt --out run
mkdir folder
refused "folder is a folder" train --text folder --out run
: >empty.txt
refused "empty.txt is empty" train --text empty.txt --out run
printf 'caf\351 au lait' >latin1.txt
refused "latin1.txt is not UTF-8: byte 0xE9 at offset 3" train --text latin1.txt --out run
head -c 400 text.txt >short.txt
refused "short.txt is too short for a context of 64" train --text short.txt --out run
refused "use a text of at least 650 characters or a smaller --context" train --text short.txt --out run
refused "/dev/zero is a device" train --text /dev/zero --out run
if [ "$(id -u)" -ne 0 ]; then
  cp text.txt locked.txt && chmod 000 locked.txt
  refused "can not read locked.txt" train --text locked.txt --out run
  rm -f locked.txt
  mkdir closed && chmod 500 closed
  refused "can not write to the output folder" train --text text.txt --out closed/run
fi

# Output folders
refused "can not write to the output folder text.txt" train --text text.txt "${tiny[@]}" --out text.txt
refused "can not write to the output folder text.txt/run" train --text text.txt "${tiny[@]}" --out text.txt/run
refused "can not write to the output folder /proc/none/run" train --text text.txt "${tiny[@]}" --out /proc/none/run
refused "--out must not be empty" train --text text.txt "${tiny[@]}" --out ""

# A text is not written over by the run that learns it, whatever its name
mkdir own && cp text.txt own/metrics.jsonl && cp text.txt own/report.html && ln -s ../text.txt own/config.json
cksum own/* text.txt >own.before
for text in own/metrics.jsonl own/report.html own/../own/metrics.jsonl text.txt; do
  refused "$text would be replaced by the run, which writes its own own/" \
    train --text "$text" "${tiny[@]}" --out own --force
done
cksum own/* text.txt >own.after
holds "such a text is untouched" cmp own.before own.after
rm -r own

# A run
ends_with 0 train --text text.txt "${tiny[@]}" --out a/run
for file in config.json tokenizer.json metrics.jsonl model.safetensors checkpoint.safetensors; do
  holds "a run writes $file" test -s a/run/$file
done
holds "a run writes nothing else" test "$(find a -type f | wc -l)" -eq 5
holds "a run prints no control characters into a pipe" bash -c '! grep -q $'"'\\r'"' out'
holds "a run says how good it became" grep -q "validation loss" out
holds "one layer is no layers" grep -qE "^model .*: 1 layer, 2 heads, width 8" out
holds "the status has all its parts" grep -qE \
  "4/4  loss [0-9.]+  val [0-9.]+  [0-9:]+ left  [0-9.kM]+ tok/s  lr [0-9.e+-]+  grad [0-9.]+" out
holds "metrics are JSON with the expected entries" grep -qE \
  '^\{"step":4,"loss":[0-9.]+,"val_loss":[0-9.]+,"lr":[0-9.e-]+,"grad_norm":[0-9.]+,"tokens_per_s":[0-9.e+]+,"seconds":[0-9.e-]+\}$' \
  a/run/metrics.jsonl
ends_with 0 train --text text.txt "${tiny[@]}"
holds "the default folder is named after the text" test -s runs/text/model.safetensors
rm -r runs
ends_with 0 train --text text.txt "${shape[@]}" --steps 010 --seed 18446744073709551615 --out decimal
holds "a number with a zero before it is decimal" grep -q '"steps": 10,' decimal/config.json
holds "the largest seed is taken as it is" grep -q '"seed": 18446744073709551615' decimal/config.json
rm -r decimal

ends_with 0 train --text text.txt "${tiny[@]}" --precision bf16-emulated --out low
holds "a run says its precision" grep -q "matrix products in bf16-emulated" out
holds "the precision is part of the run" grep -q '"precision": "bf16-emulated"' low/config.json
holds "the precision changes the model" bash -c '! cmp -s low/model.safetensors a/run/model.safetensors'
ends_with 0 sample --model low --tokens 5
refused "--precision can not be given with --resume" train --resume low --precision f32
rm -r low

# A second run in its folder
refused "already holds a run: --force replaces it, --resume a/run continues it" train --text text.txt "${tiny[@]}" --out a/run
echo mine >a/run/notes.txt
echo old >a/run/inspect.html
ends_with 0 train --text text.txt "${tiny[@]}" --seed 5 --out a/run --force
holds "--force replaces the run" grep -q '"seed": 5' a/run/config.json
holds "--force removes the page about the model" test ! -e a/run/inspect.html
holds "--force leaves other files alone" grep -q mine a/run/notes.txt

# What is another program's is not replaced, and what a killed one left is removed
mkdir others
echo '{"architectures": ["GPT2LMHeadModel"]}' >others/config.json
echo weights >others/model.safetensors
for force in "" --force; do
  refused "others/config.json is not of a run of this program" train --text text.txt "${tiny[@]}" --out others $force
done
holds "another program's files stay" grep -q weights others/model.safetensors
rm others/config.json
refused "others/model.safetensors is not of a run of this program" train --text text.txt "${tiny[@]}" --out others --force
rm -r others
touch a/run/checkpoint.safetensors.tmp.1.0 a/run/notes.txt.tmp.1.0
ends_with 0 train --text text.txt "${tiny[@]}" --seed 5 --out a/run --force
holds "leftovers of a save go" test ! -e a/run/checkpoint.safetensors.tmp.1.0
holds "nothing else goes" test -e a/run/notes.txt.tmp.1.0

# The same bits with any number of threads, and after an interruption
ends_with 0 train --text text.txt "${tiny[@]}" --threads 1 --out t1
for threads in 2 3 4; do
  ends_with 0 train --text text.txt "${tiny[@]}" --threads $threads --out t$threads
  holds "$threads threads give the model of 1" cmp t1/model.safetensors t$threads/model.safetensors
done
ends_with 0 train --resume t1
holds "a complete run is not trained further" grep -q "complete" out

long=("${shape[@]}" --schedule constant --warmup 2 --dropout 0.1 --log-every 1)
"$program" train --text text.txt "${long[@]}" --steps 100000000 --out stopped >out 2>err </dev/null &
pid=$!
for try in $(seq 300); do # until it is under way
  [ "$(cat stopped/metrics.jsonl 2>/dev/null | wc -l)" -gt 20 ] && break
  sleep 0.1
done
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 130 ]
verdict "a run that is told to stop exits with 130" $? "exit code $code"
holds "it says how to go on" grep -q "tapeformer train --resume stopped" out
step=$(tail -n 1 stopped/metrics.jsonl | sed -E 's/^\{"step":([0-9]+).*/\1/')
# The rate is constant after the warm-up, so a run with fewer steps in its recipe has the same course.
ends_with 0 train --resume stopped --steps $((step + 7))
ends_with 0 train --text text.txt "${long[@]}" --steps $((step + 7)) --out whole
holds "the continued run has the same model" cmp stopped/model.safetensors whole/model.safetensors
course() { sed -E 's/,"(val_loss|tokens_per_s|seconds)":[^,}]*//g' "$1/metrics.jsonl"; }
course stopped >course.stopped
course whole >course.whole
holds "and the same course" cmp course.stopped course.whole

# A step of many batches stops between them, and leaves the run as it was after the step before
stops_midway() { # stops_midway arguments...: is told to stop while its first step is under way
  "$program" "$@" >out 2>err </dev/null &
  pid=$!
  for try in $(seq 300); do
    grep -q '"step":0' midway/metrics.jsonl 2>/dev/null && break
    sleep 0.1
  done
  sleep 0.5
  kill -TERM $pid
  wait $pid
  code=$?
  [ $code -eq 130 ]
  verdict "tapeformer $* ends with 130" $? "exit code $code"$'\n'"$(cat err)"
  holds "it answers at once" grep -q "^stopping  after what is under way, with all saved; Ctrl-C again stops at once" out
  holds "it is stopped before the step" grep -q "^stopped   after step 0 of 3, all is saved" out
  holds "no numbers of it are written" test "$(wc -l <midway/metrics.jsonl)" -eq 1
}
stops_midway train --text text.txt "${shape[@]}" --steps 3 --accumulate 100000 --log-every 1 --out midway
cksum midway/*.safetensors >midway.before
rm midway/metrics.jsonl
stops_midway train --resume midway
cksum midway/*.safetensors >midway.after
holds "nor did it change the model" cmp midway.before midway.after

# A signal changes nothing but the course: with a model of the usual size most of the time goes into products
for i in $(seq 10); do
  "$program" train --text text.txt --steps 100000 --eval-windows 1 --log-every 1 --out "often$i" >out 2>err </dev/null &
  pid=$!
  for try in $(seq 300); do
    [ "$(cat "often$i/metrics.jsonl" 2>/dev/null | wc -l)" -gt 1 ] && break
    sleep 0.1
  done
  sleep "0.0$i"
  kill -TERM $pid
  wait $pid
  code=$?
  [ $code -eq 130 ] && [ -s "often$i/checkpoint.safetensors" ]
  verdict "a run of the usual size that is told to stop is saved, try $i" $? "exit code $code"$'\n'"$(cat err)"
  rm -r "often$i"
done

# Told to stop before it has read its text, it writes nothing, and replaces nothing
mkfifo slow.txt
stops_early() { # stops_early arguments...: is told to stop while it reads slow.txt
  exec 3<>slow.txt
  "$program" train "$@" >out 2>err </dev/null 3>&- &
  pid=$!
  for try in $(seq 300); do # until the program itself, not yet the shell's copy of itself, has opened the text
    [ "$(readlink /proc/$pid/exe)" = "$program" ] && ls -l /proc/$pid/fd | grep -q slow.txt && break
    sleep 0.1
  done
  kill -TERM $pid
  cat text.txt >&3
  exec 3>&-
  wait $pid
  code=$?
  [ $code -eq 130 ] && grep -q "^stopped   before the run began, nothing was written" out
  verdict "tapeformer train $* can be stopped before it begins" $? "exit code $code"$'\n'"$(cat out err)"
}
cp -r t1 kept
stops_early --text slow.txt "${tiny[@]}" --out early
holds "and leaves no folder" test ! -e early
stops_early --text slow.txt "${tiny[@]}" --out kept --force
stops_early --text slow.txt --resume kept --steps 8
holds "and changes nothing" diff -r t1 kept

# The end of a terminal is no reason to lose a run
env --default-signal=HUP "$program" train --text text.txt "${long[@]}" --steps 100000000 --eval-every 1000000 \
  --out hung >out 2>err </dev/null &
pid=$!
for try in $(seq 300); do
  [ "$(cat hung/metrics.jsonl 2>/dev/null | wc -l)" -gt 5 ] && break
  sleep 0.1
done
kill -HUP $pid
for try in $(seq 300); do
  kill -0 $pid 2>/dev/null || break
  sleep 0.1
done
kill -KILL $pid 2>/dev/null
wait $pid
code=$?
[ $code -eq 130 ] && grep -q "all is saved" out && [ -s hung/checkpoint.safetensors ]
verdict "a run whose terminal is closed is saved" $? "exit code $code"$'\n'"$(cat out err)"
holds "an older validation loss is dated" grep -qE "^ *[1-9][0-9]*/100000000 .*val [0-9.]+ at 0  [0-9:]+ left" out

# Another number of steps than was planned stretches a schedule
cp -r t1 longer
ends_with 0 train --resume longer --steps 8
holds "that is said" grep -qE "^schedule  that of 8 steps now, not of 4: the learning rate goes on with [0-9.e-]+ instead of" out
holds "a fresh validation loss has no date" grep -qE "^8/8 .*val [0-9.]+  [0-9:]+ left" out

# An error in between says how to go on
cp -r t1 blocked
ln -sf /dev/null blocked/model.safetensors
ends_with 1 train --resume blocked --steps 8
holds "how to go on is said" grep -qE "can not write /dev/null.*when its cause is removed, go on from the last checkpoint with: .*train --resume blocked" err

# A folder is for one process at a time
"$program" train --text text.txt "${long[@]}" --steps 100000000 --save-every 100000000 --out busy >/dev/null 2>&1 &
pid=$!
for try in $(seq 300); do
  [ "$(cat busy/metrics.jsonl 2>/dev/null | wc -l)" -gt 5 ] && break
  sleep 0.1
done
for again in "--resume busy" "--text text.txt --out busy --force" "--text text.txt --out busy"; do
  ends_with 1 train $again
  holds "the other process is named" grep -q "another process writes into busy: wait for its end" err
done
ends_with 1 sample --model busy
holds "a model that is still to come is announced" grep -q "the run in busy has no model yet: a process is training it" err
kill -TERM $pid
wait $pid
refused "is too few" train --resume busy --steps 3

cp -r stopped mixed
ends_with 0 train --text text.txt "${long[@]}" --steps 5 --seed 9 --out another
cp another/checkpoint.safetensors mixed/
refused "mixed/checkpoint.safetensors belongs to another run" train --resume mixed --steps $((step + 9))
refused "--lr can not be given with --resume" train --resume stopped --lr 0.1
refused "--force can not be given with --resume" train --resume stopped --force
refused "there is no folder none: give that of a run" train --resume none
refused "folder holds no run, folder/config.json is missing: give that of a run" train --resume folder
refused "steps: --steps 3 is too few" train --resume stopped --steps 3
refused "steps: --steps 1 is too few" train --resume stopped --steps 1
misused "--steps must be at least 1" train --resume stopped --steps 0
misused "--log-every must be at least 1" train --resume stopped --log-every 0
sed 's/line/Line/' text.txt >other.txt
mv text.txt moved.txt
refused "text.txt, which this run learns from: if it was moved, name it with --text" train --resume stopped --steps 100000
mv moved.txt text.txt
refused "other.txt is not the text that this run began with" train --resume stopped --text other.txt --steps 100000
cp -r stopped broken
head -c 500 stopped/checkpoint.safetensors >broken/checkpoint.safetensors
refused "; or start anew with --out broken --force" train --resume broken --steps 100000
rm broken/checkpoint.safetensors
refused "there is nothing to continue in broken" train --resume broken --steps 100000
refused "broken already holds a run: it has no checkpoint yet, --force starts it anew, another --out keeps it" \
  train --text text.txt "${tiny[@]}" --out broken
rm -r broken

# A loss that is not finite
timeout 60 "$program" train --text text.txt "${shape[@]}" --steps 50 --optimizer sgd --lr 1e30 --clip 0 --out wild \
  >out 2>err </dev/null
code=$?
[ $code -eq 1 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "training stopped at step .*smaller --lr" err
verdict "a loss that is not finite is told in one line" $? "exit code $code"$'\n'"$(cat err)"
holds "and its metrics stay" grep -q null wild/metrics.jsonl

# Samples
cp -r t1 m
ends_with 0 sample --model m --prompt "line 1" --tokens 30
holds "a sample begins with the prompt" grep -q "^line 1" out
holds "a sample has the length asked for" test "$(wc -c <out)" -eq 37
cp out first
ends_with 0 sample --model m --prompt "line 1" --tokens 30 --threads 2
holds "the same seed gives the same sample" cmp out first
ends_with 0 sample --model m --prompt "line 1" --tokens 30 --seed 2
holds "another seed gives another sample" bash -c '! cmp -s out first'
ends_with 0 sample --model m --prompt "line 1" --tokens 30 --temperature 0
cp out first
ends_with 0 sample --model m --prompt "line 1" --tokens 30 --top-k 1 --seed 3
holds "temperature 0 and top-k 1 agree" cmp out first
ends_with 0 sample --model m --tokens 5
holds "no prompt is needed" test "$(wc -c <out)" -ge 6
ends_with 0 sample --model m --prompt "line" --tokens 0
holds "no token need be added" test "$(cat out)" = line
while read -r command; do
  # shellcheck disable=SC2086
  "$program" $command >/dev/full 2>err </dev/null
  code=$?
  [ $code -eq 1 ] && [ "$(cat err)" = "tapeformer: can not write to standard output: No space left on device" ]
  verdict "what can not be printed is an error: $command" $? "exit code $code"$'\n'"$(cat err)"
done <<END
sample --model m --tokens 30
schedule
schemes
schemes deepnorm
schemes --json
lab list
report m
--help
--version
train --help
END
"$program" train --text text.txt "${tiny[@]}" --out unread >/dev/full 2>err </dev/null
code=$?
[ $code -eq 0 ] && cmp -s unread/model.safetensors m/model.safetensors &&
  [ "$(cat err)" = "tapeformer: can not write to standard output: No space left on device; nothing else is affected, and the numbers are in metrics.jsonl" ]
verdict "training goes on when nobody can read what it says, and tells it once" $? "exit code $code"$'\n'"$(cat err)"
mkfifo leaves
head -c 1 <leaves >first_byte &
"$program" train --text text.txt "${shape[@]}" --steps 300 --log-every 1 --out left >leaves 2>err </dev/null
code=$?
wait
[ $code -eq 0 ] && [ "$(wc -l <left/metrics.jsonl)" -eq 301 ] && grep -q "Broken pipe; nothing else is affected" err
verdict "and when who reads it goes away" $? "exit code $code"$'\n'"$(cat err)"

misused "--model is required" sample
refused "there is no folder none: give that of a run" sample --model none
refused "folder holds no run, folder/config.json is missing: give that of a run" sample --model folder
misused '--prompt: character "z" (U+007A) at position 6' sample --model m --prompt "line z"
misused 'is not among the 22 characters that the model knows: " .0123456789aefilnotx" and 1 more' sample --model m --prompt Z
misused "--prompt is not UTF-8" sample --model m --prompt "$(printf 'l\377')"
misused "--temperature must be a number of at least 0, it is -1" sample --model m --temperature -1
misused "--top-k must be at least 0" sample --model m --top-k -1
misused "--tokens must be at least 0, it is -3" sample --model m --tokens -3
misused "--tokens" sample --model m --tokens 3.5
refused "--top-k would change nothing here: it is for --temperature above 0" sample --model m --temperature 0 --top-k 3
refused "--seed would change nothing here: it is for --temperature above 0" sample --model m --temperature 0 --seed 3

# damaged FILE "part of the message": reads its new content from standard input.
damaged() {
  rm -rf m && cp -r t1 m
  cat >"m/$1"
  refused "$2" sample --model m
}
head -c 3000 t1/model.safetensors | damaged model.safetensors "remove it, and train --resume m writes it anew"
head -c 5 t1/model.safetensors | damaged model.safetensors m/model.safetensors
: | damaged model.safetensors m/model.safetensors
head -c 4000 /dev/zero | damaged model.safetensors m/model.safetensors
{ printf '\377\377\377\377\377\377\377\377'; tail -c +9 t1/model.safetensors; } | damaged model.safetensors m/model.safetensors
{ cat t1/model.safetensors; echo more; } | damaged model.safetensors m/model.safetensors
sed 's/blocks.0.attn_residual/blocks.9.attn_residual/' t1/model.safetensors | damaged model.safetensors "does not fit this model"
echo "not JSON" | damaged config.json "m/config.json is not valid JSON"
head -c 300 t1/config.json | damaged config.json "m/config.json is not valid JSON"
sed 's/"width": 8/"width": 12/' t1/config.json | damaged config.json "m/model.safetensors does not fit this model"
sed 's/"heads": 2/"heads": 3/' t1/config.json | damaged config.json 'm/config.json, section "model": '
sed 's/"heads": 2/"heads": 3/' t1/config.json | damaged config.json "width 8 must be a positive multiple of heads 3"
sed 's/"lr": [0-9.e-]*/"lr": -1/' t1/config.json | damaged config.json 'm/config.json, section "training": lr must be'
sed 's/"layers": 1/"layers": 1000000000/' t1/config.json | damaged config.json "GiB of memory"
sed 's/"scheme": "pre"/"scheme": "none"/' t1/config.json | damaged config.json 'unknown scheme "none"'
echo '{}' | damaged tokenizer.json "m/tokenizer.json is not a tokenizer"
head -c 50 t1/tokenizer.json | damaged tokenizer.json "m/tokenizer.json is not a tokenizer"
sed 's/"a",//' t1/tokenizer.json | damaged tokenizer.json "not of the same run"
rm -r m && cp -r t1 m && rm m/model.safetensors
refused "the run in m has no model, m/model.safetensors is missing: train --resume m goes on and writes it" sample --model m
for rest in 0 100; do
  head -c $rest t1/model.safetensors >m/model.safetensors
  ends_with 0 train --resume m
  holds "a complete run gets its model again" cmp t1/model.safetensors m/model.safetensors
  holds "and says so" grep -q "written anew from the checkpoint" out
done
rm m/model.safetensors
ends_with 0 train --resume m
holds "a complete run gets its model again" cmp t1/model.safetensors m/model.safetensors
rm m/model.safetensors m/checkpoint.safetensors
refused "m/model.safetensors is missing: train --out m --force starts the run anew" sample --model m

# What quickstart.sh suggests to begin with fits any text
. "$(dirname "${BASH_SOURCE[0]}")/../examples/beginning_of.sh"
printf '\xEF\xBB\xBF\r\n  \xE4\xB8\x80\xE4\xBA\x8C 2\r\nmore\n' >chinese.txt
holds "the first letters of a text" test "$(beginning_of chinese.txt)" = "$(printf '\xE4\xB8\x80\xE4\xBA\x8C 2')"
printf 'it is a "long" line of a text\n' >long.txt
holds "12 of them at most, and no blank at the end" test "$(beginning_of long.txt)" = 'it is a "lon'
for i in $(seq 200); do printf '\xE4\xB8\x80\xE4\xBA\x8C\xE4\xB8\x89%s' "$i"; done >chinese.txt
holds "characters are not cut" test "$(beginning_of chinese.txt | wc -m)" -le 12
ends_with 0 train --text chinese.txt "${tiny[@]}" --out chinese
ends_with 0 sample --model chinese --prompt "$(beginning_of chinese.txt)" --tokens 3

# Started without standard streams
"$program" train --text text.txt "${tiny[@]}" --out closed_streams <&- >&- 2>&-
code=$?
[ $code -eq 0 ] && cmp -s closed_streams/model.safetensors t1/model.safetensors
verdict "closed streams change nothing" $? "exit code $code"
holds "and nothing strays into the metrics" bash -c '! grep -qv "^{.*}$" closed_streams/metrics.jsonl'

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ] && [ "$checks" -gt 100 ]
