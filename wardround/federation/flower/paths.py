"""The paths on which the link answers: both ends know them. Everything else is turned away."""

from __future__ import annotations

HEALTH_PATH = "/health"
"""Says that the link lives, to everybody."""
POLL_PATH = "/v1/fleet/pull-messages"
FLEET_PATHS = frozenset(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
"""Registering nodes and fetching bundles are missing on purpose: the roster is fixed and no bundle is ever run."""
