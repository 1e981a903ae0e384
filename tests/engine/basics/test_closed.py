"""A key that joins a schema later changes no digest, no body and no file while it has its default."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

import wardround
from wardround.engine.basics.canonical import canonical_model, digest_of
from wardround.engine.basics.closed import Added, Closed, added_fields, every_closed_model


class _Released(Closed):
    size: int = 3


class _Grown(Closed):
    size: int = 3
    scale: Annotated[bool, Added("9.9")] = False
    names: Annotated[tuple[str, ...], Added("9.9"), Field(alias="called")] = ()


class _Around(Closed):
    parts: tuple[_Grown, ...]
    last: _Grown | None = None


_MADE: list[None] = []


def _no_names() -> tuple[str, ...]:
    _MADE.append(None)
    return ()


class _Costly(Closed):
    size: int = 3
    names: Annotated[tuple[str, ...], Added("9.9"), Field(default_factory=_no_names)]


def test_an_unused_added_key_changes_no_byte() -> None:
    assert canonical_model(_Grown(size=4)) == canonical_model(_Released(size=4))
    assert digest_of(_Grown()) == digest_of(_Released())


def test_an_unused_added_key_is_left_out_wherever_the_model_stands() -> None:
    assert canonical_model(_Around(parts=(_Grown(),), last=_Grown())) == b'{"last":{"size":3},"parts":[{"size":3}]}'


def test_a_used_added_key_is_written_and_read_back() -> None:
    used = _Grown(scale=True, called=("a",))
    assert canonical_model(used) == b'{"called":["a"],"scale":true,"size":3}'
    assert _Grown.model_validate_json(canonical_model(used)) == used


def test_a_default_is_made_once_for_all_that_is_written() -> None:
    """A model is written for each signature, digest and file: what only its class decides is found out once."""
    used, unused = _Costly(names=("a",)), [_Costly(names=()) for _ in range(3)]
    assert not _MADE
    assert [canonical_model(model) for model in unused] == [b'{"size":3}'] * 3
    assert canonical_model(used) == b'{"names":["a"],"size":3}'
    assert len(_MADE) == 1


def test_an_earlier_release_reads_what_does_not_use_the_new_key_and_refuses_what_does() -> None:
    assert _Released.model_validate_json(canonical_model(_Grown(size=5))) == _Released(size=5)
    with pytest.raises(ValidationError):
        _Released.model_validate_json(canonical_model(_Grown(scale=True)))


def test_every_added_key_has_a_default_that_is_already_of_its_type() -> None:
    for module in pkgutil.walk_packages(wardround.__path__, "wardround."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    models = [model for model in every_closed_model() if model.__module__.startswith("wardround.")]
    assert len(models) > 60
    for model in models:
        for name, field in added_fields(model):
            assert not field.is_required(), f"{model.__name__}.{name} needs a default"
            default = field.get_default(call_default_factory=True, validated_data={})
            adapter: TypeAdapter[object] = TypeAdapter(Annotated[field.annotation, *field.metadata])
            assert repr(adapter.validate_python(default)) == repr(default), f"{model.__name__}.{name}"


class _Mixed(Closed):
    level: Annotated[bool | int | float | str | None, Added("9.9")] = 1
    levels: Annotated[tuple[bool | int | float, ...], Added("9.9")] = (0.0,)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 2])
def test_what_is_only_equal_to_a_default_is_written(value: object) -> None:
    assert canonical_model(_Mixed.model_validate({"level": 1, "levels": [0.0]})) == b"{}"
    used = _Mixed.model_validate({"level": value})
    assert "level" in used.model_dump(mode="json")
    assert repr(_Mixed.model_validate_json(canonical_model(used))) == repr(used)


@pytest.mark.parametrize("value", [(-0.0,), (False,), (0,), ()])
def test_so_it_is_within_lists(value: tuple[object, ...]) -> None:
    used = _Mixed.model_validate({"levels": value})
    assert repr(_Mixed.model_validate_json(canonical_model(used))) == repr(used)
