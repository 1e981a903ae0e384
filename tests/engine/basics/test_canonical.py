"""Equal content has equal bytes; different content has different ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from wardround.engine.basics.canonical import canonical_json, canonical_model, digest_of, file_sha256, sha256_hex

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_canonical_json_is_json_and_a_fixed_point(value: object) -> None:
    content = canonical_json(value)  # type: ignore[arg-type]
    assert json.loads(content) == value
    assert canonical_json(json.loads(content)) == content


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=6))
def test_the_order_of_keys_plays_no_part(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_has_no_form(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([value])


def test_published_value_of_sha256() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


class Example(BaseModel):
    version: int = Field(default=1, alias="schema")
    name: str = "é"


def test_models_go_in_with_defaults_and_their_names_in_files() -> None:
    assert canonical_model(Example()) == '{"name":"é","schema":1}'.encode()
    assert digest_of(Example()) == digest_of(Example(schema=1, name="é")) != digest_of(Example(name="e"))
