"""`python -m wardround`: the same as `wardround`, for programs that start a module, as `torchrun -m` does."""

import sys

from wardround.engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
