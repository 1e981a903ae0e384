"""Packed tensors: equal content has equal bytes, and hostile bytes end in one kind of error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wardround.federation import payload
from wardround.federation.guards import describe
from wardround.federation.payload import PayloadError, pack, payload_digest, unpack

_DTYPES: st.SearchStrategy[np.dtype[Any]] = st.sampled_from(
    [np.dtype("f4"), np.dtype("f2"), np.dtype("i8"), np.dtype("u1")]
)
_ARRAYS = _DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4, min_side=0))
)
_NAMES = st.from_regex(r"(model|control)/[A-Za-z0-9_.]{1,20}", fullmatch=True)


def _bytes(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def _entry(dtype: str = "F32", shape: list[Any] | None = None, offsets: tuple[int, int] = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": [2] if shape is None else shape, "data_offsets": list(offsets)}


@given(st.dictionaries(_NAMES, _ARRAYS, max_size=6))
def test_what_was_packed_comes_back_bit_for_bit(arrays: dict[str, np.ndarray]) -> None:
    found = unpack(pack(arrays))
    assert list(found) == sorted(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


@given(st.dictionaries(_NAMES, _ARRAYS, max_size=5))
def test_the_order_of_a_mapping_does_not_change_the_bytes(arrays: dict[str, np.ndarray]) -> None:
    backwards = dict(reversed(list(arrays.items())))
    assert payload_digest(pack(arrays)) == payload_digest(pack(backwards))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(PayloadError):
        unpack(content)


@given(st.data())
def test_a_damaged_payload_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(pack({"model/a": np.arange(4, dtype=np.float32), "model/b": np.array(3)}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = unpack(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except PayloadError:
        return
    assert sum(array.nbytes for array in found.values()) <= len(content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
)
def test_any_json_header_is_read_or_refused(header: object) -> None:
    try:
        assert unpack(_bytes(header, b"\0" * 8)) is not None
    except PayloadError:
        return


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        (2**63).to_bytes(8, "little"),
        _bytes({"model/a": _entry()}, b"\0" * 7),
        _bytes({"model/a": _entry()}, b"\0" * 9),
        _bytes({"model/a": _entry(), "model/b": _entry()}, b"\0" * 16),
        _bytes({"model/a": _entry(offsets=(8, 16))}, b"\0" * 16),
        _bytes({"model/a": _entry(shape=[3])}, b"\0" * 8),
        _bytes({"model/a": _entry("F64", [1])}, b"\0" * 8),
        _bytes({"model/a": _entry("BF16", [4])}, b"\0" * 8),
        _bytes({"model/a": _entry(shape=[-2])}, b"\0" * 8),
        _bytes({"model/a": _entry(shape=[2.5])}, b"\0" * 8),
        _bytes({"model/a": _entry(shape=[True, 2])}, b"\0" * 8),
        _bytes({"model/a": _entry(shape=[2] + [1] * 8)}, b"\0" * 8),
        _bytes({"model/a": _entry(shape=[0, 2**32, 2**32, 2**32], offsets=(0, 0))}, b""),
        _bytes({"a": _entry()}, b"\0" * 8),
        _bytes({"model/": _entry()}, b"\0" * 8),
        _bytes({"model/a b": _entry()}, b"\0" * 8),
        _bytes({"model/a\u00e9": _entry()}, b"\0" * 8),
        _bytes({"model/" + "a" * 256: _entry()}, b"\0" * 8),
        _bytes({"__metadata__": {"format": "pt"}, "model/a": _entry()}, b"\0" * 8),
        _bytes({"model/a": {**_entry(), "more": 1}}, b"\0" * 8),
        _bytes(b'{"model/a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"shape":[2]}}', b"\0" * 8),
        _bytes(b"[" * 100_000, b""),
        _bytes(b'{"model/a": NaN}', b""),
        _bytes(b"\xff\xfe", b""),
    ],
)
def test_what_pack_would_not_write_is_refused(content: bytes) -> None:
    with pytest.raises(PayloadError):
        unpack(content)


def test_a_length_that_is_not_aligned_is_refused() -> None:
    with pytest.raises(PayloadError, match="impossible length"):
        unpack((2).to_bytes(8, "little") + b"{}")


def _empty_tensors(count: int) -> bytes:
    return _bytes({f"model/{number}": _entry(shape=[0], offsets=(0, 0)) for number in range(count)}, b"")


_JUNK = {
    "empty tensors": lambda size: _empty_tensors(size // 60),
    "nested lists": lambda size: _bytes(b"[" * size, b""),
    "nested mappings": lambda size: _bytes(b'{"a":' * (size // 5), b""),
    "a flat list": lambda size: _bytes(b"[" + b"1," * (size // 2) + b"1]", b""),
    "many keys": lambda size: _bytes({str(number): 1 for number in range(size // 8)}, b""),
    "one key again and again": lambda size: _bytes(b"{" + b'"a":1,' * (size // 6) + b'"a":1}', b""),
    "one shape without end": lambda size: _bytes(b'{"model/a":{"shape":[' + b"1," * (size // 2) + b"1]}}", b""),
}
_CHEAP_JUNK = {
    "a long number": lambda size: _bytes(b'{"model/a":' + b"9" * size + b"}", b""),
    "a long name": lambda size: _bytes(b'{"' + b"a" * size + b'":1}', b""),
    "blanks": lambda size: _bytes(b" " * size, b""),
}


@pytest.mark.parametrize("kind", _JUNK)
@pytest.mark.parametrize("known", [True, False], ids=["of a known model", "of any model"])
def test_junk_of_many_parts_is_refused_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch, kind: str, known: bool
) -> None:
    monkeypatch.setattr(payload, "_parse", lambda text: pytest.fail("the header was parsed"))
    schema = describe({"model/a": np.zeros(2, np.float32)}) if known else None
    with pytest.raises(PayloadError):
        unpack(_JUNK[kind](3_600_000), schema)


@pytest.mark.parametrize("kind", [kind for kind in _JUNK | _CHEAP_JUNK if kind != "empty tensors"])
def test_junk_of_any_length_is_refused(kind: str) -> None:
    for size in (100, 1_000, 30_000):
        for schema in (None, describe({"model/a": np.zeros(2, np.float32)})):
            with pytest.raises(PayloadError):
                unpack((_JUNK | _CHEAP_JUNK)[kind](size), schema)


@given(st.dictionaries(_NAMES, _ARRAYS, max_size=6))
def test_what_a_schema_describes_has_room(arrays: dict[str, np.ndarray]) -> None:
    assert unpack(pack(arrays), describe(arrays)).keys() == arrays.keys()


def test_a_large_model_with_long_names_has_room() -> None:
    arrays = {"model/" + f"{number:0>255}": np.zeros([1] * 8, np.float32) for number in range(payload.MAX_TENSORS)}
    content = pack(arrays)
    assert len(unpack(content)) == len(arrays)
    assert len(unpack(content, describe(arrays))) == len(arrays)


def test_a_payload_with_more_data_than_the_model_is_refused() -> None:
    with pytest.raises(PayloadError, match="size"):
        unpack(pack({"model/a": np.zeros(20_000, np.float32)}), describe({"model/a": np.zeros(2, np.float32)}))


def test_an_error_repeats_nothing_of_the_sender() -> None:
    with pytest.raises(PayloadError) as caught:
        unpack(_bytes({"model/PATIENT 7": _entry()}, b"\0" * 8))
    assert "PATIENT" not in str(caught.value)


@pytest.mark.parametrize("name", ["weight", "/weight", "Model/weight", "model/a b", "model/"])
def test_a_name_without_a_group_is_not_packed(name: str) -> None:
    with pytest.raises(PayloadError, match="name"):
        pack({name: np.zeros(1, np.float32)})


def test_other_types_are_not_packed() -> None:
    with pytest.raises(PayloadError, match="type"):
        pack({"model/a": np.zeros(1, np.float64)})


def test_a_numpy_scalar_is_packed_as_an_array_without_axes() -> None:
    scalar = np.array(3) + 1
    assert unpack(pack({"model/count": scalar}))["model/count"].shape == ()


def test_unpacked_arrays_cannot_be_written_to() -> None:
    array = unpack(pack({"model/a": np.zeros(2, np.float32)}))["model/a"]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
