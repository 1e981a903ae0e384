"""What another user of this machine can do with a file: tried as that user, in a process of its own."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable

GROUP = 61_003
"""The group that courier and worker share."""
COURIER, WORKER = 61_001, 61_002
_DONE, _REFUSED, _FAILED = 0, 13, 1


def may(user: int, act: Callable[[], object]) -> bool:
    """Whether a user of the site's group can do something. Only root can ask; other errors fail the caller."""
    codecs.lookup("ascii")  # the codec's own file may be closed to the user
    child = os.fork()
    if child == 0:
        os._exit(_try(user, act))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (_DONE, _REFUSED), f"the process of user {user} ended with {ended}"
    return ended == _DONE


def _try(user: int, act: Callable[[], object]) -> int:
    os.setgroups([])
    os.setgid(GROUP)
    os.setuid(user)
    os.umask(0o077)
    try:
        act()
    except PermissionError:
        return _REFUSED
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
        return _FAILED
    return _DONE
