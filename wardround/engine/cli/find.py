"""`wardround find`: a learning rate, or a batch size, from a few steps on throw-away weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cli.throwaway import AsJson, Device, Manifest, StudyFile, Threads, Work, throw_away, within

_LEAST_STEPS, _MOST_STEPS = 20, 10_000
_MOST_SIZE = 4096

find = typer.Typer(no_args_is_help=True, help="Find a learning rate or a batch size for a study on this machine.")


@find.command("learning-rate")
def learning_rate(
    study: StudyFile,
    manifest: Manifest,
    steps: Annotated[int, typer.Option(help="How many learning rates are tried.")] = 100,
    work: Work = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Raise the learning rate at every step, and name the one at which the loss falls most steeply.

    Nothing of it is kept. With --work, cases are prepared where `fit --work` finds them.

    \b
    Examples:
      wardround find learning-rate study.yaml --manifest data.csv
    """
    from wardround.engine.basics.progress import progress

    wrong = within("--steps", steps, _LEAST_STEPS, _MOST_STEPS)
    with throw_away(study, manifest, work, device, threads, wrong) as bench:
        from wardround.engine.experiments.finding import find_learning_rate

        with progress("Trying learning rates", steps) as shown:
            found = find_learning_rate(bench, steps, shown)
    if as_json:
        say_json({"learning_rate": found.best, "tried": [asdict(each) for each in found.tried]})
        return
    rows = [f"{each.rate:9.2e}  {each.smoothed:8.4f}" for each in found.tried[:: max(1, len(found.tried) // 20)]]
    end = f"The loss falls most steeply at {found.best:.1e}: write `learning_rate: {found.best:.1e}` in the optimizer."
    say_text("\n".join(["     rate      loss", *rows, end]))


@find.command("batch-size")
def batch_size(
    study: StudyFile,
    manifest: Manifest,
    most: Annotated[int, typer.Option(help="The largest batch size to try.")] = 64,
    work: Work = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Double the batch size until memory ends, and name the smallest that is as quick for a sample as any.

    Nothing of it is kept. A batch size changes what is learned: a larger one may want a higher learning rate.

    \b
    Examples:
      wardround find batch-size study.yaml --manifest data.csv --most 32
    """
    from wardround.engine.basics.progress import progress

    with throw_away(study, manifest, work, device, threads, within("--most", most, 1, _MOST_SIZE)) as bench:
        from wardround.engine.experiments.finding import find_batch_size

        with progress("Trying batch sizes", most.bit_length()) as shown:
            found = find_batch_size(bench, most, shown)
    if as_json:
        say_json({"batch_size": found.best, "end": found.end, "tried": [asdict(each) for each in found.tried]})
        return
    rows = [f"{each.size:5}  {each.seconds:10.4f}  {shown_size(each.memory):>9}" for each in found.tried]
    end = f"{found.end}. The smallest that is as quick as any: write `batch_size: {found.best}` in `training`."
    say_text("\n".join([" size  s a sample     memory", *rows, end]))
