"""What is used of Flower's insides exists as it is used. If this fails after an upgrade, read `flower/` again."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.federation.flower.world import World
from tests.support.certificates import new_key
from wardround.federation.flower import cargo, signing, wire
from wardround.federation.flower.gate import FLEET_PATHS
from wardround.federation.flower.stub import STUB_SHA256, stub_bundle

SIGNATURES = {
    "flwr.supernode.fleet_http_client:FleetHttpClient.__init__": {"base_url", "interceptors"},
    "flwr.supercore.protobuf.client:ProtobufRequestContext.__init__": {"rpc_method", "message", "request"},
    "flwr.superlink.servicer.fleet.fleet_handlers:activate_node": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:deactivate_node": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:send_node_heartbeat": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:pull_messages": {"request", "state", "store"},
    "flwr.superlink.servicer.fleet.fleet_handlers:push_messages": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:get_run": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:push_object": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:pull_object": {"request", "state"},
    "flwr.superlink.servicer.fleet.fleet_handlers:confirm_message_received": {"request", "state", "store"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.__init__": {
        "federation_manager",
        "object_store",
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.activate_node": {
        "node_id",
        "heartbeat_interval",
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.deactivate_node": {"node_id"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.store_message_ins": {"message"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.store_message_and_object_tree": {
        "message",
        "object_tree",
        "session_id",
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.store_object": {
        "run_id",
        "session_id",
        "object_id",
        "object_content",
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState._cleanup_push_session": {
        "session_id",
        "cleanup_messages",
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState._on_push_session_expired": {
        "message_object_ids"
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState._cleanup_expired_task_tokens_locked": set(),
    "flwr.supercore.object_store.in_memory_object_store:InMemoryObjectStore.preregister": {"run_id", "object_tree"},
    "flwr.app.message:make_message": {"metadata", "content"},
    "flwr.app.message:remove_content_from_message": {"message"},
    "flwr.supercore.inflatable.inflatable_utils:inflate_object_from_contents": {"object_id", "object_contents"},
    "flwr.supercore.inflatable.inflatable_object:get_object_tree": {"obj"},
    "flwr.supercore.inflatable.inflatable_object:get_all_nested_objects": {"obj"},
}


@pytest.mark.parametrize("place", sorted(SIGNATURES))
def test_a_name_of_flower_takes_what_we_pass(place: str) -> None:
    module, _, path = place.partition(":")
    found: object = importlib.import_module(module)
    for name in path.split("."):
        assert hasattr(found, name), f"flwr {version('flwr')} has no {place}; the adapter was written for flwr 1.41"
        found = getattr(found, name)
    parameters = set(inspect.signature(found).parameters)  # type: ignore[arg-type]
    missing = SIGNATURES[place] - parameters
    assert not missing, f"{place} of flwr {version('flwr')} takes {sorted(parameters)}, but no {sorted(missing)}"


def test_our_client_sets_what_flowers_constructor_sets() -> None:
    import httpx
    from flwr.supernode.fleet_http_client import FleetHttpClient

    from wardround.federation.flower.signed_client import SiteFleetClient
    from wardround.federation.flower.signing import Signer

    with httpx.Client() as client:
        ours = SiteFleetClient("127.0.0.1:1", client, Signer(new_key()), lambda second: None)
        assert set(vars(ours)) == set(vars(FleetHttpClient("https://127.0.0.1:1", interceptors=[])))


def test_the_installed_flower_is_the_one_that_the_adapter_was_written_for() -> None:
    assert version("flwr").startswith("1.41."), "read the adapter against the new release before changing the pin"


def test_constants_agree_with_flowers() -> None:
    from flwr.common import constant
    from flwr.supercore import constant as core

    assert core.FLEET_HTTP_PUBLIC_KEY_HEADER.encode() == signing.FORMER_KEY_HEADER
    assert constant.SUPERLINK_NODE_ID == wire.AGGREGATOR_NODE_ID
    assert constant.HEARTBEAT_MIN_INTERVAL <= 10


def test_the_gates_paths_are_flowers_fleet_paths_without_registration_and_bundles(world: World) -> None:
    from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES

    from wardround.federation.flower.fleet import Fleet

    fleet = {path for _, path in PROTOBUF_REQUEST_TYPES if path.startswith("/v1/fleet/")}
    withheld = {"/v1/fleet/register-node", "/v1/fleet/unregister-node", "/v1/fleet/get-fab"}
    assert fleet - withheld == FLEET_PATHS
    with world.link() as link:
        assert link._state is not None
        routes = Fleet(link._state, lambda _site: None, link._caller).routes
    assert set(routes) == FLEET_PATHS
    assert {path: kind for path, (kind, _) in routes.items()} == {
        path: PROTOBUF_REQUEST_TYPES["POST", path] for path in FLEET_PATHS
    }


@pytest.mark.parametrize("size", [0, 1, 5_000, 20_480, 100_001])
def test_a_payload_is_cut_as_flower_cuts_it(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Names and bytes of all objects, with repeated pieces among them."""
    from flwr.app import Array, ArrayRecord
    from flwr.app.message import array as flowers
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

    monkeypatch.setenv("FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE", "5000")
    monkeypatch.setattr(flowers, "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE", 5000)
    payload = bytes(size // 2) + os.urandom(size - size // 2)
    theirs = ArrayRecord({cargo.ARRAY: Array("uint8", (size,), cargo.ARRAY_KIND, payload)})
    ours = cargo.cut(memoryview(payload))
    assert get_object_tree(ours) == get_object_tree(theirs)
    assert {name: item.deflate() for name, item in get_all_nested_objects(ours).items()} == {
        name: item.deflate() for name, item in get_all_nested_objects(theirs).items()
    }


def test_the_published_hash_is_the_bundles() -> None:
    assert hashlib.sha256(stub_bundle()).hexdigest() == STUB_SHA256


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_both_sides_imports_neither_flower_nor_torch() -> None:
    code = (
        "import sys, wardround.federation.flower.link, wardround.federation.flower.node\n"
        "print([name for name in ('flwr', 'torch') if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_flower_finds_its_settings_in_place() -> None:
    code = (
        "import tempfile, pathlib\n"
        "from wardround.federation.flower import settings\n"
        "settings.prepare(pathlib.Path(tempfile.mkdtemp()), 65536)\n"
        "settings.ensure()\n"
        "import flwr.supercore.telemetry as telemetry, flwr.common.constant as constant, sys\n"
        "print(telemetry.FLWR_TELEMETRY_ENABLED, constant.FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE, 'torch' in sys.modules)\n"
        "try: settings.prepare(pathlib.Path('/elsewhere'))\n"
        "except RuntimeError as error: print(error)"
    )
    first, second = run_python(code).splitlines()
    assert first == "0 65536 False"
    assert "after Flower was imported" in second
