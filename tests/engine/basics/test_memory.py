"""A budget of memory that threads share: never above the limit but for a single piece, and in order."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from wardround.engine.basics import memory
from wardround.engine.basics.memory import MemoryBudget, available_bytes

MEMINFO = "MemTotal: 2000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n"


def test_reservations_stay_within_the_limit_and_a_large_one_is_alone() -> None:
    budget, lock = MemoryBudget(10), threading.Lock()
    held: list[int] = []
    seen: list[list[int]] = []

    def work(size: int) -> None:
        with budget.reserve(size):
            with lock:
                held.append(size)
                seen.append([*held])
            time.sleep(0.002)
            with lock:
                held.remove(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (4, 25, 3, 10, 6, 1, 0, 30, 2, 5) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 30
    assert all(sum(together) <= 10 or [size for size in together if size] == [max(together)] for together in seen)
    assert any(len(together) > 1 for together in seen)


def test_who_came_first_goes_first() -> None:
    budget, order = MemoryBudget(10), list[int]()

    def work(size: int) -> None:
        with budget.reserve(size):
            order.append(size)

    with budget.reserve(5):
        threads = [threading.Thread(target=work, args=(size,)) for size in (9, 1)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [9, 1]


def test_what_fails_gives_its_room_back() -> None:
    budget = MemoryBudget(10)
    with pytest.raises(ValueError, match="x"), budget.reserve(10):
        raise ValueError("x")
    with budget.reserve(10):
        pass


@pytest.mark.parametrize(
    ("limit", "used", "expected"), [("max", 5, 1_024_000), ("500000", 100_000, 450_000), (None, 0, 1_024_000)]
)
def test_available_memory_knows_of_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, used: int, expected: int
) -> None:
    (tmp_path / "meminfo").write_text(MEMINFO)
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit + "\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text("anon 3\ninactive_file 50000\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert available_bytes() == expected
