#!/usr/bin/env bash
# Would the tests notice? Breaks one formula after the other in a copy of the source, most of them as public codebases
# have broken it, and shows which test fails. Fails when a mutation goes unnoticed.
#
#   tests/mutation.sh                 all mutations (some twenty minutes)
#   tests/mutation.sh WORD...         those whose description contains one of the words
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
words=("${@-}")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -c --exclude ./build --exclude ./.git --exclude ./runs . | tar -x -C "$copy" || exit 1
cd "$copy" || exit 1
export OMP_NUM_THREADS=${OMP_NUM_THREADS-2}
caught=0
missed=0

build() {
  cmake --build build --target tape_tests >build.log 2>&1
}

# What a run of the tests says: the name of a test that fails, or nothing. Those that say most about formulas come first.
first_failure() {
  local some part
  for part in '[golden]' '[scheme]' '[init]' '[optim]' ''; do
    some="$part~[slow]~[schemes]~[tool]~[bits]"
    build/bin/tape_tests --abort "$some" >test.log 2>&1 && continue
    sed -n '/^-----*$/{n;p;q;}' test.log
    return
  done
}

wanted() {
  local word
  for word in "${words[@]}"; do
    [[ $1 == *"$word"* ]] && return
  done
  return 1
}

# mutate "what is broken" FILE OLD NEW: replaces the first OLD in the file, builds, tests, and puts the file back.
mutate() {
  local what=$1 file=$2 old=$3 new=$4 text broken name
  wanted "$what" || return
  text=$(<"$file")
  broken=${text/"$old"/"$new"}
  if [ "$text" = "$broken" ]; then
    echo "MISSED  $what: $file has no «$old»"
    missed=$((missed + 1))
    return
  fi
  printf '%s\n' "$broken" >"$file"
  if ! build; then
    echo "MISSED  $what: does not compile"
    tail -n 5 build.log
    missed=$((missed + 1))
  else
    name=$(first_failure)
    if [ -n "$name" ]; then
      printf 'caught  %-62s %s\n' "$what" "$name"
      caught=$((caught + 1))
    else
      echo "MISSED  $what: all tests passed"
      missed=$((missed + 1))
    fi
  fi
  printf '%s\n' "$text" >"$file"
}

echo "building the copy"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DTAPE_EXAMPLES=ON -DTAPE_TEST_F64=OFF >build.log 2>&1 && build || { tail -n 30 build.log; exit 1; }
name=$(first_failure)
if [ -n "$name" ]; then
  echo "the tests already fail before anything is broken: $name"
  exit 1
fi

scheme=nn/scheme.cpp
constants=nn/scheme_constants.cpp
mutate "DeepNorm: alpha on the branch (labml)" $scheme '.norm_sum = true, .skip = alpha' '.norm_sum = true, .branch = alpha'
mutate "DeepNorm: no alpha" $scheme '.norm_sum = true, .skip = alpha' '.norm_sum = true'
mutate "DeepNorm: beta with the sign lost (Mix-LN's baseline)" $constants 'std::pow(8 * layers, -0.25)' 'std::pow(8 * layers, 0.25)'
mutate "DeepNorm: decoder counts two sublayers instead of three" $constants 'std::pow(3 * m, 0.25)' 'std::pow(2 * m, 0.25)'
mutate "DeepNorm: encoder's beta of 1.15 (torchscale)" $constants '1 / (root * std::sqrt(2.0))' '1.15 / std::pow(n * n * n * n * m, 1.0 / 16)'
mutate "DeepNorm: encoder's alpha without 27" $constants 'm / 27, 1.0 / 16' 'm, 1.0 / 16'
mutate "DeepNorm: beta on queries and keys too" $constants 'WeightInit init{.base = xavier_normal(), .value = beta' 'WeightInit init{.base = xavier_normal(), .query_key = beta, .value = beta'
mutate "DeepNorm: no beta on values" $constants '.value = beta, .attention_out' '.value = 1, .attention_out'
mutate "Pre-LN: norm after the branch instead of before" $scheme '// x + f(norm(x))
      return {.norm_input = true};' '// x + f(norm(x))
      return {.norm_output = true};'
mutate "Pre-LN: no final norm (PyTorch's first version)" nn/stack.cpp 'if (scheme.final_norm)' 'if (scheme.final_norm && depth.layers() > 1000)'
mutate "Pre-LN: no final norm in the encoder of two" nn/stack.cpp 'if (scheme.final_norm)' 'if (scheme.final_norm && (depth.is_decoder || depth.decoder == 0))'
mutate "Post-LN: norm before the sum instead of after" $scheme '// norm(x + f(x))
      return {.norm_sum = true};' '// norm(x + f(x))
      return {.norm_output = true};'
mutate "Sub-LN: gain without the root" $constants 'return std::sqrt(std::log(2.0 * static_cast<double>(depth.layers())));' 'return std::log(2.0 * static_cast<double>(depth.layers()));'
mutate "Admin: omega on the branch" $scheme '.norm_sum = true, .skip_gain' '.norm_sum = true, .branch_gain'
mutate "Mix-LN: Post-LN in the last blocks" $scheme 'layer < post_ln_layers(depth)' 'layer >= depth.layers() - post_ln_layers(depth)'
mutate "LNS: 1/l instead of its root" $scheme '1 / std::sqrt(static_cast<double>(layer + 1))' '1 / static_cast<double>(layer + 1)'
mutate "KEEL: alpha in the first block" $scheme '.skip = layer > 0 ? alpha : 1' '.skip = alpha'
mutate "HybridNorm: skip from the stream without norm" $scheme 'return {.norm_stream = true};' 'return {.norm_input = true};'
mutate "ResiDual: norm of the wrong stream" nn/stack.cpp '(*final_norm_)(second_stream_ ? stream.sum : stream.x, where)' '(*final_norm_)(stream.x, where)'
mutate "ResiDual: the stream itself left out at the end" nn/stack.cpp 'second_stream_ ? add(stream.x, normed, where) : normed' 'normed'
mutate "LayerScale: deep networks' first value in shallow ones" $scheme 'if (layers <= 18) return 0.1;' ''
mutate "Sub-LN: an inner norm in cross attention" $scheme '.norm_inner = sublayer != Sublayer::CrossAttention' '.norm_inner = true'
mutate "KEEL: first values that shrink with depth" $constants ' || scheme == Scheme::KEEL' ''
mutate "Cross attention: beta on keys instead of values" nn/init.h 'init.row_gains = {query_key, value};' 'init.row_gains = {value, query_key};'
mutate "RMSNorm: epsilon outside where inside is asked for" core/ops/row_statistics.cpp 'std::sqrt(variance + eps)' '(std::sqrt(variance) + eps)'
mutate "LayerNorm: one pass is trusted however far the first number stands out" core/ops/row_statistics.cpp 'x[0], n, 0.9, m' 'x[0], n, 2, m'
mutate "AdamW: decay without the learning rate" optim/adam.cpp '1 - factor * weight_decay' '1 - weight_decay'
mutate "AdamW: second moment's correction left out" optim/adam.cpp '          .root = 1 / std::sqrt(correction2),
          .eps = betas().eps};
}

}' '          .root = 1,
          .eps = betas().eps};
}

}'
mutate "Cross entropy: a batch divides by its own targets" core/ops/loss.cpp 'options.divisor > 0 ? options.divisor' 'options.divisor < 0 ? options.divisor'
mutate "Rotary: interleaved where halves are asked for" core/ops/rotary.cpp 'o.layout == RotaryLayout::halves' 'o.layout != RotaryLayout::halves'
mutate "Grouped queries: neighbours read different keys" core/ops/attention_kernel.cpp 'g = h / p.queries_per_key_head()' 'g = h % p.kv_heads'
mutate "Attention weights: a key head of the wrong queries" nn/attention_weights.cpp 'g = h * n.kv_heads / n.heads' 'g = h % n.kv_heads'
mutate "Attention weights: a cap after the biases" nn/attention_weights.cpp '          if (o.softcap > 0) score = o.softcap * std::tanh(score / o.softcap);
          score += bias(o, n, b, h, t, s);' '          score += bias(o, n, b, h, t, s);
          if (o.softcap > 0) score = o.softcap * std::tanh(score / o.softcap);'
mutate "Attention in bf16: a single query's gradients from other scores than its output" core/ops/attention_kernel.cpp '|| p.queries == 1;' ';'
mutate "Attention in bf16: dropout forgotten in backward" core/ops/attention_kernel.cpp 'numbers_in<E> == 2 && p.dropout == 0 &&' 'numbers_in<E> == 2 &&'
mutate "Shards: loops are not shared with the other shard" core/parallel.h 'if (parts < 2 || !Helper::share(share))' 'if (parts > 0 || !Helper::share(share))'
mutate "Panels: the summed axis' later parts replace the first" core/panel_gemm.cpp 'first == 0 ? beta : 1, sums' 'beta, sums'
mutate "Panels: tiles begin within a panel" core/panel_gemm.cpp 'rows_of_tile, true, panel)' 'rows_of_tile, true, panel / 2)'
mutate "Panels: rows of a matrix that is not packed follow each other" core/panels.h 'return {b.data, b.rows, panel, b.ld};' 'return {b.data, b.rows, panel, b.columns};'
mutate "bf16: vectors are cut off instead of rounded" core/bf16_vector.h '(bits >> 16 & 1);' '(bits >> 16 & 1) - 0x7FFF;'
mutate "Linear in bf16: a layer's gradient without its slopes" core/ops/linear.cpp 'gradient *= at(slopes);' 'gradient += 0 * at(slopes);'
mutate "bf16: an activation keeps its value for its slope" core/ops/activation.cpp 'const real derivative = slope(x[i]);' 'const real derivative = f(x[i]);'
mutate "Encoder-decoder: the decoder reads the source's padding" nn/encoder_decoder.cpp 'where), mask};' 'where), {}};'
mutate "ReZero: starts at 1" $scheme '{LearnedGain::Kind::factor, 0}' '{LearnedGain::Kind::factor, 1}'
mutate "Residual step: branch output added twice" nn/residual.cpp 'slots.skip == 1 ? add(skip, z, where)' 'slots.skip == 1 ? add(add(skip, z, where), z, where)'
mutate "Residual step: sum made with the product counts the stream twice" core/tiles.h 'row[j] + b[j] + r[j]' 'row[j] + b[j] + r[j] + r[j]'
mutate "Residual step: a learned gain is lost where the sum is made with the product" nn/residual.cpp '!branch_gain && ' ''
mutate "Parallel: feed-forward reads what attention wrote" nn/block.cpp 'const Tensor z = add(attention(x), feed_forward(x), where);' 'const Tensor z = add(attention(x), feed_forward(add(x, attention(x))), where);'

echo "$caught mutations caught, $missed missed"
[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]
