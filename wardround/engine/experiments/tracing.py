"""A record of what a few training steps do, operation by operation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from wardround.engine.basics.files import write_atomic
from wardround.engine.experiments.workbench import Workbench

_ROWS = 15


def trace_steps(workbench: Workbench, steps: int, out: Path) -> str:
    """Write a Chrome trace of some steps on throw-away weights to `out`; returns a table of the operations that take
    most of the time. The step before them, which makes everything ready, is not recorded."""
    learner, source, is_cuda = workbench.learner(steps + 1), workbench.source(), workbench.device.type == "cuda"
    learner.train(source, 0, 1)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with profile(activities=activities) as recorded:
        learner.train(source, 1, steps + 1)
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        recorded.export_chrome_trace(str(Path(folder) / "trace.json"))
        write_atomic(out, (Path(folder) / "trace.json").read_bytes())
    by = "self_cuda_time_total" if is_cuda else "self_cpu_time_total"
    table: str = recorded.key_averages().table(sort_by=by, row_limit=_ROWS, max_name_column_width=40)
    return table
