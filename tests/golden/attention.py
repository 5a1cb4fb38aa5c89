"""Golden values for the forms of attention, from PyTorch 1.13 in double precision.

    python3 tests/golden/attention.py           writes attention.safetensors beside this file

PyTorch 1.13 has none of these: the formulas stand here, as in the papers: shared key heads (Ainslie et al. 2023),
sliding windows (Jiang et al. 2023, section 2), ALiBi (Press et al. 2021, section 3), capped scores (Gemma 2, section 2),
relative buckets (Raffel et al. 2020, with the formula of the authors' code, in float32 as there), rotary positions in
both layouts as products of complex numbers (Su et al. 2021, equation 13), norms of queries, keys, values and of the
output, and head scale. The settings stand again in tests/golden_attention_test.cpp.
"""

import math
import os
import sys

import numpy
import torch
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402
from blocks import Source, array, linear_parameters, results, with_gradients  # noqa: E402

BATCH, LENGTH, HEADS, SIZE = 2, 9, 4, 6
WIDTH = HEADS * SIZE
EPS = 1e-5
SEGMENTS = [[0, 0, 0, 0, 1, 1, 1, 2, -1], [0, 0, 1, 1, 1, 1, 1, 1, 1]]


# ---- Formulas ----


def buckets(position, bidirectional, count, max_distance):
    """position = key - query."""
    bucket = torch.zeros_like(position)
    if bidirectional:
        count //= 2
        bucket = bucket + (position > 0).long() * count
        distance = position.abs()
    else:
        distance = (-position).clamp(min=0)
    exact = count // 2
    ratio = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    large = (exact + (ratio * (count - exact)).long()).clamp(max=count - 1)
    return bucket + torch.where(distance < exact, distance, large)


def slopes(heads):
    def power_of_two(n):
        return [2.0 ** (-8.0 * (i + 1) / n) for i in range(n)]

    n = 2 ** int(math.log2(heads))
    return power_of_two(n) + power_of_two(2 * n)[0::2][: heads - n]


def rotate(x, base, rotated, interleaved):
    """x (B, H, T, D): the first `rotated` columns in pairs, each a complex number."""
    head, rest = x[..., :rotated], x[..., rotated:]
    half = rotated // 2
    if interleaved:
        z = torch.complex(head[..., 0::2].contiguous(), head[..., 1::2].contiguous())
    else:
        z = torch.complex(head[..., :half], head[..., half:])
    frequency = base ** (-2 * torch.arange(half, dtype=torch.float64) / rotated)
    angle = torch.arange(x.shape[-2], dtype=torch.float64)[:, None] * frequency
    z = z * torch.polar(torch.ones_like(angle), angle)
    if interleaved:
        turned = torch.stack([z.real, z.imag], dim=-1).flatten(-2)
    else:
        turned = torch.cat([z.real, z.imag], dim=-1)
    return torch.cat([turned, rest], dim=-1)


def split(x, heads):
    """(B, T, H·D) to (B, H, T, D)."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def attention(q, k, v, o, table=None):
    """q (B, H, T, D), k and v (B, KV, S, D), T = S or causal."""
    shared = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
    queries, keys = q.shape[-2], k.shape[-2]
    scores = q @ k.transpose(-1, -2) * o.get("scale", 1 / math.sqrt(q.shape[-1]))
    if "softcap" in o:
        scores = o["softcap"] * torch.tanh(scores / o["softcap"])
    position = torch.arange(keys)[None, :] - (torch.arange(queries)[:, None] + keys - queries)
    if o.get("alibi"):
        scores = scores - torch.tensor(slopes(q.shape[1]), dtype=torch.float64)[:, None, None] * position.abs()
    if table is not None:
        index = buckets(position, not o.get("causal"), table.shape[0], o.get("max_distance", 128))
        scores = scores + table[index].permute(2, 0, 1)
    seen = torch.ones(q.shape[0], 1, queries, keys, dtype=torch.bool)
    if o.get("causal"):
        seen = seen & (position <= 0)
    if "window" in o:
        seen = seen & (position.abs() < o["window"])
    if "segments" in o:
        own = torch.tensor(o["segments"])
        seen = seen & ((own[:, :, None] == own[:, None, :]) & (own[:, :, None] >= 0))[:, None]
    # Hidden scores are finite, so that a query that sees nothing, whose weights are then cleared, has no NaN.
    weights = torch.softmax(scores.masked_fill(~seen, -1e300), dim=-1) * seen.any(-1, keepdim=True)
    return (weights @ v).transpose(1, 2).flatten(-2)


# ---- Cases ----

FORMS = {
    "grouped": dict(kv=2, causal=True),
    "multi_query": dict(kv=1),
    "window": dict(kv=4, window=3),
    "causal_window": dict(kv=4, causal=True, window=3),
    "alibi": dict(kv=4, causal=True, alibi=True),
    "softcap": dict(kv=4, causal=True, softcap=0.5),
    "relative": dict(kv=4, buckets=8, max_distance=7, scale=1.0),
    "causal_relative": dict(kv=4, causal=True, buckets=6, max_distance=7),
    "cached": dict(kv=2, causal=True, window=4, alibi=True, buckets=6, max_distance=7, more_keys=3),
    "segments": dict(kv=4, causal=True, segments=SEGMENTS),
    "all": dict(
        kv=2, causal=True, window=4, alibi=True, softcap=1.5, buckets=6, max_distance=7, segments=SEGMENTS, scale=0.7
    ),
}


def form_case(number, o):
    source = Source(500 + number)
    keys = LENGTH + o.get("more_keys", 0)
    p = {
        "q": source.normal(BATCH, LENGTH, WIDTH),
        "k": source.normal(BATCH, keys, o["kv"] * SIZE),
        "v": source.normal(BATCH, keys, o["kv"] * SIZE),
    }
    if "buckets" in o:
        p["table"] = source.normal(o["buckets"], HEADS)
    dy = source.normal(BATCH, LENGTH, WIDTH)
    p = with_gradients(p)
    y = attention(split(p["q"], HEADS), split(p["k"], o["kv"]), split(p["v"], o["kv"]), o, p.get("table"))
    y.backward(dy)
    return {**p, **{"d" + name: tensor.grad for name, tensor in p.items()}, "dy": dy, "y": y}


def norm(x, p, name, kind):
    weight = p[name + ".weight"]
    if kind == "rms":
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * weight
    return functional.layer_norm(x, (x.shape[-1],), weight, p[name + ".bias"], EPS)


def norm_parameters(source, name, kind, width):
    p = {name + ".weight": 1 + source.normal(width, scale=0.2)}
    if kind == "layer":
        p[name + ".bias"] = source.normal(width, scale=0.2)
    return p


# Key heads, norm of queries and keys ("head" or "full") and its kind, rotary positions (base, columns, interleaved).
MODULES = {
    "rotary": dict(kv=2, rotary=(50.0, 6, True)),
    "partial": dict(kv=4, rotary=(50.0, 4, False)),
    "per_head": dict(kv=2, qk="head", kind="rms", rotary=(50.0, 4, True)),
    "full_width": dict(kv=2, qk="full", kind="rms", rotary=(50.0, 6, False)),
    "all_norms": dict(kv=2, qk="head", kind="layer", value=True, out=True, head_scale=True),
}


def module_case(number, o):
    """Causal self-attention with its projections."""
    source = Source(600 + number)
    kv_width = o["kv"] * SIZE
    kind = o.get("kind")
    p = linear_parameters(source, "qkv", WIDTH + 2 * kv_width, WIDTH)
    if "qk" in o:
        p.update(norm_parameters(source, "query_norm", kind, WIDTH if o["qk"] == "full" else SIZE))
        p.update(norm_parameters(source, "key_norm", kind, kv_width if o["qk"] == "full" else SIZE))
    if o.get("value"):
        p.update(norm_parameters(source, "value_norm", kind, SIZE))
    if o.get("out"):
        p.update(norm_parameters(source, "out_norm", kind, WIDTH))
    if o.get("head_scale"):
        p["head_scale"] = 1 + source.normal(HEADS, scale=0.3)
    p.update(linear_parameters(source, "out", WIDTH, WIDTH))
    p = with_gradients(p)
    x = source.normal(BATCH, LENGTH, WIDTH).requires_grad_()
    dy = source.normal(BATCH, LENGTH, WIDTH)

    q, k, v = functional.linear(x, p["qkv.weight"], p["qkv.bias"]).split([WIDTH, kv_width, kv_width], dim=-1)
    if o.get("qk") == "full":
        q, k = norm(q, p, "query_norm", kind), norm(k, p, "key_norm", kind)
    q, k, v = split(q, HEADS), split(k, o["kv"]), split(v, o["kv"])
    if o.get("qk") == "head":
        q, k = norm(q, p, "query_norm", kind), norm(k, p, "key_norm", kind)
    if o.get("value"):
        v = norm(v, p, "value_norm", kind)
    if "rotary" in o:
        q, k = rotate(q, *o["rotary"]), rotate(k, *o["rotary"])
    z = attention(q, k, v, {"causal": True})
    if o.get("head_scale"):
        z = (z.reshape(BATCH, LENGTH, HEADS, SIZE) * p["head_scale"][:, None]).reshape(z.shape)
    if o.get("out"):
        z = norm(z, p, "out_norm", kind)
    y = functional.linear(z, p["out.weight"], p["out.bias"])
    y.backward(dy)
    return {"x": x, "dy": dy, "y": y, "dx": x.grad, **results(p)}


def bucket_cases():
    position = torch.arange(-300, 301)
    cases = {}
    for count, far in ((32, 128), (16, 64), (8, 20)):
        for bidirectional in (False, True):
            name = f"buckets.{count}.{far}.{'both' if bidirectional else 'causal'}"
            cases[name] = buckets(position, bidirectional, count, far)
    return cases


def main(folder):
    """Writes the file into `folder`."""
    cases = {f"form.{name}": form_case(i, o) for i, (name, o) in enumerate(FORMS.items())}
    cases.update({f"module.{name}": module_case(i, o) for i, (name, o) in enumerate(MODULES.items())})
    tensors = {f"{case}.{name}": array(t) for case, values in cases.items() for name, t in values.items()}
    tensors.update({name: array(tensor) for name, tensor in bucket_cases().items()})
    for heads in (8, 12, 20):
        tensors[f"slopes.{heads}"] = numpy.array(slopes(heads), dtype=numpy.float32)
    safetensors_writer.write(os.path.join(folder, "attention.safetensors"), tensors)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
