#!/usr/bin/env bash
# bench as people start it: that each subcommand runs and prints, and that wrong input ends with one line on standard
# error before anything is measured. The figures are not looked at.
#
#   tests/cli_bench_test.sh path/to/bench
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"
export LC_ALL=C

# Help
ends_with 0 --help
for command in train ops gemm scale sample start head; do
  holds "help names $command" grep -q "^  $command " out
done
for command in train ops gemm scale sample start head; do
  ends_with 0 $command --help
  holds "help of $command has examples" grep -q "bench $command" out
  holds "help of $command names --threads" grep -q -- "--threads" out
done

# Short measurements
ends_with 0 train --workload W1,W4 --seconds 0 --no-floor
holds "time of a step" grep -qE "step +[0-9.]+ ms median" out
holds "memory by kind" grep -qE "parameters.*gradients.*optimizer.*activations" out
ends_with 0 train --workload W1 --precision bf16-emulated --seconds 0 --no-floor --threads 1 --json
for key in median min p90 tokens_per_s peak_rss_mib first_step_ms activations ops; do
  holds "JSON has $key" grep -q "\"$key\":" out
done
holds "JSON names the precision" grep -q '"precision": "bf16-emulated"' out
ends_with 0 sample --workload W1 --batch 1,2
holds "tokens a second" test "$(grep -c "tokens/s" out)" -eq 2
ends_with 0 start --runs 1 --json
holds "the first step" grep -q first_step_ms out
ends_with 0 --threads 1 head --workload W1 --pieces 4 1 --seconds 0 --threads 1
holds "pieces" grep -q "4 pieces" out

# Wrong command lines
misused "a command is missing: choose one of train, ops, gemm, scale, sample, start, head"
misused 'unknown command "trian": did you mean train?' trian --workload W1
misused "unknown option --nosuch (see bench --help)" --nosuch
misused "unknown option --workload (see bench ops --help)" ops --workload W1
misused 'unknown workload "W9": choose one of W1, W2, W3, W4 (see bench train --help)' train --workload W1 W9
misused 'unknown workload "w1"' start --workload w1
misused 'unknown precision "fp16": choose one of f32, bf16, bf16-emulated' train --precision fp16
misused 'unknown size "contxt": did you mean context?' scale --over contxt
for seconds in -1 nan inf 3601; do
  misused "--seconds: must be from 0 to 3600, it is $seconds" train --seconds $seconds
done
misused "--seconds: must be a number, it is soon" ops --seconds soon
for batch in 0 4097 99999999999; do
  misused "--batch: must be from 1 to 4096, it is $batch" sample --batch $batch
done
misused "--batch: must be a whole number in decimal digits, it is 1.5" sample --batch 1.5
misused "--runs: must be from 1 to 1000, it is 0" start --runs 0
misused "--pieces must be from 1 to 768, the rows of W1, it is 769" head --workload W1 --pieces 769
misused "--threads: must be from 1 to 1024, it is 0" train --threads 0

# Output that can not be written
for arguments in "--help" "train --help" "start --runs 1"; do
  "$program" $arguments >/dev/full 2>err
  verdict "bench $arguments on a full disk ends with 1" $(($? != 1)) "$(cat err)"
  holds "and says why" grep -q "can not write to standard output: No space left on device" err
done

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ] && [ "$checks" -gt 70 ]
