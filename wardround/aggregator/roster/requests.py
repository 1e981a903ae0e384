"""Files in the place of a site's enrolment request; above all a private key, which nobody may send."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from wardround.aggregator.roster.certificates import CA_KEY_FILE, SERVER_KEY_FILE
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import key_kind, kind_of, read_named
from wardround.federation.identities import COORDINATOR_FILE
from wardround.federation.travelled import what_became, without_mark

_MOST_BYTES = 16 * 2**20
_PRIVATE = b"PRIVATE KEY-----"
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
_SSH_PUBLIC, _SSH_PRIVATE = "an SSH key", "an SSH private key"
_SSH = "SSH keys are not used here. "
_SHOWN = 3
_CUT = "a file whose end is missing"


def require_order(command: str, name: str, request: Path) -> None:
    """Raise `InputError` where the site's name and its file were given in each other's place."""
    given = Path(name)
    is_named_as_a_file = given.name != name or given.suffix in (".pub", ".json", ".txt")
    if request.is_file() or not (given.is_file() or is_named_as_a_file):
        return
    raise InputError.one(
        "the arguments are exchanged: the site's name comes first, then its file",
        got=f"{name} {request}",
        expected="NAME NAME.pub",
        remedy=f"`aggregator {command} {shlex.quote(str(request))} {shlex.quote(name)}`",
    )


def refuse_other_files(path: Path, name: str) -> None:
    """Raise `InputError` for a file that is plainly no request of the site `name`; leave what may be one to others.

    A private key is a leak, whatever was meant by it: whoever has a copy can speak in the site's name.
    """
    if path.is_dir():
        raise _folder(path, name)
    content = read_named(path, "enrolment request", _MOST_BYTES)
    if key_kind(content) == _SSH_PRIVATE:
        raise _ssh_private(path, name)
    if _PRIVATE in content:
        raise _own_key(path, name) if path.name in _OWN else _sites_key(path, name)
    if kind := _kind(content, path):
        raise InputError.one(
            "this is not an enrolment request",
            where=str(path),
            got=kind,
            expected=f"the {name}.pub that `site-client init` wrote",
            remedy=f"{_SSH if kind == _SSH_PUBLIC else ''}Ask the site's staff for {name}.pub; it lies beside their "
            "site.yaml",
        )


def _folder(path: Path, name: str) -> InputError:
    """A folder that was named: its .pub files are offered, and never another file, which may be a private key."""
    names = sorted(each.name for each in path.glob("*.pub"))[:_SHOWN]
    there = f"Name the file in it: {', '.join(names)}" if names else "There is no .pub file in it"
    return InputError.one(
        "the enrolment request is a folder",
        where=str(path),
        got="a folder",
        expected=f"the file {name}.pub that `site-client init` wrote",
        remedy=there if names else f"{there}: ask the site's staff for {name}.pub; it lies beside their site.yaml",
    )


def _ssh_private(path: Path, name: str) -> InputError:
    return InputError.one(
        "this is somebody's PRIVATE key for SSH, which nobody else may have",
        where=str(path),
        got=_SSH_PRIVATE,
        expected=f"{name}.pub, which `site-client init` wrote, and which holds no secret",
        remedy="Delete your copy, and tell its owner, who makes a new one. SSH keys are not used here: ask the site's "
        f"staff for {name}.pub; it lies beside their site.yaml",
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
    if kind := kind_of(content) or key_kind(content):
        return kind
    if not content.strip():
        return "an empty file"
    if path.suffix.lower() in (".yaml", ".yml"):
        return "a file of settings (YAML)"
    try:
        keys = set(json.loads(without_mark(content)))
    except (ValueError, TypeError, RecursionError):
        return _no_json(content)
    return next((word for key, word in _OTHERS if key in keys), "")


def _no_json(content: bytes) -> str:
    """What a text is that should have been JSON, as mails and word processors spoil it."""
    became, _ = what_became(without_mark(content), "")
    if became == _CUT:
        return "the beginning of one: the end is missing"
    return became or "another text"
