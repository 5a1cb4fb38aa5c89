"""Golden values for feed-forward and mixtures of experts, from PyTorch 1.13 in double precision.

    python3 tests/golden/feed_forward.py           writes feed_forward.safetensors beside this file

Activations are torch's. Written here from the papers: squared ReLU (So et al. 2021), gated linear units
(Shazeer 2020, equations 5 and 6), a norm of the hidden activations (Wang et al. 2022, Magneto), the mixture of
experts (Jiang et al. 2024, section 2.1, as Hugging Face's Mixtral computes it: softmax over all experts, the top ones
divided by their sum, one expert after the other) and the load-balancing loss (Fedus et al. 2021, equations 4 to 6, with
the shares taken over all choices of all tokens). Parameters have the library's names; the settings stand again in
tests/golden_feed_forward_test.cpp. Each case has x, dy, y, dx, and "value.P" and "gradient.P" of its parameters.
"""

import os
import sys

import torch
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402
from blocks import Source, array, linear_parameters, results, with_gradients  # noqa: E402

WIDTH, HIDDEN, BATCH, LENGTH = 6, 10, 2, 7
EPS = 1e-5
BALANCE = 0.5
PLAIN = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda t: functional.gelu(t, approximate="tanh"),
    "squared_relu": lambda t: functional.relu(t) ** 2,
    "silu": functional.silu,
}
GATED = {"swiglu": functional.silu, "geglu": functional.gelu, "reglu": functional.relu}
# Name, activation, norm of the hidden activations, experts, per token.
MIXTURES = [
    ("mixtral", "swiglu", None, 4, 2),
    ("top1", "gelu", None, 3, 1),
    ("normed", "geglu", "layer", 9, 3),
]


def network(x, p, prefix, activation, norm):
    up = functional.linear(x, p[prefix + "up.weight"], p[prefix + "up.bias"])
    if activation in GATED:
        gate = functional.linear(x, p[prefix + "gate.weight"], p[prefix + "gate.bias"])
        hidden = GATED[activation](gate) * up
    else:
        hidden = PLAIN[activation](up)
    if norm == "layer":
        weight, bias = p[prefix + "hidden_norm.weight"], p[prefix + "hidden_norm.bias"]
        hidden = functional.layer_norm(hidden, (HIDDEN,), weight, bias, EPS)
    elif norm == "rms":
        hidden = hidden / torch.sqrt((hidden**2).mean(-1, keepdim=True) + EPS) * p[prefix + "hidden_norm.weight"]
    return functional.linear(hidden, p[prefix + "down.weight"], p[prefix + "down.bias"])


def mixture(x, p, activation, norm, experts, per_token):
    """The output and the load-balancing loss."""
    tokens = x.reshape(-1, WIDTH)
    probabilities = torch.softmax(functional.linear(tokens, p["router.weight"]), dim=-1)
    weights, chosen = torch.topk(probabilities, per_token, dim=-1)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    one_hot = functional.one_hot(chosen, experts)  # (tokens, per_token, experts)
    y = torch.zeros_like(tokens)
    for e in range(experts):
        token, choice = torch.where(one_hot[..., e] > 0)
        if len(token):
            part = network(tokens[token], p, f"experts.{e}.", activation, norm)
            y = y.index_add(0, token, part * weights[token, choice, None])
    shares = one_hot.double().mean(dim=(0, 1))
    return y.reshape(x.shape), experts * (shares * probabilities.mean(dim=0)).sum()


def network_parameters(source, prefix, activation, norm):
    p = linear_parameters(source, prefix + "up", HIDDEN, WIDTH)
    if activation in GATED:
        p.update(linear_parameters(source, prefix + "gate", HIDDEN, WIDTH))
    if norm:
        p[prefix + "hidden_norm.weight"] = 1 + source.normal(HIDDEN, scale=0.25)
    if norm == "layer":
        p[prefix + "hidden_norm.bias"] = source.normal(HIDDEN, scale=0.25)
    p.update(linear_parameters(source, prefix + "down", WIDTH, HIDDEN))
    return p


def inputs(source):
    return source.normal(BATCH, LENGTH, WIDTH).requires_grad_(), source.normal(BATCH, LENGTH, WIDTH)


def network_case(number, activation, norm):
    source = Source(500 + number)
    p = with_gradients(network_parameters(source, "", activation, norm))
    x, dy = inputs(source)
    y = network(x, p, "", activation, norm)
    y.backward(dy)
    return {"x": x, "dy": dy, "y": y, "dx": x.grad, **results(p)}


def mixture_case(number, activation, norm, experts, per_token):
    """Gradients are those of y·dy + BALANCE·(load-balancing loss)."""
    source = Source(600 + number)
    p = {"router.weight": source.normal(experts, WIDTH)}
    for e in range(experts):
        p.update(network_parameters(source, f"experts.{e}.", activation, norm))
    with_gradients(p)
    x, dy = inputs(source)
    y, balance = mixture(x, p, activation, norm, experts, per_token)
    ((y * dy).sum() + BALANCE * balance).backward()
    for tensor in p.values():  # of an expert without tokens
        tensor.grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
    return {"x": x, "dy": dy, "y": y, "dx": x.grad, "balance": balance, **results(p)}


def main(folder):
    """Writes the file into `folder`."""
    cases = {}
    for number, activation in enumerate([*PLAIN, *GATED]):
        cases[activation] = network_case(number, activation, None)
    cases["gelu.layer"] = network_case(20, "gelu", "layer")
    cases["swiglu.rms"] = network_case(21, "swiglu", "rms")
    for number, (name, *settings) in enumerate(MIXTURES):
        cases[name] = mixture_case(number, *settings)
    tensors = {f"{case}.{name}": array(t) for case, values in cases.items() for name, t in values.items()}
    safetensors_writer.write(os.path.join(folder, "feed_forward.safetensors"), tensors)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
