"""What this site gave to a plan, piece by piece: kept for the hospital's own report, and never sent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from wardround.engine.basics.closed import Added
from wardround.engine.basics.files import append_durably, private_folder, read_json_lines
from wardround.engine.basics.printable import json_text
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import Count, Digest, Done, MetricName, MetricValue, Moment, Stage, Task, WireModel
from wardround.site_client.between.folders import WorkResult
from wardround.site_client.courier.guard import Outgoing

SURVEYED = "statistics of training cases"
"""What leaves after a survey."""

_LETTERS, _MOST_LETTERS = r"A-Za-z0-9 ,.:'()/+-", 200
Words = Annotated[str, Field(pattern=rf"^[{_LETTERS}]{{1,{_MOST_LETTERS}}}$")]
"""What a strategy declares, as a person reads it."""


class Piece(WireModel):
    """One finished piece of work.

    Attributes:
        base: digest of the model that came.
        update: digest of the update that left, or None after an evaluation.
        train_cases: how many cases of this site were trained on.
        scores: of the model that came, on this site's cases, whether they left or not.
        left: names of the scores that left, `training loss` among them.
        shared: what the strategy sends beside scores: the model's weights, and what else it declares.
        loss: mean training loss, or None.
        seconds: time spent computing.
        sent: bytes of the sealed reply.
        received: bytes of the model that came.
    """

    time: Moment
    stage: Stage
    round: Count
    work_key: Digest
    base: Digest | None
    update: Digest | None
    train_cases: Count
    scores: dict[MetricName, MetricValue]
    left: tuple[MetricName, ...]
    loss: float | None
    seconds: Annotated[float, Field(ge=0)]
    sent: Count
    received: Count
    shared: Annotated[tuple[Words, ...], Added("0.3.0")] = ()


@dataclass(frozen=True)
class Contribution:
    """The pieces of one plan, a line of JSON each, in `contribution/<plan>.jsonl` of the work folder."""

    work: Path
    plan: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.work / "contribution" / f"{self.plan}.jsonl"

    def add(self, task: Task, result: WorkResult, outgoing: Outgoing, sealed: Envelope, received: int) -> None:
        """Note a piece of work whose reply has been sealed. Raises OSError."""
        reply = outgoing.reply
        piece = Piece(
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            stage=task.stage,
            round=task.round,
            work_key=reply.work_key,
            base=task.base,
            update=reply.update,
            train_cases=result.train_cases,
            scores=result.metrics,
            left=_left(reply),
            loss=result.loss,
            seconds=result.seconds,
            sent=len(sealed.body) + len(sealed.signature) + len(sealed.payload),
            received=received,
            shared=tuple(map(_plain, outgoing.shared)),
        )
        private_folder(self.path.parent)
        append_durably(self.path, json_text(piece.model_dump(mode="json")))

    def pieces(self) -> tuple[Piece, ...]:
        """All pieces in order; of one that was sealed again, after a fault, the last. Damaged lines are left out."""
        found: dict[str, Piece] = {}
        if self.path.is_file():
            for content in read_json_lines(self.path):
                piece = _read(content)
                if piece is not None:
                    found.pop(piece.work_key, None)
                    found[piece.work_key] = piece
        return tuple(found.values())


def _left(reply: Done) -> tuple[MetricName, ...]:
    others = {"training loss": reply.loss, SURVEYED: reply.summary}
    return (*sorted(reply.metrics), *(name for name, value in others.items() if value is not None))


def _plain(words: str) -> Words:
    """A package may declare what it likes in whatever script."""
    return re.sub(f"[^{_LETTERS}]", "?", words)[:_MOST_LETTERS] or "?"


def _read(content: Mapping[str, object]) -> Piece | None:
    try:
        return Piece.model_validate(content)
    except ValidationError:
        return None
