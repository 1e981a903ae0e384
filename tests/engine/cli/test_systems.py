"""On a system that is not supported every program says so in one sentence, before it needs what only Unix has."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import click, typer, typer.core, rich.console  # on a true Windows these are others
for name in ("fcntl", "pwd", "grp", "resource", "termios"):
    sys.modules[name] = None
sys.platform, sys.argv = {platform!r}, {argv!r}
from wardround.{module} import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("engine.cli.main", ["wardround", "demo"]),
        ("engine.cli.main", ["wardround", "--version"]),
        ("engine.cli.main", ["wardround", "check", "study.yaml", "--json"]),
        ("site_client.cli", ["site-client", "--config", "site.yaml"]),
        ("aggregator.cli", ["aggregator", "init"]),
    ],
)
@pytest.mark.parametrize("platform", ["win32"])
def test_windows_ends_in_one_clear_sentence(module: str, argv: list[str], platform: str) -> None:
    program = PROGRAM.format(module=module, argv=argv, platform=platform)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    said = ended.stdout if "--json" in argv else ended.stderr
    assert ended.returncode == 2
    assert "Wardround does not run on Windows" in said
    assert "WSL 2" in said
    assert "Traceback" not in ended.stderr
    if "--json" not in argv:
        assert said.count("\n") == 1
