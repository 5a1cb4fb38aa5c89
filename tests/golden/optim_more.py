"""Golden values for the optimizers that tests/golden/optim.py leaves out, in double precision.

    python3 tests/golden/optim_more.py       writes optim_more.safetensors beside this file

RAdam is PyTorch's. The others are written here from their papers' formulas: PyTorch 1.13 has none of them but NAdam,
and its NAdam has one factor of its second product twice, which version 2.0 put right. Start values and gradients are
made as in optim.py, with two more matrices for what looks at a parameter's shape. The settings stand again in
tests/support/optimizers.cpp.
"""

import math
import os
import sys

import numpy
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import optim  # noqa: E402
import safetensors_writer  # noqa: E402

STEPS = optim.STEPS
KEPT = (0, 5, 9)  # the steps after which values are written
SHAPES = [(7,), (3, 5), (33,), (9, 4), (6, 6)]


def inputs():
    generator = numpy.random.default_rng(21)
    starts = [optim.single(generator.normal(size=shape)) for shape in SHAPES]
    scales = (1.0, 1e-1, 1e-3, 1.0, 3.0)
    gradients = [optim.single(generator.normal(size=(STEPS,) + s) * k) for s, k in zip(SHAPES, scales)]
    return starts, gradients


def follow(make, start, gradients, rate):
    """Values after those steps that are kept, of update(value, gradient, rate, t), with t from 1."""
    update = make(start)
    value, values = start.copy(), []
    for step in range(STEPS):
        value = update(value, gradients[step], optim.rate_at(step, rate), step + 1)
        values.append(value)
    return numpy.stack(values)[list(KEPT)]


def adamw(beta1=0.9, beta2=0.999, eps=1e-8, decay=0.01, independent_peak=None, rate_factor=1.0):
    def make(start):
        m, v = numpy.zeros_like(start), numpy.zeros_like(start)

        def update(value, g, rate, t):
            nonlocal m, v
            factor = rate * rate_factor if independent_peak is None else rate / independent_peak
            value = value - factor * decay * value
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            step = m / (1 - beta1**t) / (numpy.sqrt(v / (1 - beta2**t)) + eps)
            return value - rate * rate_factor * step

        return update

    return make


def nadam(beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, momentum_decay=4e-3, decoupled=False):
    def make(start):
        m, v, product = numpy.zeros_like(start), numpy.zeros_like(start), 1.0

        def update(value, g, rate, t):
            nonlocal m, v, product
            if decoupled:
                value = value * (1 - rate * decay)
            else:
                g = g + decay * value
            now = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
            following = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
            product *= now
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            ahead = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
            return value - rate * ahead / (numpy.sqrt(v / (1 - beta2**t)) + eps)

        return update

    return make


def lion(beta1=0.9, beta2=0.99, decay=0.0):
    def make(start):
        m = numpy.zeros_like(start)

        def update(value, g, rate, t):
            nonlocal m
            c = beta1 * m + (1 - beta1) * g
            m = beta2 * m + (1 - beta2) * g
            return value - rate * (numpy.sign(c) + decay * value)

        return update

    return make


def lamb(beta1=0.9, beta2=0.999, eps=1e-6, decay=0.01, adapt=True):
    def make(start):
        m, v = numpy.zeros_like(start), numpy.zeros_like(start)

        def update(value, g, rate, t):
            nonlocal m, v
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            r = m / (1 - beta1**t) / (numpy.sqrt(v / (1 - beta2**t)) + eps) + decay * value
            ratio = numpy.linalg.norm(value) / numpy.linalg.norm(r) if adapt else 1.0
            return value - rate * ratio * r

        return update

    return make


def adafactor(exponent=0.8, clip=1.0, eps1=1e-30, eps2=1e-3, beta1=0.0, relative=False, scale=False, decay=0.0):
    def rms(x):
        return math.sqrt(numpy.mean(x * x))

    def make(start):
        state = {"row": 0.0, "column": 0.0, "v": 0.0, "m": 0.0}

        def update(value, g, rate, t):
            beta = 1 - t**-exponent
            square = g * g + eps1
            if value.ndim == 2:
                state["row"] = beta * state["row"] + (1 - beta) * square.mean(axis=1)
                state["column"] = beta * state["column"] + (1 - beta) * square.mean(axis=0)
                v = numpy.outer(state["row"], state["column"]) / state["row"].mean()
            else:
                v = state["v"] = beta * state["v"] + (1 - beta) * square
            u = g / numpy.sqrt(v)
            u = u / max(1.0, rms(u) / clip)
            alpha = rate
            if relative:
                alpha *= min(1e-2, 1 / math.sqrt(t))
            if scale:
                alpha *= max(eps2, rms(value))
            u = alpha * u
            if beta1 > 0:
                u = state["m"] = beta1 * state["m"] + (1 - beta1) * u
            return value - alpha * decay * value - u

        return update

    return make


def orthogonalized(x, iterations=5):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / (numpy.linalg.norm(x) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def muon(momentum=0.95, nesterov=True, decay=0.0, parts=1, like_adam=False, iterations=5):
    """For matrices; everything else has adamw."""

    def make(start):
        m = numpy.zeros_like(start)
        rows, columns = start.shape[0] // parts, start.shape[1]
        size = 0.2 * math.sqrt(max(rows, columns)) if like_adam else math.sqrt(max(1.0, rows / columns))

        def update(value, g, rate, t):
            nonlocal m
            m = momentum * m + (1 - momentum) * g
            u = momentum * m + (1 - momentum) * g if nesterov else m
            x = numpy.concatenate([orthogonalized(part, iterations) for part in numpy.split(u, parts)])
            return value - rate * decay * value - rate * size * x

        return update

    return make


def schedule_free(beta=0.9, beta2=0.999, eps=1e-8, decay=0.0):
    """Values are y and then x, side by side."""

    def make(start):
        state = {"v": numpy.zeros_like(start), "z": start, "x": start, "weights": 0.0, "peak": 0.0}

        def update(value, g, rate, t):
            y = value[0] if value.ndim > start.ndim else value
            s = state
            s["v"] = beta2 * s["v"] + (1 - beta2) * g * g
            s["z"] = s["z"] - rate * (g / (numpy.sqrt(s["v"] / (1 - beta2**t)) + eps) + decay * y)
            s["peak"] = max(s["peak"], rate)
            s["weights"] += s["peak"] ** 2
            c = s["peak"] ** 2 / s["weights"]
            s["x"] = (1 - c) * s["x"] + c * s["z"]
            return numpy.stack([(1 - beta) * s["z"] + beta * s["x"], s["x"]])

        return update

    return make


def radam(start, gradients, rate, **options):
    parameter = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.RAdam([parameter], lr=rate, **options)
    values = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = optim.rate_at(step, rate)
        parameter.grad = torch.tensor(gradients[step])
        optimizer.step()
        values.append(parameter.detach().numpy().copy())
    return numpy.stack(values)[list(KEPT)]


def all_settings():
    """name: (rate, for each parameter what follow() takes)."""
    everywhere = [None] * len(SHAPES)
    matrices = [len(shape) == 2 for shape in SHAPES]

    def same(maker):
        return [maker for _ in everywhere]

    def muon_and_rest(rest, parts=None, **options):
        parts = parts or {}
        return [muon(parts=parts.get(i, 1), **options) if m else rest for i, m in enumerate(matrices)]

    return {
        "adamw.independent": (0.01, same(adamw(beta2=0.98, decay=0.2, independent_peak=0.03))),
        "nadam.default": (0.01, same(nadam())),
        "nadam.l2": (0.01, same(nadam(beta1=0.8, beta2=0.95, eps=1e-3, decay=0.1, momentum_decay=0.1))),
        "nadam.decoupled": (0.01, same(nadam(decay=0.3, decoupled=True))),
        "lion.default": (0.003, same(lion())),
        "lion.decay": (0.003, same(lion(beta1=0.95, beta2=0.98, decay=0.5))),
        "lamb.default": (0.01, [lamb(adapt=m) for m in matrices]),
        "lamb.all": (0.01, same(lamb(beta2=0.98, decay=0.1))),
        "adafactor.default": (0.01, same(adafactor())),
        "adafactor.paper": (1.0, same(adafactor(relative=True, scale=True))),
        "adafactor.options": (0.02, same(adafactor(exponent=0.6, clip=0.5, eps1=1e-3, beta1=0.9, decay=0.3))),
        "muon.default": (0.02, muon_and_rest(adamw(beta2=0.95, decay=0.0, rate_factor=0.015))),
        "muon.options": (
            0.02,
            muon_and_rest(
                adamw(beta1=0.8, beta2=0.9, decay=0.1, rate_factor=1.0),
                parts={1: 3, 4: 2},
                momentum=0.9,
                nesterov=False,
                decay=0.1,
                like_adam=True,
                iterations=4,
            ),
        ),
        "schedule-free.default": (0.01, same(schedule_free())),
        "schedule-free.decay": (0.01, same(schedule_free(beta=0.6, beta2=0.95, eps=1e-3, decay=0.2))),
        "schedule-free.plain": (0.01, same(schedule_free(beta=0.0))),
    }


def optimizers():
    starts, gradients = inputs()
    tensors = {}
    for i, start in enumerate(starts):
        tensors[f"start.{i}"] = start.astype(numpy.float32)
        tensors[f"gradient.{i}"] = gradients[i].astype(numpy.float32)
        tensors[f"radam.default.value.{i}"] = radam(start, gradients[i], 0.01)
        tensors[f"radam.l2.value.{i}"] = radam(start, gradients[i], 0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)
    for name, (rate, makers) in all_settings().items():
        for i, maker in enumerate(makers):
            values = follow(maker, starts[i], gradients[i], rate)
            if name.startswith("schedule-free"):
                tensors[f"{name}.evaluation.{i}"] = values[:, 1]
                values = values[:, 0]
            tensors[f"{name}.value.{i}"] = values
    return tensors


def main(folder):
    """Writes the file into `folder`."""
    safetensors_writer.write(os.path.join(folder, "optim_more.safetensors"), optimizers())


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
