"""The name with which a site's keys were made: that of the request that lies in the site's folder, beside `site.yaml`.

Before an invitation is accepted nothing else says whose keys these are.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from wardround.engine.basics.problems import InputError
from wardround.federation.identities import EnrolmentRequest, SiteKeys
from wardround.site_client.agreement.settings import SiteSettings

_REQUESTS = "*.pub"


def requested_name(keys: SiteKeys, home: Path) -> str:
    """The name in a request of these very keys; empty where there is none, or several that differ."""
    names = {name for path in sorted(home.glob(_REQUESTS)) if (name := _name_in(path, keys)) != ""}
    return names.pop() if len(names) == 1 else ""


def require_requested_name(settings: SiteSettings, keys: SiteKeys | None) -> None:
    """Raise `InputError` where the site has another name than its keys: it could accept no invitation of theirs.

    Of keys that cannot be read (None) nothing is known.
    """
    name = "" if keys is None else requested_name(keys, settings.home)
    if name not in ("", settings.name):
        raise InputError.one(
            f"the name is {settings.name}, the keys were made for {name}",
            where=settings.place("name"),
            got=settings.name,
            expected=f"{name}, as in {name}.pub",
            remedy=f"Write `name: {name}`; for another name make keys in a new folder with `site-client init`",
        )


def _name_in(path: Path, keys: SiteKeys) -> str:
    with contextlib.suppress(InputError):  # what is no request, or a damaged one, says nothing of these keys
        member = EnrolmentRequest.load(path).member
        return member.name if member.signing_key == keys.signing_public else ""
    return ""
