"""Flower's fleet handlers as an application of their own: no control and no runtime route exists in it."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI
from flwr.server.superlink.linkstate import LinkState
from flwr.supercore.error import http_error_translator
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from flwr.superlink.routers.fleet.node_auth import NodeAuthMiddleware
from flwr.superlink.routers.fleet.router import router
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from .gate import Application


class _StateHolder:
    """What Flower's handlers ask for the link's state."""

    def __init__(self, state: LinkState) -> None:
        self._state = state

    def state(self) -> LinkState:
        """The one state of this link."""
        return self._state


def build_app(state: LinkState) -> Application:
    """The application with Flower's fleet routes on `state`, with node authentication on."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=http_error_translator),
            Middleware(ProtobufTranslationMiddleware),
            Middleware(NodeAuthMiddleware),
        ],
    )
    app.state.linkstate_factory = _StateHolder(state)
    app.state.enable_supernode_auth = True
    app.include_router(router)
    return cast(Application, app)
