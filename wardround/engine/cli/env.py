"""`wardround env`: what this machine computes with."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cli import options
from wardround.engine.cli.telling import described

if TYPE_CHECKING:
    from wardround.engine.training.probe import Environment


def env(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; default: as torch chooses.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")] = False,
) -> None:
    """Show versions and hardware, time a convolution in each precision, and say what makes this machine slow.

    \b
    Examples:
      wardround env
      wardround env --threads 4 --json
    """
    options.require_all(partial(options.require_device, device), partial(options.take_threads, threads))
    from wardround.engine.training import resolve_device
    from wardround.engine.training.probe import look_around, shortcomings

    found = look_around(resolve_device(device))
    warnings = [*shortcomings(found)]
    if as_json:
        say_json({**json.loads(found.model_dump_json()), "warnings": described(warnings)})
    else:
        say_text("\n".join([*_lines(found), *(f"warning: {each.render()}" for each in warnings)]))


def _lines(found: Environment) -> list[str]:
    machine, packages = found.machine, ", ".join(f"{name} {each}" for name, each in found.packages.items())
    return [
        f"wardround   {machine.wardround}, Python {found.python}",
        f"torch       {machine.torch}, {f'CUDA {found.cuda}' if found.cuda else 'no CUDA'}, "
        f"{'with' if found.onednn else 'without'} oneDNN",
        f"packages    {packages}",
        f"processor   {machine.processor}, {machine.instructions}",
        f"cores       {found.cores}, of which {machine.threads} threads are used",
        f"memory      {shown_size(found.memory)} free",
        f"GPUs        {'; '.join(found.devices) or 'none'}",
        f"timed on    {machine.device}, a convolution of 16 channels forwards and backwards:",
        *(
            f"  {each.dimensions}D {each.precision}   {each.milliseconds:8.2f} ms   {each.gigaflops:8.1f} GFLOP/s"
            for each in found.timings
        ),
        "with a norm after it, in fp32, channels first and last:",
        *(
            f"  {each.dimensions}D        {each.channels_first:8.2f} ms   {each.channels_last:8.2f} ms"
            for each in found.layouts
        ),
    ]
