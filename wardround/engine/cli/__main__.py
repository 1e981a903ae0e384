"""`python -m wardround.engine.cli`: the same as `wardround`."""

import sys

from wardround.engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
