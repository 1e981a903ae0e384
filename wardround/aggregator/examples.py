"""Command lines of `aggregator` for its help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": (
            "aggregator init --name brains --study study.yaml --address fl.example.org:9443",
            "aggregator enroll north north.pub",
            "aggregator invite",
            "aggregator --config federation.yaml",
        ),
        "init": (
            "aggregator init --name brains --study study.yaml --address fl.example.org:9443 --rounds 20",
            "aggregator init --name brains --study study.yaml --address fl.example.org:9443 --also-name 10.0.0.5",
        ),
        "enroll": ("aggregator enroll north north.pub",),
        "remove": ("aggregator remove north",),
        "replace": ("aggregator replace north north.pub",),
        "continue": ("aggregator continue --rounds 40", "aggregator continue --out second.json"),
        "invite": ("aggregator invite", "aggregator invite --out /srv/share/invitation.json"),
        "revoke": ("aggregator revoke north",),
        "rotate-key": ("aggregator rotate-key north north.pub",),
        "rotate-coordinator-key": ("aggregator rotate-coordinator-key --config federation.yaml",),
        "certificate": ("aggregator certificate --config federation.yaml",),
        "check": ("aggregator check --config federation.yaml",),
        "strategies": ("aggregator strategies",),
        "status": ("aggregator status", "aggregator status --json"),
        "undo": ("aggregator undo 12", "aggregator undo 12 --yes"),
        "end": ("aggregator end", "aggregator end --yes"),
        "reopen": ("aggregator reopen",),
        "sites": ("aggregator sites --config federation.yaml",),
    }
)
