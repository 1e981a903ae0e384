"""Keys come and go on an open link: what is revoked is refused at once, what is enrolled is heard at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from tests.support.certificates import new_key, public_pem
from wardround.federation.envelope import Envelope
from wardround.federation.flower.node.node import standing
from wardround.federation.flower.signing import Reason, Signer


def test_a_revoked_site_is_cut_off_at_once_and_its_neighbour_is_not(three: World) -> None:
    with three.link() as link, three.courier("north", link.port), three.courier("south", link.port):
        assert link.exchange("north", question(), 20) is not None
        link.revoke("north")
        assert three.said("north", "offline", "key revoked")
        wait_until(lambda: three.said("north", "refused", "its key was revoked"), 10, "the revoked key is refused")
        assert link.exchange("north", question(), 0.5) is None
        assert link.exchange("south", question(), 20) == echo(question())
        wait_until(lambda: "refused" in three.node_kinds("north"), 10, "the site is told")
        told = [event.detail for name, event in three.node_events if (name, event.kind) == ("north", "refused")]
        assert "has revoked this site's key" in told[0]
        address, signer = f"127.0.0.1:{link.port}", Signer(three.keys["north"])
        assert standing(address, three.ca, signer) is Reason.REVOKED


def test_an_exchange_that_waits_for_a_revoked_site_ends(world: World) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(envelope: Envelope) -> Envelope:
        asked.set()
        release.wait(10)
        return echo(envelope)

    with world.link() as link, world.courier("north", link.port, slow), ThreadPoolExecutor(1) as pool:
        job = pool.submit(link.exchange, "north", question(), 60)
        assert asked.wait(10)
        link.revoke("north")
        assert job.result(timeout=5) is None
        release.set()
        time.sleep(0.3)
        assert link._state is not None
        assert link._state.num_message_res() == 0


def test_a_revoked_site_that_is_enrolled_again_is_heard_again(world: World) -> None:
    with world.link() as link:
        link.revoke("north")
        link.enrol({"north": public_pem(world.keys["north"])})
        with world.courier("north", link.port):
            assert link.exchange("north", question(), 20) == echo(question())


def test_a_replaced_key_is_the_only_one_that_passes(world: World) -> None:
    fresh = new_key()
    with world.link() as link, world.courier("north", link.port):
        assert link.exchange("north", question(), 20) is not None
        link.enrol({"north": public_pem(fresh)})
        wait_until(lambda: world.said("north", "refused", "its former key"), 10, "the old key is refused")
        assert standing(f"127.0.0.1:{link.port}", world.ca, Signer(world.keys["north"])) is Reason.REPLACED
        assert link.exchange("north", question(), 0.3) is None
        with world.courier("north", link.port, key=fresh):
            assert link.exchange("north", question(), 20) == echo(question())


def test_a_site_may_join_an_open_link(world: World) -> None:
    key = new_key()
    with world.link() as link:
        link.enrol({"south": public_pem(key)})
        with world.courier("south", link.port, key=key), world.courier("north", link.port):
            assert link.exchange("south", question(), 20) == echo(question())
            assert link.exchange("north", question(), 20) == echo(question())


def test_an_enrolment_that_cannot_be_changes_nothing(world: World) -> None:
    with world.link() as link:
        with pytest.raises(ValueError, match="has the key of another site"):
            link.enrol({"south": public_pem(world.keys["north"])})
        with pytest.raises(ValueError, match="key of site south"):
            link.enrol({"south": b"no key"})
        with pytest.raises(KeyError):
            link.exchange("south", question(), 0.1)
        with pytest.raises(KeyError):
            link.revoke("south")
        with world.courier("north", link.port):
            assert link.exchange("north", question(), 20) is not None
