"""Two machines with one site's keys: the younger is refused, said at both ends, until the older is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from wardround.federation.flower.events import Announcer, LinkEvent
from wardround.federation.flower.link.machines import Machines
from wardround.federation.flower.link.presence import SILENCE_SECONDS
from wardround.federation.flower.node.node import standing
from wardround.federation.flower.signing import Claims, Machine, Reason, Signer

OLDER = Machine("a" * 32, "1" * 32, 1000)
YOUNGER = Machine("b" * 32, "2" * 32, 2000)
RESTARTED = Machine("a" * 32, "3" * 32, 3000)


class Table:
    """The rule with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[LinkEvent] = []
        self.machines = Machines(Announcer(self.events.append), lambda: self.now)
        self.number = 0

    def hear(self, machine: Machine, port: int = 1, number: int | None = None) -> Reason | None:
        self.number += 1
        claims = Claims("0" * 64, "0" * 32, machine, number or self.number, 1, "0" * 64)
        return self.machines.admit("north", claims, ("10.0.0.1", port))

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def test_the_younger_machine_is_refused_and_said_once_and_heard_when_the_older_is_silent() -> None:
    table = Table()
    assert table.hear(OLDER) is None
    for _ in range(5):
        table.now += 3
        assert table.hear(OLDER) is None
        assert table.hear(YOUNGER, 2) is Reason.OTHER_MACHINE
    assert table.kinds() == ["doubled"]
    assert "10.0.0.1" in table.events[0].detail
    assert table.machines.second("north") == "10.0.0.1"
    table.now += SILENCE_SECONDS
    assert table.hear(YOUNGER, 2) is None
    assert table.machines.second("north") == "", "it is not warned of itself"
    assert table.hear(OLDER) is Reason.REPEATED, "its session is over; it must begin another"
    assert table.hear(replace(OLDER, session=1001)) is Reason.OTHER_MACHINE
    assert table.machines.second("north") == "10.0.0.1"
    table.now += 200
    table.machines.sweep()
    assert table.kinds() == ["doubled", "alone"]
    assert table.machines.second("north") == ""


def test_signing_off_makes_room_at_once() -> None:
    table = Table()
    assert table.hear(OLDER) is None
    table.machines.left("north")
    assert table.hear(YOUNGER, 2) is None


@pytest.mark.parametrize("connections", [1, 3])
def test_a_restart_on_the_same_work_folder_is_heard_when_the_old_connections_are_closed(connections: int) -> None:
    table = Table()
    for port in range(1, connections + 1):
        assert table.hear(OLDER, port) is None
    for port in range(1, connections + 1):
        assert table.hear(RESTARTED, 9) is Reason.OTHER_MACHINE
        table.machines.closed(("10.0.0.1", port))
    assert table.hear(RESTARTED, 9) is None
    assert table.kinds() == [], "a restart is no second machine"


def test_another_machine_is_not_heard_because_the_older_has_no_connection_for_a_moment() -> None:
    table = Table()
    assert table.hear(OLDER) is None
    table.machines.closed(("10.0.0.1", 1))
    assert table.hear(YOUNGER, 2) is Reason.OTHER_MACHINE


def test_a_copy_of_a_work_folder_is_found_out_while_the_first_is_connected() -> None:
    table = Table()
    for _ in range(4):
        table.now += 2
        assert table.hear(OLDER) is None
        assert table.hear(RESTARTED, 2) is Reason.OTHER_MACHINE
    assert table.kinds() == ["doubled"]


def test_a_process_may_begin_a_new_session_at_any_time_but_not_go_back() -> None:
    table = Table()
    later = replace(OLDER, session=OLDER.session + 1)
    assert table.hear(OLDER) is None
    assert table.hear(later, 2) is None
    assert table.hear(OLDER) is Reason.REPEATED


def test_what_was_recorded_of_a_former_machine_is_never_heard_again() -> None:
    table = Table()
    for machine in (OLDER, YOUNGER, RESTARTED):
        assert table.hear(machine, number=1) is None
        table.machines.left("north")
    table.now += 10 * SILENCE_SECONDS
    for machine in (OLDER, YOUNGER, RESTARTED):
        assert table.hear(machine, number=1) is Reason.REPEATED


def test_a_second_courier_waits_and_takes_over(world: World) -> None:
    first, second = "a" * 32, "b" * 32
    with world.link() as link:
        address = f"127.0.0.1:{link.port}"
        with world.courier("north", link.port, installation=first):
            assert link.exchange("north", question(), 20) == echo(question())
            assert standing(address, world.ca, Signer(world.keys["north"], second)) is Reason.OTHER_MACHINE
            assert standing(address, world.ca, Signer(world.keys["north"], first)) is None
            with world.courier("north", link.port, installation=second):
                wait_until(lambda: world.said("north", "doubled", "uses this site's keys"), 10, "the link says so")
                wait_until(lambda: "refused" in world.node_kinds("north"), 10, "the second courier is told")
                assert link.exchange("north", question(b"x"), 20) == echo(question(b"x"))
                wait_until(lambda: "doubled" in world.node_kinds("north"), 10, "the first courier is told as well")
                told = next(event for _, event in world.node_events if event.kind == "doubled")
                assert told.detail == "127.0.0.1"
        with world.courier("north", link.port, installation=second):
            assert link.exchange("north", question(), 20) == echo(question())
    assert any("on one machine only" in event.detail for _, event in world.node_events)


def test_sessions_of_one_courier_are_no_second_machine(world: World) -> None:
    with world.link() as link, world.courier("north", link.port):
        for _ in range(3):
            assert link.exchange("north", question(), 20) is not None
            link._listener.soon(lambda: link._admission.expel("north"))
        assert link.exchange("north", question(), 20) is not None
    assert not any(event.kind == "doubled" for event in world.link_events)
