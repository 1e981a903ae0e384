"""The federation's model that stays at the hospital: a model folder that `wardround predict` and `evaluate` read.

The courier writes it, from the bytes that came with a task, and loads no torch for that; so what the engine would write
of the same weights is written here by hand. `metrics.json` comes last and says which model the folder holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue, ValidationError

from wardround import __version__
from wardround.engine.basics.canonical import canonical_json, canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import discard, fsync_folder
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.study import Study
from wardround.engine.study.written import study_as_yaml
from wardround.federation.envelope import Payload
from wardround.federation.model_group import model_of
from wardround.federation.payload import unpack
from wardround.federation.protocol import Count, Digest, FederationName
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.between.two_users import handed_folder, write_handed

MODEL_FOLDER = "model"
_WEIGHTS, _STUDY, _CARD, _FITTED = "model.safetensors", "study.yaml", "metrics.json", "preprocessing.json"


class ModelCard(Closed):
    """Which model the folder holds.

    Attributes:
        plan: digest of the plan that it was made for.
        round: the round that made it; 0 is the one that training began with.
        model: SHA-256 of its packed bytes, by which the coordinator names it as well.
    """

    federation: FederationName
    plan: Digest
    round: Count
    model: Digest


@dataclass(frozen=True)
class KeptModel:
    """The folder `model` of a work folder, which is made again when it is damaged and the model is still here."""

    work: Path

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.work / MODEL_FOLDER

    def card(self) -> ModelCard | None:
        """Which model is here; None where there is none, or none that is whole."""
        try:
            card = ModelCard.model_validate_json((self.folder / _CARD).read_bytes())
        except (OSError, ValidationError):
            return None
        whole = all((self.folder / name).is_file() for name in (_WEIGHTS, _STUDY))
        return card if whole else None

    def moment(self, plan: str) -> int:
        """When the model of a plan was kept, in nanoseconds since 1970; -1 where none is here."""
        card = self.card()
        return (self.folder / _CARD).stat().st_mtime_ns if card is not None and card.plan == plan else -1

    def keep(
        self, agreement: Agreement, digest: str, number: int, payload: Payload, fitted: FittedState = EMPTY
    ) -> bool:
        """Keep the packed model that round `number` made; whether it was not here yet.

        `fitted` is what preprocessing has learned, which came with the model. The model of another plan moves to
        `model-<plan>` beside it.

        Raises:
            OSError: it cannot be written; then no folder claims to hold it.
            PayloadError: the bytes are no packed model.
        """
        plan = agreement.plan
        card = ModelCard(federation=plan.federation, plan=plan.digest, round=number, model=digest)
        held = self.card()
        if held == card:
            return False
        if held is not None and held.plan != card.plan:
            self._put_aside(held)
        arrays = model_of(unpack(payload))
        handed_folder(self.folder)
        (self.folder / _CARD).unlink(missing_ok=True)
        write_handed(self.folder / _STUDY, study_as_yaml(agreement.study))
        header = header_of(agreement.study, number * plan.horizon.local_steps, fitted)
        if fitted.is_empty:
            (self.folder / _FITTED).unlink(missing_ok=True)
        else:
            write_handed(self.folder / _FITTED, canonical_model(fitted))
        write_handed(self.folder / _WEIGHTS, weights_file(arrays, header))
        write_handed(self.folder / _CARD, json.dumps(card.model_dump(mode="json"), indent=2).encode() + b"\n")
        fsync_folder(self.work)
        return True

    def _put_aside(self, held: ModelCard) -> None:
        place = self.folder.with_name(f"{MODEL_FOLDER}-{held.plan[:12]}")
        discard(place)
        self.folder.rename(place)
        fsync_folder(self.work)


def header_of(study: Study, step: int, fitted: FittedState = EMPTY) -> dict[str, JsonValue]:
    """What stands before weights: their study, step and release, and what is known of the study's preprocessing."""
    from wardround.engine.preprocessing import Pipeline

    versions: dict[str, JsonValue] = dict(Pipeline(study).versions)
    learned = {} if fitted.is_empty else {"fitted": fitted.digest}
    return {"step": step, "study": study.digest, "release": __version__, "steps": versions, **learned}


def weights_file(arrays: Mapping[str, np.ndarray], header: Mapping[str, JsonValue]) -> bytes:
    """The bytes of a tensor file of the engine: safetensors, whose metadata holds a header and the digest of all."""
    from safetensors.numpy import save

    told = dict(header)
    digest = hashlib.sha256(canonical_json(told))
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"\x1f{name}\x1f{array.dtype.name} {array.shape}\x1f".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    content = canonical_json({"digest": digest.hexdigest(), "header": told}).decode()
    whole = {name: np.asarray(arrays[name], order="C") for name in arrays}
    written: bytes = save(whole, metadata={"wardround": content})
    return written
