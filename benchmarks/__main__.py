"""Run the measurements that need nothing but this package, one after the other: `make bench`, or some by name:

    python -m benchmarks start_up patch_supply

`real_images` needs a folder of images and hours: `python -m benchmarks.real_images --help`.
"""

from __future__ import annotations

import subprocess
import sys

MEASUREMENTS = (
    "start_up",
    "loop_efficiency",
    "patch_supply",
    "augmentation",
    "round_overhead",
    "transfer",
    "dense_inference",
)


def main() -> int:
    """Run what was named, or everything; the number of measurements that failed."""
    names = sys.argv[1:] or MEASUREMENTS
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(f"error: unknown measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
