"""Golden values for all kinds of norms, from PyTorch 1.13 in double precision.

    python3 tests/golden/norms.py          writes norms.safetensors beside this file

LayerNorm is torch's. The others are written here from their papers: RMSNorm and its partial form (Zhang & Sennrich 2019,
equation 4 and section 4) with epsilon inside or outside the root, Gemma's gain of 1 + w, ScaleNorm (Nguyen & Salazar
2019, equation 5), Dynamic Tanh (Zhu et al. 2025, equation 1) and Dynamic erf. The cases stand again in
tests/nn_norm_kinds_test.cpp. Each has x, dy, y, dx, and "value.P" and "gradient.P" of its parameters.
"""

import math
import os
import sys

import torch
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402
from blocks import Source, array  # noqa: E402

WIDTH, ROWS = 10, 4
EPS = 1e-2  # large, so that its place matters


def root_mean_square(x, columns):
    return torch.sqrt((x[..., :columns] ** 2).mean(-1, keepdim=True))


def layer(x, p, **_):
    return functional.layer_norm(x, (WIDTH,), p.get("weight"), p.get("bias"), EPS)


def layer_gemma(x, p):
    return functional.layer_norm(x, (WIDTH,), 1 + p["weight"], p["bias"], EPS)


def layer_outside(x, p):
    deviation = x.std(-1, unbiased=False, keepdim=True)
    return (x - x.mean(-1, keepdim=True)) / (deviation + EPS) * p["weight"] + p["bias"]


def rms(x, p):
    y = x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS)
    return y * p.get("weight", 1) + p.get("bias", 0)


def rms_outside(x, p):
    return x / (root_mean_square(x, WIDTH) + EPS) * p["weight"]


def rms_gemma(x, p):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPS) * (1 + p["weight"])


def rms_partial(x, p):  # 0.25 of 10 columns: the first 3
    return x / torch.sqrt((x[..., :3] ** 2).mean(-1, keepdim=True) + EPS) * p["weight"]


def scale(x, p):
    return p["weight"] * x / x.norm(dim=-1, keepdim=True).clamp(min=EPS)


def dyt(x, p):
    return torch.tanh(p["alpha"] * x) * p["weight"] + p["bias"]


def derf(x, p):
    return torch.erf(p["alpha"] * x + p["shift"]) * p["weight"] + p["bias"]


CASES = {
    "layer": (layer, ["weight", "bias"]),
    "layer.no_bias": (layer, ["weight"]),
    "layer.no_gain": (layer, []),
    "layer.gemma": (layer_gemma, ["weight", "bias"]),
    "layer.outside": (layer_outside, ["weight", "bias"]),
    "rms": (rms, ["weight"]),
    "rms.bias": (rms, ["weight", "bias"]),
    "rms.no_gain": (rms, []),
    "rms.outside": (rms_outside, ["weight"]),
    "rms.gemma": (rms_gemma, ["weight"]),
    "rms.partial": (rms_partial, ["weight"]),
    "scale": (scale, ["weight"]),
    "dyt": (dyt, ["weight", "bias", "alpha"]),
    "derf": (derf, ["weight", "bias", "alpha", "shift"]),
}


def case(number, name, f, parameters):
    source = Source(500 + number)
    single = {"alpha", "shift"} | ({"weight"} if name == "scale" else set())
    p = {key: source.normal(*((1,) if key in single else (WIDTH,))) for key in parameters}
    x = source.normal(ROWS, WIDTH)
    if name != "scale":
        x[0] *= 0.01  # a row where epsilon counts
    for tensor in (x, *p.values()):
        tensor.requires_grad_()
    dy = source.normal(ROWS, WIDTH)
    y = f(x, p)
    y.backward(dy)
    tensors = {"x": x, "dy": dy, "y": y, "dx": x.grad}
    for key, tensor in p.items():
        tensors["value." + key], tensors["gradient." + key] = tensor, tensor.grad
    return tensors


def main(folder):
    """Writes the file into `folder`."""
    tensors = {}
    for number, (name, (f, parameters)) in enumerate(CASES.items()):
        for key, tensor in case(number, name, f, parameters).items():
            tensors[f"{name}.{key}"] = array(tensor)
    assert all(math.isfinite(t.sum()) for t in tensors.values())
    safetensors_writer.write(os.path.join(folder, "norms.safetensors"), tensors)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
