"""The standard gRPC health service on loopback, for whatever watches the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from wardround.engine.basics.problems import InputError


@contextmanager
def health_service(port: int | None) -> Iterator[Callable[[bool], None]]:
    """Serve `grpc.health.v1` on 127.0.0.1:`port`; the yielded function sets SERVING or NOT_SERVING (at first).

    Without a port nothing is served, and the function does nothing.

    Raises:
        InputError: the port is in use.
    """
    if port is None:
        yield _tell_nobody
        return
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    servicer = health.HealthServicer()
    server = grpc.server(ThreadPoolExecutor(max_workers=2), options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError:
        raise InputError.one(
            "the health port cannot be opened", got=str(port), remedy="Choose another `health_port`"
        ) from None

    def tell(is_serving: bool) -> None:
        state = health_pb2.HealthCheckResponse.SERVING if is_serving else health_pb2.HealthCheckResponse.NOT_SERVING
        servicer.set("", state)

    tell(False)
    server.start()
    try:
        yield tell
    finally:
        server.stop(grace=None)


def _tell_nobody(is_serving: bool) -> None:
    """Nobody asked for a health service."""
