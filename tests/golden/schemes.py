"""Golden values for every residual scheme in every architecture, from PyTorch 1.13 in double precision.

    python3 tests/golden/schemes.py          writes schemes.safetensors beside this file

Each scheme is a function of a few lines, written from the formula of its paper for a whole stack, final norm included:
a second opinion that shares no plan of slots with the library. Constants are those of the closed forms. For each of
gpt, bert and encdec the file has the logits and the gradients of all parameters, one after the other in the order of
their names. A parameter's values follow from its name, so all cases share them; where two schemes have one of another
size under the same name, the smaller one takes the first numbers. The settings stand again in
tests/golden_schemes_test.cpp.
"""

import math
import os
import sys
import zlib

import numpy
import torch
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402

WIDTH, HEADS, HIDDEN, VOCAB, CONTEXT = 6, 2, 5, 5, 4
LAYERS, DECODER_LAYERS = 2, 3  # of a single stack or an encoder, and of a decoder beside it
BATCH, LENGTH, SOURCE_LENGTH = 2, 3, 4
SOURCE_LENGTHS = [4, 2]  # what is no padding
EPS = 1e-5

# ---- Parameters ----


class Parameters:
    """Parameters by name: drawn when they are first asked for."""

    def __init__(self, kind):
        self.kind = kind  # of the norms
        self.used = {}

    def __call__(self, name, *shape, mean=0.0, scale=0.4):
        if name not in self.used:
            # The 6: numbers with which no norm meets a row of nearly equal ones, which would magnify rounding.
            generator = numpy.random.default_rng([zlib.crc32(name.encode()), 6])
            array = mean + scale * generator.standard_normal(math.prod(shape))
            array = array.astype(numpy.float32).astype(numpy.float64)  # what a float holds
            self.used[name] = torch.tensor(array.reshape(shape)).requires_grad_()
        return self.used[name]

    def linear(self, name, x, outputs):
        weight = self(name + ".weight", outputs, x.shape[-1], scale=0.4)
        return functional.linear(x, weight, self(name + ".bias", outputs, scale=0.2))

    def norm(self, name, x, bias=True):
        size = x.shape[-1]
        if self.kind == "rms":
            y = x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS)
        else:
            y = functional.layer_norm(x, (size,), eps=EPS)
        y = y * self(name + ".weight", size, mean=1, scale=0.2)
        return y + self(name + ".bias", size, scale=0.2) if bias and self.kind == "layer" else y


# ---- Branches ----


def split(x):
    """(B, T, C) to (B, H, T, C/H)."""
    return x.reshape(*x.shape[:2], HEADS, -1).transpose(1, 2)


def attention(p, name, q, k, v, hidden, query_key_norm=None, value_norm=False, head_scale=False, inner_norm=False):
    """From projected q, k, v (B, T, C). query_key_norm: "head" or "width", of each head or of all together."""
    if query_key_norm == "width":
        q, k = p.norm(name + ".query_norm", q), p.norm(name + ".key_norm", k)
    q, k, v = split(q), split(k), split(v)
    if query_key_norm == "head":
        q, k = p.norm(name + ".query_norm", q), p.norm(name + ".key_norm", k)
    if value_norm:
        v = p.norm(name + ".value_norm", v)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    z = torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1) @ v
    if head_scale:
        z = z * p(name + ".head_scale", HEADS, mean=1, scale=0.3)[:, None, None]
    z = z.transpose(1, 2).reshape(z.shape[0], -1, WIDTH)
    if inner_norm:
        z = p.norm(name + ".out_norm", z)
    return p.linear(name + ".out", z, WIDTH)


def self_attention(p, name, x, hidden, **options):
    q, k, v = p.linear(name + ".qkv", x, 3 * WIDTH).split(WIDTH, dim=-1)
    return attention(p, name, q, k, v, hidden, **options)


def cross_attention(p, name, x, memory, hidden, **options):
    q = p.linear(name + ".query", x, WIDTH)
    k, v = p.linear(name + ".key_value", memory, 2 * WIDTH).split(WIDTH, dim=-1)
    return attention(p, name, q, k, v, hidden, **options)


def feed_forward(p, name, x, inner_norm=False):
    h = functional.gelu(p.linear(name + ".up", x, HIDDEN))
    return p.linear(name + ".down", p.norm(name + ".hidden_norm", h) if inner_norm else h, WIDTH)


# ---- Stacks ----


class Step:
    """One sublayer: its branch f(x, **options), and the norms and gains of its residual connection."""

    def __init__(self, stack, layer, kind):
        self.stack, self.layer, self.kind = stack, layer, kind
        self.prefix = f"{stack.prefix}blocks.{layer}."

    def f(self, x, **options):
        p, name, stack = self.stack.p, self.prefix + self.kind, self.stack
        if self.kind == "attn":
            return self_attention(p, name, x, stack.hidden, **options)
        if self.kind == "cross":
            return cross_attention(p, name, x, stack.memory, stack.memory_hidden, **options)
        return feed_forward(p, name, x, **options)

    def norm(self, name, x, **options):
        return self.stack.p.norm(f"{self.prefix}{self.kind}_residual.{name}", x, **options)

    def gain(self, name, size):
        return self.stack.p(f"{self.prefix}{self.kind}_residual.{name}", size, mean=1, scale=0.3)


class Stack:
    """The sublayers of an encoder or a decoder in their order. N and M: blocks of the encoder and of the decoder."""

    def __init__(self, p, prefix, layers, hidden, memory=None, memory_hidden=None, n=0, m=0):
        self.p, self.prefix, self.layers, self.hidden = p, prefix, layers, hidden
        self.memory, self.memory_hidden, self.n, self.m = memory, memory_hidden, n, m
        self.kinds = ["attn", "mlp"] if memory is None else ["attn", "cross", "mlp"]
        self.steps = [Step(self, layer, kind) for layer in range(layers) for kind in self.kinds]

    @property
    def is_decoder(self):
        return self.n == 0 or self.memory is not None

    @property
    def is_alone(self):
        return self.n == 0 or self.m == 0

    def norm(self, name, x):
        return self.p.norm(self.prefix + name, x)


# ---- Schemes: the stream x through all sublayers of a stack ----


def post(x, stack):
    for s in stack.steps:
        x = s.norm("norm_sum", x + s.f(x))
    return x


def pre(x, stack):
    for s in stack.steps:
        x = x + s.f(s.norm("norm_input", x))
    return stack.norm("final_norm", x)


def deepnorm(x, stack):
    if stack.is_alone:
        alpha = (2 * stack.layers) ** (1 / 4)
    elif stack.is_decoder:
        alpha = (3 * stack.m) ** (1 / 4)
    else:
        alpha = (stack.n**4 * stack.m / 27) ** (1 / 16)
    for s in stack.steps:
        x = s.norm("norm_sum", alpha * x + s.f(x))
    return x


def deepnorm_article(x, stack):
    alpha = 0.8 if stack.is_decoder else 1.0
    for s in stack.steps:
        x = s.norm("norm_sum", x + alpha * s.f(x))
    return x


def sandwich(x, stack):
    for s in stack.steps:
        x = x + s.norm("norm_output", s.f(s.norm("norm_input", x)))
    return stack.norm("final_norm", x)


def peri(x, stack):
    return sandwich(stack.norm("embedding_norm", x), stack)


def sub_ln(x, stack):
    for s in stack.steps:
        x = x + s.f(s.norm("norm_input", x), inner_norm=s.kind != "cross")
    return stack.norm("final_norm", x)


def normformer(x, stack):
    for s in stack.steps:
        if s.kind == "mlp":
            x = x + s.f(s.norm("norm_input", x), inner_norm=True)
        else:
            x = x + s.norm("norm_output", s.f(s.norm("norm_input", x), head_scale=True))
    return stack.norm("final_norm", x)


def olmo2(x, stack):
    for s in stack.steps:
        options = {} if s.kind == "mlp" else {"query_key_norm": "width"}
        x = x + s.norm("norm_output", s.f(x, **options))
    return stack.norm("final_norm", x)


def admin(x, stack):
    for s in stack.steps:
        x = s.norm("norm_sum", s.gain("skip_gain", WIDTH) * x + s.f(x))
    return x


def mix_ln(x, stack):
    for s in stack.steps:
        if s.layer < 1:  # a quarter of the blocks, at least one
            x = s.norm("norm_sum", x + s.f(x))
        else:
            x = x + s.f(s.norm("norm_input", x))
    return stack.norm("final_norm", x)


def layer_norm_scaling(x, stack):
    for s in stack.steps:
        x = x + s.f(s.norm("norm_input", x) / math.sqrt(s.layer + 1))
    return stack.norm("final_norm", x)


def hybrid(x, stack):
    for s in stack.steps:
        if s.kind == "mlp":
            y = s.norm("norm_stream", x)
            x = y + s.f(y)
        else:
            x = x + s.f(x, query_key_norm="head", value_norm=True)
    return stack.norm("final_norm", x)


def keel(x, stack):
    alpha = len(stack.steps)
    for s in stack.steps:
        z = s.f(s.norm("norm_input", x, bias=False))
        if s.layer == 0 and s.kind == "attn":
            x = x + z
        elif s.layer == 0:
            x = s.norm("norm_sum", x + z, bias=False)
        else:
            x = s.norm("norm_sum", alpha * x + z, bias=False)
    return x


def resi_dual(x, stack):
    dual = x
    for s in stack.steps:
        z = s.f(x)
        x, dual = s.norm("norm_sum", x + z), dual + z
    return x + stack.norm("final_norm", dual)


def layer_scale(x, stack):
    for s in stack.steps:
        x = x + s.gain("branch_gain", WIDTH) * s.f(s.norm("norm_input", x))
    return stack.norm("final_norm", x)


def rezero(x, stack):
    for s in stack.steps:
        x = x + s.gain("branch_gain", 1) * s.f(x)
    return x


def parallel(x, stack):
    for first in range(0, len(stack.steps), len(stack.kinds)):
        steps = stack.steps[first : first + len(stack.kinds)]
        y = steps[0].norm("norm_input", x)
        x = x + sum(s.f(y) for s in steps)
    return stack.norm("final_norm", x)


def t_fixup(x, stack):
    for s in stack.steps:
        x = x + s.f(x)
    return x


SCHEMES = {
    "post": post,
    "pre": pre,
    "deepnorm": deepnorm,
    "deepnorm-article": deepnorm_article,
    "sandwich": sandwich,
    "peri": peri,
    "sub-ln": sub_ln,
    "normformer": normformer,
    "olmo2": olmo2,
    "admin": admin,
    "mix-ln": mix_ln,
    "lns": layer_norm_scaling,
    "hybrid": hybrid,
    "keel": keel,
    "resi-dual": resi_dual,
    "layerscale": layer_scale,
    "rezero": rezero,
    "parallel": parallel,
    "t-fixup": t_fixup,
}

# ---- Models ----


def tokens(p):
    return p("token_embedding.weight", VOCAB, WIDTH, scale=1.0)


def embedding(p, ids):
    return tokens(p)[ids] + p("position_embedding.weight", CONTEXT, WIDTH, scale=1.0)[: ids.shape[1]]


def head(p, x):
    return functional.linear(x, tokens(p))


def later(length):
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def padding(length):
    return (torch.arange(length) >= torch.tensor(SOURCE_LENGTHS)[:, None])[:, None, None, :]


def gpt(p, scheme, source, target):
    x = scheme(embedding(p, target), Stack(p, "", LAYERS, later(LENGTH), m=LAYERS))
    return head(p, x)


def bert(p, scheme, source, target):
    x = scheme(embedding(p, source), Stack(p, "", LAYERS, padding(SOURCE_LENGTH), n=LAYERS))
    return head(p, x) + p("head_bias", VOCAB, scale=0.2)


def encdec(p, scheme, source, target):
    depth = {"n": LAYERS, "m": DECODER_LAYERS}
    hidden = padding(SOURCE_LENGTH)
    memory = scheme(embedding(p, source), Stack(p, "encoder.", LAYERS, hidden, **depth))
    decoder = Stack(p, "decoder.", DECODER_LAYERS, later(LENGTH), memory, hidden, **depth)
    return head(p, scheme(embedding(p, target), decoder))


def main(folder):
    """Writes the file into `folder`."""
    generator = numpy.random.default_rng(1)
    source = torch.tensor(generator.integers(0, VOCAB, size=(BATCH, SOURCE_LENGTH)))
    target = torch.tensor(generator.integers(0, VOCAB, size=(BATCH, LENGTH)))
    tensors = {"source": source.numpy().astype(numpy.int32), "target": target.numpy().astype(numpy.int32)}
    values = {}
    for model in (gpt, bert, encdec):
        length = SOURCE_LENGTH if model is bert else LENGTH
        dy = generator.standard_normal((BATCH, length, VOCAB)).astype(numpy.float32)
        tensors[f"{model.__name__}.dlogits"] = dy
        for name, scheme in SCHEMES.items():
            for kind in ("layer", "rms"):
                p = Parameters(kind)
                logits = model(p, scheme, source, target)
                logits.backward(torch.tensor(dy.astype(numpy.float64)))
                case = f"{model.__name__}.{name}.{kind}"
                used = sorted(p.used.items())
                tensors[case + ".logits"] = logits.detach().numpy().astype(numpy.float32)
                gradient = torch.cat([parameter.grad.flatten() for _, parameter in used])
                tensors[case + ".gradients"] = gradient.numpy().astype(numpy.float32)
                for parameter_name, parameter in used:
                    if parameter.numel() > values.get(parameter_name, numpy.empty(0)).size:
                        values[parameter_name] = parameter.detach().numpy().astype(numpy.float32)
    tensors.update({"value." + name: array for name, array in values.items()})
    safetensors_writer.write(os.path.join(folder, "schemes.safetensors"), tensors)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
