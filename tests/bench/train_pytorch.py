"""Times training steps of the workloads of tests/bench in PyTorch, as `bench train --json` does for tapeformer.

    python3 tests/bench/train_pytorch.py --workload W1 --seconds 10 --threads 2

The model and the optimizer are those of tests/golden/train_pytorch.py, whose note on tuning holds here too.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import train_pytorch as peer  # noqa: E402

#             layers heads width context batch vocabulary
WORKLOADS = {
    "W1": (4, 4, 128, 64, 12, 65),
    "W2": (6, 6, 384, 256, 8, 65),
    "W3": (12, 12, 768, 64, 4, 50257),
    "W4": (100, 2, 64, 64, 8, 65),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="W1")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="bf16: autocast")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    peer.LAYERS, peer.HEADS, peer.WIDTH, peer.CONTEXT, peer.BATCH, vocab = WORKLOADS[options.workload]
    model = peer.GPT(vocab)
    optimizer = peer.make_optimizer(model)
    ids = torch.randint(vocab, (peer.BATCH, peer.CONTEXT))
    targets = torch.randint(vocab, (peer.BATCH, peer.CONTEXT))

    def step():
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            loss = model.loss(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()
        return 1000 * (time.perf_counter() - begin)

    for _ in range(3):
        step()
    times = []
    start = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < options.seconds:
        times.append(step())
    times.sort()
    print(
        json.dumps(
            {
                "workload": options.workload,
                "precision": options.precision,
                "threads": options.threads,
                "ms": {"median": statistics.median(times), "min": times[0], "steps": len(times)},
                "tokens_per_s": 1000 * peer.BATCH * peer.CONTEXT / statistics.median(times),
                "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
