"""Golden values for attention, blocks and whole models, from PyTorch 1.13 in double precision.

    python3 tests/golden/blocks.py           writes blocks.safetensors beside this file

The Post-LN and Pre-LN blocks with LayerNorm are torch.nn.TransformerEncoderLayer, attention is
torch.nn.MultiheadAttention. What PyTorch 1.13 lacks is written here from the papers: RMSNorm (Zhang & Sennrich 2019,
equation 4), DeepNorm (Wang et al. 2022, section 4.1), SwiGLU (Shazeer 2020, equation 6), rotary positions (Su et al.
2021, equation 13, as products of complex numbers) and sinusoidal ones (Vaswani et al. 2017, section 3.5). Parameters
have the library's names; the settings stand again in tests/golden_blocks_test.cpp.
"""

import math
import os
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402

WIDTH, HEADS, HIDDEN, BATCH, LENGTH = 8, 2, 12, 2, 5
LAYERS = 3  # DeepNorm's alpha of a block depends on it
VOCAB, CONTEXT, MODEL_LAYERS = 11, 7, 2
EPS = 1e-5
# Scheme and norm of each block, with an activation, so that all of them occur.
BLOCKS = [
    ("post", "layer", "gelu"),
    ("post", "rms", "relu"),
    ("pre", "layer", "relu"),
    ("pre", "rms", "swiglu"),
    ("deepnorm", "layer", "gelu_tanh"),
    ("deepnorm", "rms", "gelu"),
]
# Scheme, norm, activation, positions, tied.
MODELS = [
    ("pre", "layer", "gelu", "learned", True),
    ("post", "layer", "relu", "sinusoidal", True),
    ("deepnorm", "rms", "swiglu", "rotary", False),
]


class Source:
    """Random numbers that a float holds exactly, as double tensors."""

    def __init__(self, seed):
        self.generator = numpy.random.default_rng(seed)

    def normal(self, *shape, scale=1.0):
        array = (self.generator.normal(size=shape) * scale).astype(numpy.float32)
        return torch.tensor(array.astype(numpy.float64))

    def integers(self, high, *shape):
        return torch.tensor(self.generator.integers(0, high, size=shape))


# ---- Formulas ----


def norm(x, p, prefix, kind):
    weight = p[prefix + ".weight"]
    if kind == "rms":
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * weight
    return functional.layer_norm(x, (x.shape[-1],), weight, p[prefix + ".bias"], EPS)


def rotate(x):
    """x (B, H, T, D): the pair (i, i + D/2) is a complex number, multiplied by e^(i·t·10000^(-2i/D))."""
    length, size = x.shape[-2:]
    z = torch.complex(x[..., : size // 2], x[..., size // 2 :])
    frequency = 10000.0 ** (-2 * torch.arange(size // 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    z = z * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], dim=-1)


def attention(x, p, prefix, rotary):
    """Causal self-attention from the packed projection."""
    batch, length, width = x.shape
    qkv = functional.linear(x, p[prefix + ".qkv.weight"], p[prefix + ".qkv.bias"])
    heads = [part.reshape(batch, length, HEADS, -1).transpose(1, 2) for part in qkv.split(width, dim=-1)]
    q, k, v = (rotate(heads[0]), rotate(heads[1]), heads[2]) if rotary else heads
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    later = torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)
    weights = torch.softmax(scores.masked_fill(later, -math.inf), dim=-1)
    z = (weights @ v).transpose(1, 2).reshape(batch, length, width)
    return functional.linear(z, p[prefix + ".out.weight"], p[prefix + ".out.bias"])


def feed_forward(x, p, prefix, activation):
    up = functional.linear(x, p[prefix + ".up.weight"], p[prefix + ".up.bias"])
    if activation == "swiglu":
        gate = functional.linear(x, p[prefix + ".gate.weight"], p[prefix + ".gate.bias"])
        hidden = gate * torch.sigmoid(gate) * up
    elif activation == "gelu_tanh":
        hidden = functional.gelu(up, approximate="tanh")
    else:
        hidden = {"gelu": functional.gelu, "relu": functional.relu}[activation](up)
    return functional.linear(hidden, p[prefix + ".down.weight"], p[prefix + ".down.bias"])


def norm_name(scheme, branch):
    return ("attn", "mlp")[branch] + ("_residual.norm_input" if scheme == "pre" else "_residual.norm_sum")


def block(x, p, prefix, scheme, kind, activation, layers, rotary=False):
    branches = [
        lambda t: attention(t, p, prefix + "attn", rotary),
        lambda t: feed_forward(t, p, prefix + "mlp", activation),
    ]
    alpha = (2 * layers) ** 0.25
    for i, f in enumerate(branches):
        apply = lambda t: norm(t, p, prefix + norm_name(scheme, i), kind)  # noqa: E731
        if scheme == "post":
            x = apply(x + f(x))
        elif scheme == "pre":
            x = x + f(apply(x))
        else:
            x = apply(alpha * x + f(x))
    return x


def sinusoidal(length, width):
    table = torch.zeros(length, width, dtype=torch.float64)
    for t in range(length):
        for i in range(width // 2):
            angle = t / 10000 ** (2 * i / width)
            table[t, 2 * i], table[t, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


def model(ids, p, scheme, kind, activation, positions):
    x = p["token_embedding.weight"][ids]
    if positions == "learned":
        x = x + p["position_embedding.weight"][: ids.shape[1]]
    elif positions == "sinusoidal":
        x = x * math.sqrt(WIDTH) + sinusoidal(ids.shape[1], WIDTH)
    for i in range(MODEL_LAYERS):
        x = block(x, p, f"blocks.{i}.", scheme, kind, activation, MODEL_LAYERS, positions == "rotary")
    if scheme == "pre":
        x = norm(x, p, "final_norm", kind)
    return functional.linear(x, p.get("head.weight", p["token_embedding.weight"]))


# ---- Parameters ----


def norm_parameters(source, prefix, kind):
    p = {prefix + ".weight": 1 + source.normal(WIDTH, scale=0.2)}
    if kind == "layer":
        p[prefix + ".bias"] = source.normal(WIDTH, scale=0.2)
    return p


def linear_parameters(source, prefix, outputs, inputs):
    weight = source.normal(outputs, inputs, scale=0.4)
    return {prefix + ".weight": weight, prefix + ".bias": source.normal(outputs, scale=0.2)}


def block_parameters(source, prefix, scheme, kind, activation):
    p = norm_parameters(source, prefix + norm_name(scheme, 0), kind)
    p.update(linear_parameters(source, prefix + "attn.qkv", 3 * WIDTH, WIDTH))
    p.update(linear_parameters(source, prefix + "attn.out", WIDTH, WIDTH))
    p.update(norm_parameters(source, prefix + norm_name(scheme, 1), kind))
    p.update(linear_parameters(source, prefix + "mlp.up", HIDDEN, WIDTH))
    if activation == "swiglu":
        p.update(linear_parameters(source, prefix + "mlp.gate", HIDDEN, WIDTH))
    p.update(linear_parameters(source, prefix + "mlp.down", WIDTH, HIDDEN))
    return p


def model_parameters(source, scheme, kind, activation, positions, tied):
    p = {"token_embedding.weight": source.normal(VOCAB, WIDTH, scale=0.5)}
    if positions == "learned":
        p["position_embedding.weight"] = source.normal(CONTEXT, WIDTH, scale=0.5)
    for i in range(MODEL_LAYERS):
        p.update(block_parameters(source, f"blocks.{i}.", scheme, kind, activation))
    if scheme == "pre":
        p.update(norm_parameters(source, "final_norm", kind))
    if not tied:
        p["head.weight"] = source.normal(VOCAB, WIDTH, scale=0.4)
    return p


def with_gradients(p):
    for tensor in p.values():
        tensor.requires_grad_()
    return p


def results(p):
    """Parameters and their gradients, as they go into the file."""
    tensors = {"value." + name: tensor for name, tensor in p.items()}
    tensors.update({"gradient." + name: tensor.grad for name, tensor in p.items()})
    return tensors


# ---- Cases ----


def encoder_layer(p, scheme, activation):
    """PyTorch's own block with these parameters."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, 0.0, activation, EPS, batch_first=True, norm_first=scheme == "pre", dtype=torch.float64
    )
    names = {
        "self_attn.in_proj_weight": "attn.qkv.weight",
        "self_attn.in_proj_bias": "attn.qkv.bias",
        "self_attn.out_proj": "attn.out",
        "norm1": norm_name(scheme, 0),
        "norm2": norm_name(scheme, 1),
        "linear1": "mlp.up",
        "linear2": "mlp.down",
    }
    for theirs, parameter in layer.named_parameters():
        ours = theirs
        for a, b in names.items():
            ours = ours.replace(a, b)
        parameter.data = p[ours].detach().clone()
    return layer


def block_case(number, scheme, kind, activation):
    source = Source(100 + number)
    p = with_gradients(block_parameters(source, "", scheme, kind, activation))
    x = source.normal(BATCH, LENGTH, WIDTH).requires_grad_()
    dy = source.normal(BATCH, LENGTH, WIDTH)
    y = block(x, p, "", scheme, kind, activation, LAYERS)
    y.backward(dy)
    if kind == "layer" and scheme != "deepnorm":
        layer = encoder_layer(p, scheme, activation)
        theirs = x.detach().clone().requires_grad_()
        output = layer(theirs, torch.full((LENGTH, LENGTH), -math.inf, dtype=torch.float64).triu(1))
        output.backward(dy)
        torch.testing.assert_close(output, y, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(theirs.grad, x.grad, rtol=1e-12, atol=1e-12)
        y, x = output, theirs
    return {"x": x, "dy": dy, "y": y, "dx": x.grad, **results(p)}


def model_case(number, scheme, kind, activation, positions, tied):
    source = Source(200 + number)
    p = with_gradients(model_parameters(source, scheme, kind, activation, positions, tied))
    ids = source.integers(VOCAB, BATCH, CONTEXT - 1)
    targets = source.integers(VOCAB, BATCH, CONTEXT - 1)
    logits = model(ids, p, scheme, kind, activation, positions)
    loss = functional.cross_entropy(logits.reshape(-1, VOCAB), targets.reshape(-1))
    loss.backward()
    return {"ids": ids, "targets": targets, "logits": logits, "loss": loss, **results(p)}


def attention_case(number, memory_length=None, **options):
    """torch.nn.MultiheadAttention. `memory_length`: the keys and values come from another sequence."""
    source = Source(300 + number)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    p = linear_parameters(source, "qkv", 3 * WIDTH, WIDTH)
    p.update(linear_parameters(source, "out", WIDTH, WIDTH))
    module.in_proj_weight.data, module.in_proj_bias.data = p["qkv.weight"], p["qkv.bias"]
    module.out_proj.weight.data, module.out_proj.bias.data = p["out.weight"], p["out.bias"]
    x = source.normal(BATCH, LENGTH, WIDTH).requires_grad_()
    memory = source.normal(BATCH, memory_length, WIDTH).requires_grad_() if memory_length else x
    dy = source.normal(BATCH, LENGTH, WIDTH)
    y, _ = module(x, memory, memory, need_weights=False, **options)
    y.backward(dy)
    tensors = {
        "x": x,
        "dy": dy,
        "y": y,
        "dx": x.grad,
        "value.out.weight": module.out_proj.weight,
        "value.out.bias": module.out_proj.bias,
        "gradient.out.weight": module.out_proj.weight.grad,
        "gradient.out.bias": module.out_proj.bias.grad,
    }
    packed = {
        "value.{}.weight": module.in_proj_weight,
        "value.{}.bias": module.in_proj_bias,
        "gradient.{}.weight": module.in_proj_weight.grad,
        "gradient.{}.bias": module.in_proj_bias.grad,
    }
    for name, tensor in packed.items():
        if memory_length:
            tensors[name.format("query")], tensors[name.format("key_value")] = tensor[:WIDTH], tensor[WIDTH:]
        else:
            tensors[name.format("qkv")] = tensor
    if memory_length:
        tensors.update({"memory": memory, "dmemory": memory.grad})
    return tensors


def attention_cases():
    causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)
    source = Source(400)
    added = source.normal(LENGTH, LENGTH)
    added[1, 3] = -math.inf  # a hidden key
    for_each = source.normal(BATCH, LENGTH, LENGTH)
    for_each[0, 4, :3] = -math.inf
    padding = torch.arange(LENGTH) >= torch.tensor([3, LENGTH])[:, None]  # key lengths 3 and 5
    memory_padding = torch.arange(7) >= torch.tensor([7, 4])[:, None]
    cases = {
        "full": attention_case(0),
        "causal": attention_case(1, attn_mask=causal),
        "mask": attention_case(2, attn_mask=added),
        "masks": attention_case(3, attn_mask=for_each.repeat_interleave(HEADS, dim=0)),
        "padding": attention_case(4, key_padding_mask=padding),
        "causal_padding": attention_case(5, attn_mask=causal, key_padding_mask=padding),
        "cross": attention_case(6, memory_length=7),
        "cross_padding": attention_case(7, memory_length=7, key_padding_mask=memory_padding),
    }
    cases["mask"]["mask"] = added
    cases["masks"]["mask"] = for_each
    return cases


def array(tensor):
    if tensor.dtype == torch.int64:
        return tensor.numpy().astype(numpy.int32)
    return tensor.detach().numpy().astype(numpy.float32)


def main(folder):
    """Writes the file into `folder`."""
    cases = {f"attention.{name}": tensors for name, tensors in attention_cases().items()}
    for number, (scheme, kind, activation) in enumerate(BLOCKS):
        cases[f"block.{scheme}.{kind}"] = block_case(number, scheme, kind, activation)
    for number, (scheme, kind, activation, positions, tied) in enumerate(MODELS):
        cases[f"model.{positions}"] = model_case(number, scheme, kind, activation, positions, tied)
    tensors = {f"{case}.{name}": array(t) for case, values in cases.items() for name, t in values.items()}
    safetensors_writer.write(os.path.join(folder, "blocks.safetensors"), tensors)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
