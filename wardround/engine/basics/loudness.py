"""How much a program says beside its results: nothing (`--quiet`), what is worth knowing, or every step (`--verbose`).

The level is that of Python's own logger `wardround`, so that no other state is kept.
"""

from __future__ import annotations

import logging
import sys

from wardround.engine.basics.printable import PrintableFormatter, complain

_LOGGER = "wardround"
_FORM = "%(asctime)s %(name)s: %(message)s"


class _Steps(logging.StreamHandler):  # type: ignore[type-arg]
    """Log lines on standard error, as it is when they are written."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        complain(self.format(record))


def as_usual() -> None:
    """Say what is worth knowing."""
    logger = logging.getLogger(_LOGGER)
    logger.setLevel(logging.NOTSET)
    for handler in [each for each in logger.handlers if isinstance(each, _Steps)]:
        logger.removeHandler(handler)


def be_quiet() -> None:
    """Say results and errors only."""
    logging.getLogger(_LOGGER).setLevel(logging.ERROR)


def be_verbose() -> None:
    """Say every step as well."""
    as_usual()
    handler = _Steps(sys.stderr)
    handler.setFormatter(PrintableFormatter(_FORM, "%H:%M:%S"))
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)


def is_quiet() -> bool:
    """Whether only results and errors are wanted."""
    return logging.getLogger(_LOGGER).getEffectiveLevel() >= logging.ERROR


def is_verbose() -> bool:
    """Whether every step is wanted."""
    return logging.getLogger(_LOGGER).isEnabledFor(logging.DEBUG)


def passed_on() -> tuple[str, ...]:
    """The option that makes a child process as loud as this one."""
    if is_quiet():
        return ("--quiet",)
    return ("--verbose",) if is_verbose() else ()


def note(*lines: str) -> None:
    """Say on standard error what is worth knowing, unless only results and errors are wanted."""
    if not is_quiet():
        complain(*lines)
