"""Sizes as people write them."""

from __future__ import annotations

import pytest

from wardround.engine.basics.sizes import parse_size, shown_size


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1500", 1500), ("200 GB", 200 * 10**9), ("1.5TB", 15 * 10**11), ("3 kB", 3000)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1 GB", "1 PB", "1e9", "1 GiB", "GB", "1 2 GB", "1k"])
def test_other_words_are_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_size(text)


def test_sizes_are_shown() -> None:
    assert [shown_size(size) for size in (0, 999, 1234, 2e8, 3.456e12)] == [
        "0 B",
        "999 B",
        "1.23 KB",
        "200 MB",
        "3.46 TB",
    ]
