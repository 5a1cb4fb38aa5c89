"""The tool's default training run in PyTorch (1.13 or newer): the peer of `tapeformer train`, for loss and speed.

    python3 tests/golden/train_pytorch.py --text build/data/kjv.txt --seed 1 --json result.json
    python3 tests/golden/train_pytorch.py --text build/data/kjv.txt --evaluate runs/quickstart

Same model (4 layers, 4 heads, width 128, context 64, Pre-LN, LayerNorm and linear layers with biases, exact GELU,
learned positions, tied head, normal first values of 0.02, those of the projections that write to the stream divided by
√(2L)), same recipe (AdamW, rate 1e-3 after 100 steps of warm-up, then a cosine to 1e-4, betas 0.9 and 0.99, decay 0.1
on matrices and embeddings, gradient norm clipped at 1), same split of the text and same validation windows
(examples/support/dataset.h). First values and batches are drawn from PyTorch's own random numbers.

The second form trains nothing: it prints the validation loss of a model that `tapeformer train` wrote, which must be
the loss that the tool itself printed.

PyTorch as installed is far slower on a CPU than it can be. For a fair comparison it wants an OpenBLAS that shares its
threads, its kernels for AVX-512, and a malloc that keeps its memory (compare_quickstart.sh sets all of this):

    LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp    # package libopenblas0-openmp
    ATEN_CPU_CAPABILITY=avx512                                   # where the processor has it
    MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TOP_PAD_=268435456
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1

and --threads as many as there are cores.
"""

import argparse
import json
import math
import os
import statistics
import struct
import time

import torch
from torch import nn
from torch.nn import functional

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 12
PEAK, FLOOR, WARMUP = 1e-3, 1e-4, 100
VALIDATION_WINDOWS = 200
BLOCK = 20  # steps of one measurement of the speed


# ---- Data: exactly what examples/support/dataset.h says ----


def read_tokens(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        text = file.read().replace("\r\n", "\n")
    numbers = {character: i for i, character in enumerate(sorted(set(text)))}
    return torch.tensor([numbers[character] for character in text]), len(numbers)


def split(tokens):
    held_out = len(tokens) // 10
    return tokens[: len(tokens) - held_out], tokens[len(tokens) - held_out :]


def windows(part, starts):
    """Input and target of the windows with these starts."""
    rows = part[starts[:, None] + torch.arange(CONTEXT + 1)]
    return rows[:, :-1], rows[:, 1:]


def validation_starts(part):
    available = (len(part) - 1) // CONTEXT
    count = min(available, VALIDATION_WINDOWS)
    return torch.tensor([i * available // count * CONTEXT for i in range(count)])


# ---- Model: modules have the names that the tool's files have ----


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        later = torch.full((CONTEXT, CONTEXT), -math.inf).triu(1)
        self.register_buffer("later", later, persistent=False)

    def forward(self, x):
        batch, length, _ = x.shape
        size = WIDTH // HEADS
        q, k, v = self.qkv(x).view(batch, length, 3, HEADS, size).permute(2, 0, 3, 1, 4).reshape(
            3, batch * HEADS, length, size
        )
        scores = torch.baddbmm(self.later[:length, :length], q, k.transpose(1, 2), alpha=1 / math.sqrt(size))
        z = torch.bmm(torch.softmax(scores, dim=-1), v)
        return self.out(z.view(batch, HEADS, length, size).transpose(1, 2).reshape(batch, length, WIDTH))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        return self.down(functional.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = FeedForward()

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab, WIDTH)
        self.position_embedding = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.final_norm = nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                writes = name.endswith(("attn.out.weight", "mlp.down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if writes else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids):
        x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return functional.linear(self.final_norm(x), self.token_embedding.weight)

    def loss(self, ids, targets):
        return functional.cross_entropy(self(ids).flatten(0, 1), targets.flatten())


def own_name(name):
    """The name in this model of a parameter that the tool has written."""
    return name.replace("attn_residual.norm_input", "norm1").replace("mlp_residual.norm_input", "norm2")


def load_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        tensors[name] = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(info["shape"])
    return tensors


# ---- Training ----


def rate(step, steps):
    warmup = min(WARMUP, steps // 10)
    if step < warmup:
        return PEAK * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return FLOOR + (PEAK - FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def make_optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99), eps=1e-8)


@torch.no_grad()
def validation_loss(model, part):
    starts = validation_starts(part)
    total = 0.0
    for rows in starts.split(BATCH):
        total += model.loss(*windows(part, rows)).item() * len(rows)
    return total / len(starts)


def train(model, part, steps, report):
    """Trains, and returns the median speed over blocks of steps, in tokens a second."""
    optimizer = make_optimizer(model)
    speeds = []
    begin = time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        ids, targets = windows(part, torch.randint(len(part) - CONTEXT, (BATCH,)))
        loss = model.loss(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        last = loss.item()
        if (step + 1) % BLOCK == 0:
            now = time.perf_counter()
            speeds.append(BLOCK * BATCH * CONTEXT / (now - begin))
            begin = now
        if (step + 1) % 200 == 0:
            report(step + 1, last)
            begin = time.perf_counter()
    return statistics.median(speeds) if speeds else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True, help="text to learn, UTF-8")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", help="file for the result")
    parser.add_argument("--evaluate", metavar="FOLDER", help="measure the model of a finished run of the tool instead")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    tokens, vocab = read_tokens(options.text)
    training, validation = split(tokens)
    model = GPT(vocab)
    if options.evaluate:
        tensors = load_safetensors(os.path.join(options.evaluate, "model.safetensors"))
        model.load_state_dict({own_name(name): tensor for name, tensor in tensors.items()})
        print(f"validation loss {validation_loss(model, validation):.4f}")
        return

    def report(step, loss):
        print(f"{step}/{options.steps}  loss {loss:.4f}  val {validation_loss(model, validation):.4f}", flush=True)

    begin = time.perf_counter()
    speed = train(model, training, options.steps, report)
    result = {
        "validation_loss": validation_loss(model, validation),
        "tokens_per_s": speed,
        "seconds": time.perf_counter() - begin,
        "steps": options.steps,
        "seed": options.seed,
        "threads": options.threads,
        "torch": torch.__version__,
    }
    print(f"validation loss {result['validation_loss']:.4f}, {speed:.0f} tokens/s")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
