"""`python -m wardround.aggregator`: the same as `aggregator`."""

import sys

from wardround.aggregator.cli import main

if __name__ == "__main__":
    sys.exit(main())
