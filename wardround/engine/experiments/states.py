"""What a model's preprocessing has learned: a file beside the weights, only where something was fitted."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import later_release
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.fitting import require_state
from wardround.engine.study import Study

STATE = "preprocessing.json"
FITTED = "fitted"
"""The key of the header of weights under which the digest of the state stands."""
_ASK = "Ask who gave you this for the whole folder `model`, or copy all of it"


def write_state(folder: Path, state: FittedState) -> None:
    """Write the state into a model folder, unless it is there."""
    content, path = canonical_model(state), folder / STATE
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)


def read_state(folder: Path, study: Study, digest: JsonValue) -> FittedState:
    """The state of a model folder whose weights name this digest; empty where they name none.

    Raises `InputError` where the file is not there, was altered, belongs to other weights, or is of another study.
    """
    path = folder / STATE
    state = EMPTY if digest is None else _read(path)
    if state.digest != (digest or ""):
        raise InputError.one(
            "the fitted values are not those that these weights were trained with",
            where=str(path),
            got=f"values with the digest {state.digest[:12]}",
            expected=str(digest)[:12],
            remedy=f"{_ASK}: with other values the images look different to the network",
        )
    require_state(study, state)
    return state


def _read(path: Path) -> FittedState:
    try:
        return FittedState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError.one(
            f"{STATE} is missing",
            where=str(path.parent),
            got="weights alone",
            expected="what preprocessing learned from the training cases, beside them",
            remedy=_ASK,
        ) from None
    except ValidationError as error:
        raise later_release(error, path) or InputError.one(
            "the fitted values of this model are damaged", where=str(path), remedy=_ASK
        ) from None
