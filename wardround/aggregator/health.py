"""The standard gRPC health service on loopback, for whatever watches the machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from wardround.engine.basics.problems import InputError


@contextmanager
def health_service(port: int | None) -> Iterator[None]:
    """While the block runs, answer SERVING on 127.0.0.1:`port`; without a port, serve nothing.

    Raises:
        InputError: the port is in use.
    """
    if port is None:
        yield
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
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    server.start()
    try:
        yield
    finally:
        servicer.enter_graceful_shutdown()
        server.stop(grace=None)
