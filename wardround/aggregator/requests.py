"""Files in the place of a site's enrolment request; above all a private key, which nobody may send."""

from __future__ import annotations

import json
from pathlib import Path

from wardround.aggregator.certificates import CA_KEY_FILE, SERVER_KEY_FILE
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import kind_of, read_named
from wardround.federation.identities import COORDINATOR_FILE

_MOST_BYTES = 16 * 2**20
_PRIVATE, _CERTIFICATE = b"PRIVATE KEY-----", b"BEGIN CERTIFICATE-----"
_OWN = (COORDINATOR_FILE, CA_KEY_FILE, SERVER_KEY_FILE)
_OTHERS = (
    ("roster", "what a site has accepted, or an invitation"),
    ("ca_pem", "what a site has accepted, or an invitation"),
    ("invitation", "an invitation, which goes to the sites"),
    ("members", "a roster, which stays with the coordinator"),
    ("changes", "a list of replaced keys, which stays with the coordinator"),
    ("rotations", "a list of replaced keys, which stays with the site"),
)
"""Other files of a federation, by a key that they have."""


def refuse_other_files(path: Path, name: str) -> None:
    """Raise `InputError` for a file that is plainly no request of the site `name`; leave what may be one to others.

    A private key is a leak, whatever was meant by it: whoever has a copy can speak in the site's name.
    """
    content = read_named(path, "enrolment request", _MOST_BYTES)
    if _PRIVATE in content:
        raise _own_key(path, name) if path.name in _OWN else _sites_key(path, name)
    if kind := _kind(content, path):
        raise InputError.one(
            "this is not an enrolment request",
            where=str(path),
            got=kind,
            expected=f"the {name}.pub that `site-client init` wrote",
            remedy=f"Ask the site's staff for {name}.pub; it lies beside their site.yaml",
        )


def _sites_key(path: Path, name: str) -> InputError:
    return InputError.one(
        "this is a site's PRIVATE key, and nobody but the site may have it",
        where=str(path),
        got="a private key",
        expected=f"{name}.pub, which holds no secret",
        remedy="Delete your copy, and the message that it came with. "
        f"If {name} is enrolled, `aggregator revoke {name}`. Tell the site's staff to make new keys "
        "(`site-client rotate-keys`, or `site-client init` in an empty folder "
        f"where it was never enrolled), and ask for the file ending in .pub, such as {name}.pub",
    )


def _own_key(path: Path, name: str) -> InputError:
    return InputError.one(
        "this is a PRIVATE key of the aggregator itself",
        where=str(path),
        got="a private key",
        expected=f"{name}.pub, which the site's staff has sent",
        remedy="Leave it where it is, and send it to nobody. Name the site's .pub file",
    )


def _kind(content: bytes, path: Path) -> str:
    """What a file is that is no request; empty where it may be one."""
    if _CERTIFICATE in content[:200]:
        return "a certificate"
    if kind := kind_of(content):
        return kind
    if not content.strip():
        return "an empty file"
    if path.suffix.lower() in (".yaml", ".yml"):
        return "a file of settings (YAML)"
    try:
        keys = set(json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return "the beginning of one: the end is missing" if content.lstrip()[:1] == b"{" else "another text"
    return next((word for key, word in _OTHERS if key in keys), "")
