"""What is used of Flower's insides exists as it is used. If this fails after an upgrade, read `flower/` again."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.architecture import source
from tests.federation.flower.world import World
from tests.support.certificates import new_key
from wardround.federation.flower import cargo, signing, wire
from wardround.federation.flower.paths import FLEET_PATHS
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
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.store_message_res": {"message"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.acknowledge_node_heartbeat": {
        "node_id",
        "heartbeat_interval",
    },
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.delete_messages": {"message_ins_ids"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.get_object": {"run_id", "object_id"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.store_fab": {"fab"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.get_run_info": {"run_ids"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.claim_task": {"task_id"},
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.activate_task": {"task_id"},
    "flwr.supercore.object_store.in_memory_object_store:InMemoryObjectStore.preregister": {"run_id", "object_tree"},
    "flwr.supercore.object_store.in_memory_object_store:InMemoryObjectStore.put": {"object_id", "object_content"},
    "flwr.supercore.object_store.in_memory_object_store:InMemoryObjectStore.get": {"object_id"},
    "flwr.supercore.object_store.in_memory_object_store:InMemoryObjectStore.delete": {"object_id"},
    "flwr.supercore.inflatable.inflatable_object:get_object_body": {"object_content", "cls"},
    "flwr.supercore.inflatable.inflatable_object:get_object_type_from_object_content": {"object_content"},
    "flwr.supercore.inflatable.inflatable_object:get_object_children_ids_from_object_content": {"object_content"},
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


POSITIONS = {
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.create_node": (
        *("owner_aid", "owner_name", "public_key", "heartbeat_interval"),
    ),
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState.create_run": (
        *("fab_id", "fab_version", "fab_hash", "override_config", "federation_id"),
        *("federation_config", "flwr_aid", "primary_task_type"),
    ),
}
"""What is passed by place, in this order."""


@pytest.mark.parametrize("place", sorted(POSITIONS))
def test_a_name_of_flower_takes_what_we_pass_in_this_order(place: str) -> None:
    module, _, path = place.partition(":")
    kind, _, method = path.partition(".")
    parameters = list(inspect.signature(getattr(getattr(importlib.import_module(module), kind), method)).parameters)
    wanted = POSITIONS[place]
    assert parameters[1 : len(wanted) + 1] == list(wanted), f"{place} of flwr {version('flwr')} takes {parameters}"


def test_every_name_that_we_import_from_flower_is_there() -> None:
    lacking = []
    for module in source.modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flwr":
                found = importlib.import_module(node.module or "")
                lacking += [
                    f"{source.place(module, node.lineno)}: flwr {version('flwr')} has no {node.module}.{one.name}"
                    for one in node.names
                    if not hasattr(found, one.name)
                ]
    assert not lacking


def test_the_link_state_holds_nodes_as_we_change_them(world: World) -> None:
    """A site that comes with another key keeps its id: three attributes are written for that."""
    with world.link() as link:
        state = link._state
        assert state is not None
        site = next(iter(state._node_ids))
        node_id = state.node_id(site)
        assert node_id in state.nodes, "InMemoryLinkState.nodes has no node of a site that was enrolled"
        known = state.nodes[node_id].public_key
        assert state.node_public_key_to_node_id[known] == node_id, "keys are not kept in node_public_key_to_node_id"
        assert hasattr(state.lock, "acquire"), "InMemoryLinkState.lock is no lock"
        assert state.object_store is state._objects, "InMemoryLinkState.object_store is not the store it was given"
        assert hasattr(state._objects.lock_store, "acquire"), "InMemoryObjectStore.lock_store is no lock"
        assert state._objects.store == {}, "InMemoryObjectStore.store is not the table of its objects"


def test_a_message_takes_its_id_where_we_write_it() -> None:
    """Private names of Flower's: `Metadata._message_id`, and `Array._chunks`, in which it looks before it cuts."""
    from wardround.federation.envelope import Envelope

    parcel = wire.pack(Envelope(b"{}", b"s", b"payload"), cargo.cut(b"payload"), wire.Route(1, 1, 2), 60.0)
    assert parcel.head.metadata.message_id == parcel.tree.object_id
    assert len(parcel.pieces) == 1, "Flower cut the array itself: it does not look at Array._chunks any more"


def test_our_client_sets_what_flowers_constructor_sets() -> None:
    import httpx
    from flwr.supernode.fleet_http_client import FleetHttpClient

    from wardround.federation.flower.node.signed_client import SiteFleetClient
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

    from wardround.federation.flower.link.fleet import Fleet

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
        "import sys, wardround.federation.flower.link.link, wardround.federation.flower.node.node\n"
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
