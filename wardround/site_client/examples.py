"""Command lines of `site-client` for its help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": (
            "site-client init --name north --manifest data.csv",
            "site-client accept invitation.json",
            "site-client check",
            "site-client --config site.yaml",
            "site-client --config site.yaml --local",
        ),
        "init": ("site-client init --name north --manifest /data/hippocampus/train.csv --folder /etc/wardround",),
        "accept": (
            "site-client accept invitation.json",
            'site-client accept invitation.json --fingerprint "8F3A 02C1 ..."',
        ),
        "accept-cohort": ("site-client accept-cohort --config site.yaml",),
        "rotate-keys": ("site-client rotate-keys --config site.yaml",),
        "check": ("site-client check", "site-client check --offline --json"),
        "status": ("site-client status --config site.yaml",),
        "report": ("site-client report --config site.yaml",),
        "log": ("site-client log", "site-client log --json > events.jsonl"),
        "courier": ("site-client courier --config site.yaml",),
        "worker": ("site-client worker --config site.yaml",),
    }
)
