"""Golden values for optimizers, clipping and schedules, from PyTorch 1.13 in double precision.

    python3 tests/golden/optim.py            writes optim.safetensors and schedule.safetensors beside this file

What PyTorch does not have is written here from its formula: Adam without bias correction, and the schedules of papers
and of Hugging Face as functions for LambdaLR. The settings stand again in tests/support/optim_golden.h.
"""

import math
import os
import sys

import numpy
import torch
from torch.optim import lr_scheduler

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import safetensors_writer  # noqa: E402

STEPS = 10
SHAPES = [(7,), (3, 5), (33,)]


def setting(optimizer, rate, undecayed=(), absent=None, **options):
    """`undecayed`: parameters without weight decay. `absent`: {step: parameters that get no gradient}."""
    return {"optimizer": optimizer, "rate": rate, "undecayed": undecayed, "absent": absent or {}, "options": options}


ABSENT = {0: (1,), 4: (1, 2), 5: (1,)}
SGD, Adam, AdamW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
SETTINGS = {
    "sgd.plain": setting(SGD, 0.05),
    "sgd.decay": setting(SGD, 0.05, weight_decay=0.1),
    "sgd.momentum": setting(SGD, 0.05, momentum=0.9),
    "sgd.dampened": setting(SGD, 0.05, momentum=0.9, dampening=0.3, weight_decay=0.1),
    "sgd.nesterov": setting(SGD, 0.05, momentum=0.8, nesterov=True, weight_decay=0.05),
    "sgd.absent": setting(SGD, 0.05, momentum=0.9, dampening=0.5, absent=ABSENT),
    "adam.default": setting(Adam, 0.01),
    "adam.l2": setting(Adam, 0.01, betas=(0.8, 0.95), eps=1e-2, weight_decay=0.1),
    "adamw.default": setting(AdamW, 0.01),
    "adamw.decay": setting(AdamW, 0.01, betas=(0.9, 0.98), eps=1e-2, weight_decay=0.5, undecayed=(0, 2)),
    "adamw.absent": setting(AdamW, 0.01, absent=ABSENT),
}


def rate_at(step, rate):
    """Another rate in every step, so that a rate in the wrong place shows."""
    return rate * (1 + step % 3)


def single(array):
    """Numbers that a float holds exactly."""
    return array.astype(numpy.float32).astype(numpy.float64)


def inputs():
    generator = numpy.random.default_rng(20)
    starts = [single(generator.normal(size=shape)) for shape in SHAPES]
    # From parameter to parameter smaller, so that eps matters for the last one.
    gradients = [
        single(generator.normal(size=(STEPS,) + shape) * scale) for shape, scale in zip(SHAPES, (1.0, 1e-1, 1e-3))
    ]
    return starts, gradients


def run(case, starts, gradients):
    """Values after every step, and the running averages after the last one."""
    parameters = [torch.tensor(start, requires_grad=True) for start in starts]
    groups = [
        {"params": [p], **({"weight_decay": 0.0} if i in case["undecayed"] else {})} for i, p in enumerate(parameters)
    ]
    optimizer = case["optimizer"](groups, lr=case["rate"], **case["options"])
    values = [[] for _ in parameters]
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, case["rate"])
        for i, parameter in enumerate(parameters):
            absent = i in case["absent"].get(step, ())
            parameter.grad = None if absent else torch.tensor(gradients[i][step])
        optimizer.step()
        for i, parameter in enumerate(parameters):
            values[i].append(parameter.detach().numpy().copy())
    averages = {"momentum": "momentum_buffer", "m": "exp_avg", "v": "exp_avg_sq"}
    result = {f"value.{i}": numpy.stack(v) for i, v in enumerate(values)}
    for i, parameter in enumerate(parameters):
        for ours, theirs in averages.items():
            if optimizer.state[parameter].get(theirs) is not None:
                result[f"{ours}.{i}"] = optimizer.state[parameter][theirs].numpy()
    return result


def uncorrected_adam(starts, gradients, rate=0.01, beta1=0.9, beta2=0.999, eps=1e-6):
    """Adam as BERT's: without the division by 1 - beta^t."""
    result = {}
    for i, start in enumerate(starts):
        value, m, v, values = start.copy(), 0.0, 0.0, []
        for step in range(STEPS):
            g = gradients[i][step]
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            value = value - rate_at(step, rate) * m / (numpy.sqrt(v) + eps)
            values.append(value)
        result[f"value.{i}"] = numpy.stack(values)
    return result


def clipped(gradients):
    """The gradients of the first step after both kinds of clipping."""
    result = {}
    for name, limit in (("clip.tight", 0.5), ("clip.loose", 100.0)):
        parameters = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = torch.tensor(gradient[0])
        result[f"{name}.norm"] = torch.nn.utils.clip_grad_norm_(parameters, limit).numpy().reshape(1)
        for i, parameter in enumerate(parameters):
            result[f"{name}.{i}"] = parameter.grad.numpy()
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = torch.tensor(gradient[0])
    torch.nn.utils.clip_grad_value_(parameters, 0.25)
    for i, parameter in enumerate(parameters):
        result[f"clip.value.{i}"] = parameter.grad.numpy()
    return result


def optimizers():
    starts, gradients = inputs()
    tensors = {}
    for i, start in enumerate(starts):
        tensors[f"start.{i}"] = start.astype(numpy.float32)
        tensors[f"gradient.{i}"] = gradients[i].astype(numpy.float32)
    for name, case in SETTINGS.items():
        tensors.update({f"{name}.{key}": array for key, array in run(case, starts, gradients).items()})
    tensors.update({f"adam.uncorrected.{k}": array for k, array in uncorrected_adam(starts, gradients).items()})
    tensors.update(clipped(gradients))
    return tensors


def rates(make, lr, steps=100):
    """The learning rates of the first steps under the scheduler make(optimizer)."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    result = []
    for _ in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return numpy.array(result, dtype=numpy.float64)


def function(rate):
    """The schedule that a formula gives, through LambdaLR."""
    return rates(lambda optimizer: lr_scheduler.LambdaLR(optimizer, rate), 1.0)


def sequence(*parts):
    """(scheduler, its first step) one after the other."""

    def make(optimizer):
        schedulers = [part(optimizer) for part, _ in parts]
        return lr_scheduler.SequentialLR(optimizer, schedulers, milestones=[first for _, first in parts[1:]])

    return make


def stable(shape, warmup=10, plateau=50, decay=30, peak=3e-3, floor=3e-4):
    """Warm-up, plateau and decay; shape(x) falls from 1 to 0 as x goes from 0 to 1."""

    def rate(step):
        if step < warmup:
            return peak * (step + 1) / warmup
        if step < warmup + plateau:
            return peak
        return floor + (peak - floor) * shape(min(1.0, (step - warmup - plateau) / decay))

    return rate


def huggingface_cosine(step, lr=1e-3, warmup=20, total=100):
    if step < warmup:
        return lr * step / warmup
    return lr * max(0.0, 0.5 * (1 + math.cos(math.pi * 2 * 0.5 * (step - warmup) / (total - warmup))))


def huggingface_inverse_sqrt(step, lr=1e-3, warmup=16):
    timescale = warmup
    if step < warmup:
        return lr * step / warmup
    return lr / math.sqrt((step + timescale - warmup) / timescale)


def huggingface_polynomial(step, lr=1e-3, warmup=10, total=80, end=1e-5, power=3):
    if step < warmup:
        return lr * step / warmup
    if step > total:
        return end
    return (lr - end) * (1 - (step - warmup) / (total - warmup)) ** power + end


def nanogpt(step, lr=6e-4, warmup=12, total=90, least=6e-5):
    if step < warmup:
        return lr * (step + 1) / (warmup + 1)
    if step > total:
        return least
    return least + 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) * (lr - least)


def noam(step, width=64, warmup=30, factor=2.0):
    t = step + 1
    return factor * width**-0.5 * min(t**-0.5, t * warmup**-1.5)


def schedules():
    s = lr_scheduler
    linear_then_cosine = sequence(
        (lambda o: s.LinearLR(o, start_factor=0.1, total_iters=10), 0),
        (lambda o: s.CosineAnnealingLR(o, T_max=90, eta_min=1e-5), 10),
    )
    three = sequence(
        (lambda o: s.LinearLR(o, start_factor=0.2, total_iters=10), 0),
        (lambda o: s.ConstantLR(o, factor=1.0, total_iters=1), 10),
        (lambda o: s.ExponentialLR(o, gamma=0.95), 40),
    )
    return {
        "constant": rates(lambda o: s.ConstantLR(o, factor=0.25, total_iters=20), 4e-3),
        "warmup": rates(lambda o: s.LinearLR(o, start_factor=0.25, total_iters=40), 4e-3),
        "linear": rates(lambda o: s.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=60), 2e-3),
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, T_max=99, eta_min=1e-4), 1e-3),
        "polynomial": rates(lambda o: s.PolynomialLR(o, total_iters=70, power=2.0), 1e-3),
        "polynomial_line": rates(lambda o: s.PolynomialLR(o, total_iters=99), 1e-3),
        "step_decay": rates(lambda o: s.StepLR(o, step_size=13, gamma=0.5), 1e-2),
        "exponential": rates(lambda o: s.ExponentialLR(o, gamma=0.97), 1e-2),
        "linear_then_cosine": rates(linear_then_cosine, 1e-3),
        "three": rates(three, 1e-3),
        "noam": function(noam),
        "huggingface_cosine": function(huggingface_cosine),
        "huggingface_inverse_sqrt": function(huggingface_inverse_sqrt),
        "huggingface_polynomial": function(huggingface_polynomial),
        "nanogpt": function(nanogpt),
        "stable_linear": function(stable(lambda x: 1 - x)),
        "stable_cosine": function(stable(lambda x: 0.5 * (1 + math.cos(math.pi * x)))),
        "stable_square_root": function(stable(lambda x: 1 - math.sqrt(x))),
    }


def main(folder):
    """Writes both files into `folder`."""
    safetensors_writer.write(os.path.join(folder, "optim.safetensors"), optimizers())
    safetensors_writer.write(os.path.join(folder, "schedule.safetensors"), schedules())


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
