"""Golden values for the ops of core, from PyTorch 1.13 in double precision.

    python3 tests/golden/ops.py            writes ops.safetensors beside this file

Each case holds its inputs ("NAME.in.0" …), integers ("NAME.ids.0" …), the output "NAME.out", the cotangent "NAME.dy" and
the gradients of all inputs ("NAME.grad.0" …). Inputs are numbers that a float holds exactly. What PyTorch 1.13 lacks is
written here from the papers: RMSNorm (Zhang & Sennrich 2019, equation 4), attention (Vaswani et al. 2017, equation 1),
rotary positions (Su et al. 2021, as a product of complex numbers). The cases stand again in tests/golden_ops_test.cpp.
"""

import math
import os
import sys

import numpy
import torch
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402

HIDDEN = -float("inf")


class Source:
    """Random numbers that a float holds exactly; a source of its own for each case."""

    def __init__(self, name):
        self.generator = numpy.random.default_rng(list(name.encode("utf-8")))

    def normal(self, *shape, scale=1.0):
        return self.generator.normal(size=shape, scale=scale).astype(numpy.float32)

    def positive(self, *shape):
        return self.generator.uniform(0.3, 3.0, size=shape).astype(numpy.float32)

    def integers(self, high, *shape):
        return self.generator.integers(0, high, size=shape).astype(numpy.int32)


def rms_norm(x, weight, eps):
    return x / torch.sqrt(torch.mean(x * x, dim=-1, keepdim=True) + eps) * weight


def attention(q, k, v, heads, mask=None, scale=None):
    """mask (T, S) or (B, T, S) is added to the scores."""

    def split(x):
        return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)

    factor = 1 / math.sqrt(q.shape[-1] // heads) if scale is None else scale
    scores = split(q) @ split(k).transpose(-1, -2) * factor
    if mask is not None:
        scores = scores + (mask if mask.dim() == 2 else mask.unsqueeze(1))
    out = torch.softmax(scores, dim=-1) @ split(v)
    return out.transpose(1, 2).reshape(q.shape)


def causal(queries, keys):
    """Query t sees keys 0 … t + keys - queries."""
    return torch.full((queries, keys), HIDDEN, dtype=torch.float64).triu(keys - queries + 1)


def padding(lengths, queries, keys):
    mask = torch.zeros(len(lengths), queries, keys, dtype=torch.float64)
    for b, length in enumerate(lengths):
        mask[b, :, length:] = HIDDEN
    return mask


def packed(qkv, heads, mask):
    q, k, v = qkv.chunk(3, dim=-1)
    return attention(q, k, v, heads, mask)


def rotary(x, heads, size, base, first):
    """Pair i of a head is the complex number x_i + j·x_(i + size/2); position t multiplies it by e^(j·t·base^(-2i/size))."""
    turned, rest = x[..., : heads * size], x[..., heads * size :]
    pairs = turned.reshape(x.shape[0], x.shape[1], heads, 2, size // 2)
    number = torch.complex(pairs[..., 0, :], pairs[..., 1, :])
    position = torch.arange(first, first + x.shape[1], dtype=torch.float64)
    rate = base ** (-2 * torch.arange(size // 2, dtype=torch.float64) / size)
    angle = torch.outer(position, rate)[None, :, None, :]
    number = number * torch.polar(torch.ones_like(angle), angle)
    turned = torch.stack((number.real, number.imag), dim=3).reshape(turned.shape)
    return torch.cat((turned, rest), dim=-1)


def smoothed_loss(logits, targets, **options):
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), **options)


def cases():
    """{name: (inputs, integers, function of both)}."""
    result = {}

    def add(name, make, function):
        inputs, integers = make(Source(name))
        result[name] = (inputs, integers, function)

    def unary(name, function, positive=False):
        add(name, lambda s: ([s.positive(4, 9) if positive else s.normal(4, 9, scale=2.0)], []), lambda x, _: function(x[0]))

    def binary(name, function, shape=(3, 5)):
        add(name, lambda s: ([s.normal(*shape), s.positive(*shape)], []), lambda x, _: function(x[0], x[1]))

    def product(name, a, b, function):
        add(name, lambda s: ([s.normal(*a), s.normal(*b)], []), lambda x, _: function(x[0], x[1]))

    binary("add", torch.add)
    binary("subtract", torch.sub)
    binary("multiply", torch.mul)
    binary("divide", torch.div)
    binary("axpy", lambda x, y: 2.5 * x + y)
    unary("scale", lambda x: -1.75 * x)
    add("add_bias", lambda s: ([s.normal(2, 3, 5), s.normal(5)], []), lambda x, _: x[0] + x[1])
    unary("exp", torch.exp)
    unary("log", torch.log, positive=True)
    unary("sqrt", torch.sqrt, positive=True)
    unary("relu", functional.relu)
    unary("gelu", functional.gelu)
    unary("gelu_tanh", lambda x: functional.gelu(x, approximate="tanh"))
    unary("silu", functional.silu)
    unary("sigmoid", torch.sigmoid)
    unary("tanh", torch.tanh)
    unary("sum", torch.sum)
    unary("mean", torch.mean)
    unary("sum_last", lambda x: x.sum(dim=-1))
    unary("mean_last", lambda x: x.mean(dim=-1))
    unary("softmax", lambda x: torch.softmax(x, dim=-1))
    unary("log_softmax", lambda x: torch.log_softmax(x, dim=-1))

    product("matmul", (4, 6), (6, 5), lambda a, b: a @ b)
    product("matmul.transpose_a", (6, 4), (6, 5), lambda a, b: a.T @ b)
    product("matmul.transpose_b", (4, 6), (5, 6), lambda a, b: a @ b.T)
    product("matmul.transpose_both", (6, 4), (5, 6), lambda a, b: a.T @ b.T)
    product("matmul.batched", (2, 3, 4, 6), (2, 3, 6, 5), lambda a, b: a @ b)
    add(
        "linear",
        lambda s: ([s.normal(2, 3, 7), s.normal(5, 7), s.normal(5)], []),
        lambda x, _: functional.linear(x[0], x[1], x[2]),
    )
    product("linear.without_bias", (4, 7), (5, 7), functional.linear)

    add(
        "layer_norm",
        lambda s: ([s.normal(2, 3, 9), s.normal(9), s.normal(9)], []),
        lambda x, _: functional.layer_norm(x[0], (9,), x[1], x[2], 1e-5),
    )
    add(
        "layer_norm.plain",
        lambda s: ([s.normal(4, 9, scale=0.01)], []),
        lambda x, _: functional.layer_norm(x[0], (9,), None, None, 1e-3),
    )
    add("rms_norm", lambda s: ([s.normal(2, 3, 9), s.normal(9)], []), lambda x, _: rms_norm(x[0], x[1], 1e-6))

    add(
        "embedding",
        lambda s: ([s.normal(6, 4)], [s.integers(6, 3, 5)]),
        lambda x, i: functional.embedding(i[0], x[0]),
    )
    add("gather_rows", lambda s: ([s.normal(2, 3, 4)], [s.integers(6, 8)]), lambda x, i: x[0].reshape(6, 4)[i[0]])

    def targets(s, ignored):
        ids = s.integers(7, 2, 4)
        ids[0, ignored] = -100
        return [s.normal(2, 4, 7, scale=2.0)], [ids]

    add("cross_entropy", lambda s: targets(s, []), lambda x, i: smoothed_loss(x[0], i[0]))
    add("cross_entropy.ignored", lambda s: targets(s, [1, 2]), lambda x, i: smoothed_loss(x[0], i[0]))
    add(
        "cross_entropy.smoothed",
        lambda s: targets(s, [3]),
        lambda x, i: smoothed_loss(x[0], i[0], label_smoothing=0.1),
    )

    unary("reshape", lambda x: x.reshape(6, 6))
    for axis in range(3):
        shapes = [[3, 4, 2] for _ in range(2)]
        shapes[1][axis] += 1
        add(
            f"concatenate.{axis}",
            lambda s, shapes=shapes: ([s.normal(*shape) for shape in shapes], []),
            lambda x, _, axis=axis: torch.cat(x, dim=axis),
        )
        add(
            f"slice.{axis}",
            lambda s: ([s.normal(4, 5, 4)], []),
            lambda x, _, axis=axis: x[0].narrow(axis, 1, 2),
        )

    def qkv(queries, keys, width=6):
        return lambda s: ([s.normal(2, queries, width), s.normal(2, keys, width), s.normal(2, keys, width)], [])

    add("attention", qkv(5, 5), lambda x, _: attention(*x, heads=2))
    add("attention.causal", qkv(5, 5), lambda x, _: attention(*x, heads=2, mask=causal(5, 5)))
    add("attention.cache", qkv(2, 5), lambda x, _: attention(*x, heads=3, mask=causal(2, 5)))
    add("attention.cross", qkv(4, 7), lambda x, _: attention(*x, heads=2, scale=0.9))
    add("attention.lengths", qkv(4, 5), lambda x, _: attention(*x, heads=2, mask=padding([2, 4], 4, 5)))

    def masked(shape):
        def make(s):
            inputs, _ = qkv(4, 5)(s)
            mask = s.integers(3, *shape)  # 0: hidden, 1 and 2: that much is added; the first key is always seen
            mask[..., 0] = 1
            return inputs, [mask]

        return make

    def from_integers(mask):
        return torch.where(mask == 0, torch.tensor(HIDDEN, dtype=torch.float64), mask.to(torch.float64))

    add("attention.mask", masked((4, 5)), lambda x, i: attention(*x, heads=2, mask=from_integers(i[0])))
    add("attention.masks", masked((2, 4, 5)), lambda x, i: attention(*x, heads=2, mask=from_integers(i[0])))
    add(
        "attention_packed.causal",
        lambda s: ([s.normal(2, 5, 18)], []),
        lambda x, _: packed(x[0], heads=3, mask=causal(5, 5)),
    )
    add("rotary", lambda s: ([s.normal(2, 4, 10)], []), lambda x, _: rotary(x[0], heads=2, size=4, base=50.0, first=2))
    return result


def run(name, inputs, integers, function):
    """All tensors of one case."""
    x = [torch.tensor(array.astype(numpy.float64), requires_grad=True) for array in inputs]
    out = function(x, [torch.tensor(array.astype(numpy.int64)) for array in integers])
    dy = Source(name + ".dy").normal(*out.shape)
    gradients = torch.autograd.grad(out, x, torch.tensor(numpy.asarray(dy, dtype=numpy.float64)))
    tensors = {f"in.{i}": array for i, array in enumerate(inputs)}
    tensors.update({f"ids.{i}": array for i, array in enumerate(integers)})
    tensors.update({f"grad.{i}": g.numpy().astype(numpy.float32) for i, g in enumerate(gradients)})
    tensors["out"] = out.detach().numpy().astype(numpy.float32)
    tensors["dy"] = numpy.asarray(dy, dtype=numpy.float32)
    return {f"{name}.{key}": array for key, array in tensors.items()}


def main(folder):
    """Writes the file into `folder`."""
    tensors = {}
    for name, case in cases().items():
        tensors.update(run(name, *case))
    safetensors_writer.write(os.path.join(folder, "ops.safetensors"), tensors)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
