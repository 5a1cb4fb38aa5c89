#!/usr/bin/env bash
# Watching as people use it: train --watch, train --serve and report; what they write, how they go on, and what they say to
# wrong input.
#
#   tests/cli_watch_test.sh path/to/tapeformer
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"

for i in $(seq 90); do echo "number $i of a text"; done >text.txt
for i in $(seq 40); do printf 'ab%s\tAB%s\n' "$((i % 10))" "$((i % 10))"; done >pairs.tsv
shape=(--layers 2 --heads 2 --width 8 --batch 4)
small=(train --text text.txt --context 16 "${shape[@]}" --schedule constant --warmup 1)

steps_of() { # the steps of a watch.jsonl
  sed -E 's/^\{"step":([0-9]+).*/\1/' "$1/watch.jsonl" | tr '\n' ' '
}

# Watching changes no bit, and goes on with the same lines
ends_with 0 "${small[@]}" --steps 12 --out alone
ends_with 0 "${small[@]}" --steps 12 --watch 4 --out whole
holds "the model is the same, watched or not" cmp alone/model.safetensors whole/model.safetensors
holds "first, every fourth and last step" test "$(steps_of whole)" = "1 4 8 12 "
holds "the run says where its page is" grep -q "^page  *whole/report.html" out
holds "and it is there" grep -q 'figure id="run-1-resid-rms"' whole/report.html
holds "no watch.jsonl without --watch" test ! -e alone/watch.jsonl
ends_with 0 "${small[@]}" --steps 8 --watch 4 --out cut
ends_with 0 train --resume cut --steps 12
holds "a continued run is watched as before" cmp whole/watch.jsonl cut/watch.jsonl
ends_with 0 train --resume alone --steps 14 --watch
holds "one that was not can be watched from here on" test "$(steps_of alone)" = "13 14 "
ends_with 0 train --resume cut --steps 14 --watch 0
holds "and no more" test "$(steps_of cut)" = "1 4 8 12 "
ends_with 0 "${small[@]}" --steps 450 --watch --out long
holds "some 200 lines unless told otherwise" test "$(wc -l <long/watch.jsonl)" -eq 151
ends_with 0 "${small[@]}" --steps 2 --force --out whole
holds "--force removes the old watch.jsonl" test ! -e whole/watch.jsonl
holds "and the old page" test ! -e whole/report.html

# Every architecture
ends_with 0 train --text text.txt --arch bert --context 16 "${shape[@]}" --steps 3 --watch 1 --recompute --out bert
ends_with 0 train --pairs pairs.tsv --arch encdec --context 8 "${shape[@]}" --steps 3 --watch 1 --scheme t-fixup --out encdec
holds "layers of encoder and decoder" grep -q '"layers":\["encoder.blocks.0","encoder.blocks.1","decoder.blocks.0","decoder.blocks.1"\]' encdec/watch.jsonl
holds "cross-attention is shown" grep -q 'figure id="run-1-max-cross-logit"' encdec/report.html
holds "no norms, no gains" bash -c '! grep -q "figure id=\"run-1-gains\"" encdec/report.html'

# A run that diverges says where
ends_with 1 "${small[@]}" --steps 20 --optimizer sgd --lr 1e30 --clip 0 --watch --out wild
holds "the message names the place" grep -qE "first numbers that are not finite are the (values|activations|gradient|scores)" err
holds "the page, too" grep -q "diverged at step" wild/report.html
ends_with 1 "${small[@]}" --steps 20 --optimizer sgd --lr 1e30 --clip 0 --out blind
holds "without --watch, how to find out" grep -q -- "--watch would show in which layer" err

# Reports
ends_with 0 report long
holds "one run's page lies in its folder" grep -qx "page      long/report.html" out
ends_with 0 report long --text "number 1" --heads 1 --out looked.html
holds "one model's maps stand on the page of its run" grep -q '<section id="inspect-attention">' looked.html
holds "beside its course" grep -q 'figure id="run-1-resid-rms"' looked.html
ends_with 0 report long bert wild blind --out page.html --lang en
holds "several runs on one page" grep -q 'figure id="run-3-resid-rms"' page.html
holds "one without watch.jsonl is named" grep -q "blind was not watched" out
holds "English only" bash -c '! grep -q "残差" page.html'
ends_with 0 report long bert
holds "of several runs, here" grep -q "残差" report.html
refused "there is no folder none" report none
refused "text.txt is not a folder" report text.txt
mkdir empty
refused "empty holds no run, empty/config.json is missing: give that of a run" report empty
refused "given twice" report long long/
refused "--out bert/../bert/metrics.jsonl is a file of the run in bert" report long bert --out bert/../bert/metrics.jsonl
refused "--out long/config.json is a file of the run in long" report long --out long/config.json
refused "at most 8 runs" report 1 2 3 4 5 6 7 8 9
refused "DIR is required" report
misused '--lang: unknown language "fr"' report long --lang fr
refused "--out must not be empty" report long --out ""
refused "--heads needs --text" report long --heads 1
refused "--text looks into one model: give one DIR" report long bert --text "number"
refused "--text is empty: give at least one character" report long --text ""
refused "none/page.html" report long --out none/page.html
cp -r long damaged && echo "{" >>damaged/watch.jsonl
refused "damaged/watch.jsonl, line 152 is damaged" report damaged

cp -r long cut && head -c 500 long/model.safetensors >cut/model.safetensors && : >cut/metrics.jsonl
ends_with 0 report cut
holds "a page all the same" grep -q "</html>" cut/report.html
holds "with a warning of the model" grep -q "^tapeformer: warning: safetensors file cut/model.safetensors: .* cut short" err
holds "and one of the course" grep -q "^tapeformer: warning: cut/metrics.jsonl has no complete line" err
ends_with 0 report long
holds "no warning of a run that is whole" test ! -s err

# Wrong input
refused "--watch: EVERY must be a number of steps, it is often" "${small[@]}" --watch often --out run
refused "--watch: EVERY must be a number of steps, it is -3" "${small[@]}" --watch=-3 --out run
refused "--serve-address would change nothing here" "${small[@]}" --serve-address 0.0.0.0 --out run
refused "--watch 0 and --serve exclude each other" "${small[@]}" --watch 0 --serve 0 --out run
refused "--serve" "${small[@]}" --serve 70000 --out run
refused "--serve" "${small[@]}" --serve x --out run

finish() {
  echo "$checks checks, $failures failed"
  [ "$failures" -eq 0 ] && [ "$checks" -gt 50 ]
  exit $?
}

"$program" "${small[@]}" --steps 1 --serve 0 --out probe >out 2>err
if grep -q "needs cpp-httplib" err; then
  holds "nothing was begun" test ! -e probe
  finish
fi

# A page that is served while the run goes on. GET by bash itself: curl need not be there.
get() { # get PORT PATH
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  cat <&3
  exec 3>&-
}
"$program" "${small[@]}" --steps 1000000 --serve 0 --out live >live.out 2>live.err &
run=$!
port=
for _ in $(seq 600); do
  port=$(sed -nE 's|^page +http://127.0.0.1:([0-9]+)/$|\1|p' live.out)
  [ -n "$port" ] && [ -s live/watch.jsonl ] && break
  kill -0 $run 2>/dev/null || break
  sleep 0.1
done
holds "the run says where its page is" test -n "$port"
get "$port" / >page.txt
holds "the page is served" grep -q "^HTTP/1.1 200" page.txt
holds "and follows the run" grep -q "fetch('sections')" page.txt
holds "with its figures" grep -q 'figure id="run-1-resid-rms"' page.txt
get "$port" /sections >sections.txt
holds "the sections alone" bash -c 'grep -q "figure id=\"validation-loss\"" sections.txt && ! grep -q "<html" sections.txt'
get "$port" /none >none.txt
holds "nothing else" grep -q "^HTTP/1.1 404" none.txt
ends_with 1 "${small[@]}" --serve "$port" --out second # not refused(): the first run is writing
holds "a port that is taken is named" grep -q "can not listen on port $port of 127.0.0.1 for --serve: another program does" err
holds "and nothing was begun" test ! -e second
kill -TERM $run # SIGINT is ignored in the background of a script
wait $run
code=$?
holds "it is stopped as any run" test $code -eq 130
holds "the last page stays" grep -q "not finished" live/report.html
holds "the run can go on" grep -q "train --resume" live.out
if [ "$(id -u)" != 0 ] && [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null)" = 1024 ]; then
  refused "ports below 1024 are for the system" "${small[@]}" --serve 80 --out run
fi
refused "--serve-address must be an address of this machine" "${small[@]}" --serve 0 --serve-address 192.0.2.1 --out run
ends_with 0 "${small[@]}" --steps 2 --serve 0 --serve-address 0.0.0.0 --out open
holds "who serves to all is warned" grep -q "^warning .*no password" out
finish
