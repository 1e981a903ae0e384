"""A payload that is written part by part has the bytes that the library would have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from wardround.engine.basics.files import map_file
from wardround.federation.packing import packed_digest, packed_parts, packed_size, write_packed
from wardround.federation.payload import PayloadError, pack, payload_digest, unpack

KINDS = st.sampled_from([np.dtype(kind) for kind in ("<f4", "<f2", "<i8", "u1")])
ARRAYS = hn.arrays(KINDS, hn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
NAMES = st.from_regex(r"\A[a-z][a-z0-9_]{0,5}/[A-Za-z0-9_.\-/]{1,12}\Z")


@given(st.dictionaries(NAMES, ARRAYS, max_size=8))
def test_parts_make_up_what_the_library_writes(arrays: dict[str, np.ndarray]) -> None:
    parts = b"".join(packed_parts(arrays))
    assert parts == pack(arrays)
    assert packed_digest(arrays) == payload_digest(parts)
    assert packed_size(arrays) == len(parts)


def test_arrays_that_do_not_lie_in_one_piece_are_written_as_they_are_read(tmp_path: Path) -> None:
    arrays = {"model/a": np.arange(24, dtype=np.float32).reshape(4, 6).T[::2], "model/n": np.int64(7)}
    write_packed(tmp_path / "out", arrays)
    assert (tmp_path / "out").read_bytes() == pack(arrays)
    read = unpack(map_file(tmp_path / "out"))
    assert all(np.array_equal(read[name], arrays[name]) for name in arrays)


def test_tensors_are_not_copied_on_the_way() -> None:
    weights = np.zeros(1000, dtype=np.float32)
    _, view = packed_parts({"model/w": weights})
    assert np.shares_memory(np.frombuffer(view, dtype=np.uint8), weights)


@pytest.mark.parametrize("arrays", [{"w": np.zeros(1, np.float32)}, {"model/w": np.zeros(1, np.float64)}])
def test_what_cannot_be_packed_is_refused_in_the_same_words(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(PayloadError) as whole:
        pack(arrays)
    with pytest.raises(PayloadError, match=str(whole.value)):
        list(packed_parts(arrays))


def test_a_mapped_file_stays_what_it_was_when_it_is_replaced_or_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    mapped = map_file(path)
    (tmp_path / "other").write_bytes(b"after!")
    (tmp_path / "other").replace(path)
    path.unlink()
    assert mapped == b"before"
    path.write_bytes(b"")
    assert map_file(path) == b""
