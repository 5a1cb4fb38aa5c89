"""Writes all golden files anew, from PyTorch 1.13 (Debian's python3-torch). Running it twice gives the same bytes.

    python3 tests/golden/make.py [FOLDER]          FOLDER: this file's own, unless given
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import attention  # noqa: E402
import blocks  # noqa: E402
import feed_forward  # noqa: E402
import norms  # noqa: E402
import ops  # noqa: E402
import optim  # noqa: E402
import optim_more  # noqa: E402
import schedules  # noqa: E402
import schemes  # noqa: E402


def main(folder):
    for part in (ops, norms, feed_forward, blocks, attention, optim, optim_more, schedules, schemes):
        part.main(folder)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
