"""Golden values for the schedules that rise again, the further options of the simple ones, and Plateau, in double
precision, from PyTorch 1.13.

    python3 tests/golden/schedules.py        writes schedules.safetensors beside this file

What PyTorch does not have is written here from the definitions in the documentation of Hugging Face transformers, optax,
timm and pytorch_warmup, as functions for LambdaLR. The settings stand again in tests/f64/schedule_golden_test.cpp.
"""

import math
import os
import sys

import numpy
import torch
from torch.optim import lr_scheduler

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402

STEPS = 100


def optimizer_of(lr):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)


def run(make, lr, key="lr"):
    """One entry of the optimizer in each step under the scheduler make(optimizer)."""
    optimizer = optimizer_of(lr)
    scheduler = make(optimizer)
    result = []
    for _ in range(STEPS):
        result.append(optimizer.param_groups[0][key])
        optimizer.step()
        scheduler.step()
    return numpy.array(result, dtype=numpy.float64)


def function(rate):
    return run(lambda optimizer: lr_scheduler.LambdaLR(optimizer, rate), 1.0)


def one_cycle(key="lr", **options):
    return run(lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.02, total_steps=STEPS, **options), 0.1, key)


def cyclic(**options):
    return run(lambda o: lr_scheduler.CyclicLR(o, base_lr=1e-3, max_lr=1e-2, **options), 0.1)


def sequence(optimizer):
    """Warm-up, restarts, and the rest by steps."""
    parts = [
        lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=15),
        lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=20, eta_min=1e-4),
        lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.5),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, milestones=[15, 65])


def warm(step, warmup, lr):
    return lr * step / warmup


# Hugging Face transformers: get_..._schedule, counting from step 0 with a rate of 0.


def huggingface_cosine_waves(step, lr=1e-3, warmup=10, total=90, cycles=1.5, least=1e-4):
    if step < warmup:
        return warm(step, warmup, lr)
    progress = (min(step, total) - warmup) / (total - warmup)  # theirs goes on with the wave
    ratio = least / lr
    return lr * (0.5 * (1 + math.cos(2 * math.pi * cycles * progress)) * (1 - ratio) + ratio)


def huggingface_hard_restarts(step, lr=1e-3, warmup=10, total=80, cycles=4):
    if step < warmup:
        return warm(step, warmup, lr)
    progress = (step - warmup) / (total - warmup)
    # As written in their code the product may round to just below a whole number; multiplied first it does not.
    walked = (step - warmup) * cycles / (total - warmup)
    return 0.0 if progress >= 1 else lr * 0.5 * (1 + math.cos(math.pi * (walked % 1.0)))


def huggingface_inverse_sqrt(step, lr=2e-3, warmup=12, timescale=40):
    if step < warmup:
        return warm(step, warmup, lr)
    shift = timescale - warmup
    return lr / math.sqrt((step + shift) / timescale)


SHAPES = {
    "linear": (lambda p: p, lambda p: 1 - p),
    "cosine": (lambda p: 0.5 * (1 - math.cos(math.pi * p)), lambda p: 0.5 * (1 + math.cos(math.pi * p))),
    "1-sqrt": (lambda p: 1 - math.sqrt(1 - p), lambda p: 1 - math.sqrt(p)),
}


def huggingface_wsd(up, down, lr=2e-3, warmup=20, stable=40, decay=30, ratio=0.1):
    def rate(step):
        if step < warmup:
            return lr * (SHAPES[up][0](step / warmup) * (1 - ratio) + ratio)
        if step < warmup + stable:
            return lr
        if step < warmup + stable + decay:
            return lr * (SHAPES[down][1]((step - warmup - stable) / decay) * (1 - ratio) + ratio)
        return lr * ratio

    return rate


# MiniCPM: after its plateau the rate halves again and again.


def minicpm(step, lr=1e-2, warmup=10, stable=50, half=12):
    if step < warmup:
        return lr * (step + 1) / warmup
    return lr if step < warmup + stable else lr * 0.5 ** ((step - warmup - stable) / half)


# optax


def optax_cosine_exponent(step, init=3e-3, decay=80, alpha=0.1, exponent=2.0):
    wave = 0.5 * (1 + math.cos(math.pi * min(step, decay) / decay))
    return init * ((1 - alpha) * wave**exponent + alpha)


def optax_cosine_onecycle(step, total=90, peak=0.01, start=0.3, div=25.0, final=1e4):
    points = [(0, peak / div), (int(start * total), peak), (total, peak / (div * final))]
    for (first, begin), (last, end) in zip(points, points[1:]):
        if step < last:
            return begin + (end - begin) * (1 - math.cos(math.pi * (step - first) / (last - first))) / 2
    return points[-1][1]


def optax_sgdr(step, peak=1e-2):
    """Two warm-ups, each with its cosine; decay_steps include the warm-up."""
    for first, warmup, decay, top in ((0, 10, 40, peak), (40, 15, 60, peak / 2)):
        if step < first + decay:
            s = step - first
            if s < warmup:
                return 1e-3 + (top - 1e-3) * s / warmup
            return 1e-3 + (top - 1e-3) * 0.5 * (1 + math.cos(math.pi * (s - warmup) / (decay - warmup)))
    return 1e-3


def optax_exponential(step, init=1e-2, transition=20, rate=0.5):
    return init * rate ** (step / transition)


# timm, with warmup_prefix=True


def timm_cosine(step, lr=1e-2, initial=10, mul=1.5, decay=0.5, limit=4, least=1e-3, k=1.0):
    begin, length, cycle = 0.0, float(initial), 0
    while step >= begin + length:
        begin, length, cycle = begin + length, length * mul, cycle + 1
    if cycle >= limit:
        return least
    top = lr * decay**cycle
    return least + 0.5 * (top - least) * (1 + math.cos(math.pi * (step - begin) ** k / length**k))


def timm_k_decay(step, lr=1e-2, warmup=10, initial=80, least=1e-4, k=1.5):
    if step < warmup:
        return warm(step, warmup, lr)
    t = min(step - warmup, initial)
    return least + 0.5 * (lr - least) * (1 + math.cos(math.pi * t**k / initial**k))


def timm_poly(step, lr=1e-2, initial=90, least=1e-4, power=0.5, k=2.0):
    t = min(step, initial)
    return least + (lr - least) * (1 - t**k / initial**k) ** power


# pytorch_warmup: Ma & Yarats's exponential warm-up, untuned for beta2 = 0.95, on a cosine.


def exponential_warmup(step, lr=1e-2, total=99, beta2=0.95):
    return lr * 0.5 * (1 + math.cos(math.pi * step / total)) * (1 - math.exp(-(1 - beta2) * (step + 1)))


def plateau(**options):
    """(losses, rates after each of them): a loss that falls, rests, jumps, and is not a number for a while."""
    generator = numpy.random.default_rng(7)
    losses = 2 + 3 * numpy.exp(-numpy.arange(STEPS) / 15.0) + 0.02 * generator.normal(size=STEPS)
    losses[40:43] = numpy.nan
    losses[70] = 1.0
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    rates = []
    for loss in losses if options.get("mode") != "max" else -losses:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return losses, numpy.array(rates, dtype=numpy.float64)


def tensors():
    s = lr_scheduler
    result = {
        "multi_step": run(lambda o: s.MultiStepLR(o, milestones=[10, 30, 31, 77], gamma=0.3), 0.1),
        "restarts": run(lambda o: s.CosineAnnealingWarmRestarts(o, T_0=13, eta_min=1e-3), 0.02),
        "restarts_doubled": run(lambda o: s.CosineAnnealingWarmRestarts(o, T_0=9, T_mult=2, eta_min=1e-3), 0.02),
        "one_cycle": one_cycle(),
        "one_cycle_linear": one_cycle(anneal_strategy="linear", pct_start=0.25, div_factor=10.0, final_div_factor=50.0),
        "one_cycle_three": one_cycle(three_phase=True, pct_start=0.35),
        "one_cycle_three_linear": one_cycle(three_phase=True, anneal_strategy="linear"),
        "momentum": one_cycle("momentum"),
        "momentum_three": one_cycle("momentum", three_phase=True, base_momentum=0.8, max_momentum=0.9),
        "triangular": cyclic(step_size_up=12),
        "triangular_uneven": cyclic(step_size_up=8, step_size_down=20),
        "triangular2": cyclic(step_size_up=12, mode="triangular2"),
        "triangular_range": cyclic(step_size_up=12, mode="exp_range", gamma=0.98),
        "sequence": run(sequence, 1e-2),
        "huggingface_cosine_waves": function(huggingface_cosine_waves),
        "huggingface_hard_restarts": function(huggingface_hard_restarts),
        "huggingface_inverse_sqrt": function(huggingface_inverse_sqrt),
        "minicpm": function(minicpm),
        "optax_cosine_exponent": function(optax_cosine_exponent),
        "optax_cosine_onecycle": function(optax_cosine_onecycle),
        "optax_sgdr": function(optax_sgdr),
        "optax_exponential": function(optax_exponential),
        "timm_cosine": function(timm_cosine),
        "timm_k_decay": function(timm_k_decay),
        "timm_poly": function(timm_poly),
        "exponential_warmup": function(exponential_warmup),
    }
    for up in SHAPES:
        for down in SHAPES:
            result[f"huggingface_wsd.{up}.{down}"] = function(huggingface_wsd(up, down))
    settings = {
        "default": {"patience": 3},
        "absolute": {"patience": 2, "threshold": 0.05, "threshold_mode": "abs", "factor": 0.5},
        "cooldown": {"patience": 1, "cooldown": 4, "factor": 0.3, "min_lr": 1e-3},
        "maximum": {"mode": "max", "patience": 4, "factor": 0.7, "threshold": 0.01},
        "eps": {"patience": 0, "factor": 0.5, "eps": 1e-3},
    }
    for name, options in settings.items():
        losses, rates = plateau(**options)
        result["plateau.losses"] = losses
        result[f"plateau.{name}"] = rates
    return result


def main(folder):
    """Writes the file into `folder`."""
    safetensors_writer.write(os.path.join(folder, "schedules.safetensors"), tensors())


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
