"""`python -m wardround.site_client`: the same as `site-client`."""

import sys

from wardround.site_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
