"""What has arrived stays: bytes on a real line (TLS) that is cut, counted in both directions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_object_id

from tests.federation.flower.world import World, question, wait_until
from tests.support.cutting import CuttingProxy
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link import link_state
from wardround.federation.flower.link.arrival import Arrival, UnfitReplyError
from wardround.federation.flower.link.gate import GateLimits
from wardround.federation.flower.shelf import Shelf

CHUNK = 64 * 1024
CHUNKS = 20
MODEL = os.urandom(CHUNKS * CHUNK)

Handler = Callable[[Envelope], Envelope]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE", str(CHUNK))


def say_little(envelope: Envelope) -> Envelope:
    """Pulled: the model goes to the site."""
    return Envelope(envelope.body, b"signature", b"")


def say_much(envelope: Envelope) -> Envelope:
    """Pushed: a model comes from the site, the same bytes each time, as from an outbox."""
    return Envelope(envelope.body, b"signature", bytes(MODEL))


PULL = pytest.param(MODEL, say_little, id="pull")
PUSH = pytest.param(b"", say_much, id="push")
BOTH = pytest.mark.parametrize(("sent", "handler"), [PULL, PUSH])


def arrived(sent: bytes, answer: Envelope | None) -> bool:
    return answer is not None and answer.payload == (b"" if sent else MODEL)


CUTS = [
    pytest.param(1.9, 3.0, marks=pytest.mark.slow),
    pytest.param(2.7, 1.8, marks=pytest.mark.slow),
    pytest.param(3.6, 1.3, marks=pytest.mark.slow),
    (5.5, 1.3),
    (11.0, 1.3),
]
"""Chunks between two cuts, and how many times the model may cross the line. What is cut within a chunk is lost."""


@BOTH
@pytest.mark.parametrize(("chunks", "most"), CUTS)
def test_a_line_that_is_cut_again_and_again_carries_a_model_once(
    world: World, tmp_path: Path, sent: bytes, handler: Handler, chunks: float, most: float
) -> None:
    with world.link(arriving=tmp_path / "in") as link, CuttingProxy(link.port, every=chunks * CHUNK) as proxy:
        with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
            assert arrived(sent, link.exchange("north", question(sent), 60))
        assert proxy.cuts > CHUNKS / chunks - 1
        assert proxy.passed <= most * len(MODEL), (
            f"{proxy.passed / len(MODEL):.2f} times the model in {proxy.cuts} cuts"
        )


@BOTH
def test_a_site_that_is_asked_anew_and_starts_anew_goes_on_where_it_was(
    world: World, tmp_path: Path, sent: bytes, handler: Handler
) -> None:
    """Another message, another session, another process's memory: only what was missing crosses the line."""
    with world.link(arriving=tmp_path / "in") as link, CuttingProxy(link.port) as proxy:
        proxy.shut_after(12.5 * CHUNK)
        with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
            assert link.exchange("north", question(sent), 1.5) is None
            assert proxy.shut.is_set()
        proxy.open()
        with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
            assert arrived(sent, link.exchange("north", Envelope(b"another", b"signature", bytes(sent)), 20))
        assert proxy.passed <= 1.3 * len(MODEL)


@BOTH
def test_an_aggregator_that_starts_anew_goes_on_where_it_was(
    world: World, tmp_path: Path, sent: bytes, handler: Handler
) -> None:
    with CuttingProxy(0) as proxy:
        with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
            with world.link(arriving=tmp_path / "in") as first:
                proxy.upstream_port = first.port
                proxy.shut_after(12.5 * CHUNK)
                assert first.exchange("north", question(sent), 3) is None
                assert proxy.shut.is_set()
            with world.link(arriving=tmp_path / "in") as second:
                proxy.upstream_port = second.port
                proxy.open()
                assert arrived(sent, second.exchange("north", question(sent), 20))
        assert proxy.passed <= 1.3 * len(MODEL)


@BOTH
def test_both_ends_may_start_anew(world: World, tmp_path: Path, sent: bytes, handler: Handler) -> None:
    with CuttingProxy(0) as proxy:
        for share in (7.5, 14.5, None):
            with world.link(arriving=tmp_path / "in") as link:
                proxy.upstream_port = link.port
                proxy.open()
                if share is not None:
                    proxy.shut_after(share * CHUNK - proxy.passed)
                with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
                    answer = link.exchange("north", question(sent), 20 if share is None else 1.5)
                assert arrived(sent, answer) == (share is None)
        assert proxy.passed <= 1.3 * len(MODEL)


@BOTH
def test_a_byte_that_changes_on_the_line_costs_a_piece(
    world: World, tmp_path: Path, sent: bytes, handler: Handler
) -> None:
    with world.link(arriving=tmp_path / "in") as link, CuttingProxy(link.port) as proxy:
        proxy.spoil_after(9.5 * CHUNK)
        with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
            assert arrived(sent, link.exchange("north", question(sent), 20))
        assert proxy.spoilt == 1
        assert proxy.passed <= 1.3 * len(MODEL)


@pytest.mark.parametrize("shared", [0, 12])
def test_another_model_between_two_cuts_is_the_one_that_arrives(world: World, tmp_path: Path, shared: int) -> None:
    """What both models share is not sent again; nothing else of the first is left."""
    other = MODEL[: shared * CHUNK] + os.urandom((CHUNKS - shared) * CHUNK)
    came: list[bytes] = []

    def note(envelope: Envelope) -> Envelope:
        came.append(bytes(envelope.payload))
        return say_little(envelope)

    with world.link(arriving=tmp_path / "in") as link, CuttingProxy(link.port) as proxy:
        proxy.shut_after(12.5 * CHUNK)
        with world.courier("north", proxy.port, note, arriving=tmp_path / "site"):
            assert link.exchange("north", question(MODEL), 1.5) is None
            passed = proxy.passed
            proxy.open()
            assert link.exchange("north", question(other), 20) is not None
        assert came == [other]
        assert proxy.passed - passed <= (CHUNKS - shared + 4) * CHUNK


@BOTH
def test_a_piece_that_was_damaged_on_disk_is_sent_again(
    world: World, tmp_path: Path, sent: bytes, handler: Handler
) -> None:
    with world.link(arriving=tmp_path / "in") as link, CuttingProxy(link.port) as proxy:
        proxy.shut_after(12.5 * CHUNK)
        with world.courier("north", proxy.port, handler, arriving=tmp_path / "site"):
            assert link.exchange("north", question(sent), 1.5) is None
            folder = tmp_path / "site" if sent else tmp_path / "in" / "north"
            for count, path in enumerate(sorted(folder.iterdir())):
                if count % 2:
                    path.write_bytes(path.read_bytes()[:-1] + b"?")
            proxy.open()
            assert arrived(sent, link.exchange("north", question(sent), 20))


def test_a_slow_line_is_given_time_as_long_as_it_gets_on(world: World) -> None:
    """A transfer of four seconds, where one and a half were reckoned."""
    with ExitStack() as stack:
        link = stack.enter_context(world.link())
        proxy = stack.enter_context(CuttingProxy(link.port, bytes_per_second=len(MODEL) / 4))
        stack.enter_context(world.courier("north", proxy.port, say_much))
        wait_until(lambda: link.seconds_since_seen("north") is not None, 20, "the courier is up")
        started = time.monotonic()
        answer = link.exchange("north", question(MODEL), 1.5)
        assert answer is not None
        assert answer.payload == MODEL
        assert time.monotonic() - started > 1.5, "patience did not grow with the transfer"


def test_pieces_go_when_they_are_superseded_or_too_old(tmp_path: Path) -> None:
    import hashlib

    shelf = Shelf(tmp_path / "shelf", budget=100)
    pieces = {hashlib.sha256(content).hexdigest(): content for content in (b"a" * 40, b"b" * 40, b"c" * 40)}
    kept = [name for name, content in pieces.items() if shelf.put(name, content)]
    assert len(kept) == 2, "the budget holds"
    assert (tmp_path / "shelf").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shelf" / "half.part").write_bytes(b"...")
    assert shelf.adopt(kept[:1]) == set(kept[:1])
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == kept[:1]
    shelf.expire()
    assert shelf.read(kept[0]) == pieces[kept[0]]
    os.utime(tmp_path / "shelf" / kept[0], (0, 0))
    shelf.expire()
    assert shelf.read(kept[0]) is None


def test_nothing_is_left_of_a_reply_that_has_arrived(world: World, tmp_path: Path) -> None:
    with world.link(arriving=tmp_path / "in") as link, world.courier("north", link.port, say_much):
        answer = link.exchange("north", question(), 10)
        assert answer is not None
        assert isinstance(answer.payload, memoryview), "a large reply is a view of a file"
        assert not (tmp_path / "in" / "north").exists()
        assert answer.payload == MODEL


@pytest.mark.parametrize("room", [True, False])
def test_a_large_model_is_a_view_of_a_file_at_the_site_if_the_disk_has_room(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    """Without room it comes all the same, in memory: whether it can be kept is for the handler to say."""
    monkeypatch.setattr(Shelf, "has_room_to_assemble", lambda self: room)
    came: list[Envelope] = []

    def note(envelope: Envelope) -> Envelope:
        came.append(envelope)
        return say_little(envelope)

    with world.link() as link, world.courier("north", link.port, note, arriving=tmp_path / "site"):
        assert link.exchange("north", question(MODEL), 20) is not None
    assert isinstance(came[0].payload, memoryview if room else bytes)
    assert came[0].payload == MODEL


def test_room_is_reckoned_with_what_the_disk_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    shelf = Shelf(tmp_path / "shelf")
    shelf.put("0" * 64, b"x" * 1000)
    for free, enough in ((10**12, True), (1001, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert shelf.has_room_to_assemble() == enough


def test_a_site_cannot_send_more_than_the_limit_or_names_that_are_none(world: World) -> None:
    shelf = Shelf(world.folder / "shelf")
    for tree in (
        ObjectTree(object_id="../../../etc/passwd"),
        ObjectTree(object_id="0x" + "1" * 62),
        ObjectTree(object_id="0" * 64, children=[ObjectTree(object_id=f"{n:064x}") for n in range(300)]),
    ):
        with pytest.raises(UnfitReplyError):
            Arrival(tree, shelf, 1_000_000)


def test_a_model_for_many_sites_is_held_once(three: World) -> None:
    """While three sites are asked, the store holds the heads of three messages, and no piece of the model."""
    with three.link() as link:
        asking = [threading.Thread(target=link.exchange, args=(site, question(MODEL), 1.0)) for site in three.keys]
        for thread in asking:
            thread.start()
        state = link._state
        assert state is not None
        wait_until(lambda: state.num_message_ins() == 3, 5, "three messages are posted")
        held = sum(len(entry.content) for entry in state._objects.store.values())
        assert held < CHUNK, "no piece is copied"
        assert len(state._objects.store) < CHUNKS + 3 * 5
        for thread in asking:
            thread.join()


def test_a_reply_above_the_limit_does_not_arrive_and_one_below_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few pieces, each within what a request may have: it is their sum that is too much."""
    limits, size, told = GateLimits(reply_bytes=4 * CHUNK), len(MODEL), list[int]()

    class Noted(link_state.Arrival):
        def __init__(self, tree: ObjectTree, shelf: Shelf, limit: int) -> None:
            told.append(limit)
            super().__init__(tree, shelf, limit)

    monkeypatch.setattr(link_state, "Arrival", Noted)
    with world.link(limits=limits) as link, world.courier("north", link.port, lambda asked: say_part(asked, size)):
        assert link.exchange("north", question(), 1.5) is None
    with world.link(limits=limits) as link, world.courier("north", link.port, lambda asked: say_part(asked, 3 * CHUNK)):
        answer = link.exchange("north", question(), 20)
        assert answer is not None
        assert len(answer.payload) == 3 * CHUNK
    assert set(told) == {limits.reply_bytes}


def say_part(envelope: Envelope, size: int) -> Envelope:
    return Envelope(envelope.body, b"signature", bytes(MODEL[:size]))


@pytest.mark.parametrize(("limit", "taken"), [(1_000, 1), (1_999, 1), (2_000, 2), (2_001, 2)])
def test_objects_are_taken_in_up_to_the_limit_over_all_of_them(world: World, limit: int, taken: int) -> None:
    contents = [bytes([number]) * 1_000 for number in range(3)]
    names = [get_object_id(content) for content in contents]
    tree = ObjectTree(object_id=names[0], children=[ObjectTree(object_id=name) for name in names[1:]])
    arrival = Arrival(tree, Shelf(world.folder / "shelf"), limit)
    took = [arrival.accept(name, content) for name, content in zip(names, contents, strict=True)]
    assert took == [number < taken for number in range(3)]
