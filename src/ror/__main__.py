"""`python -m ror` is the `ror` command."""

import sys

from ror.cli import main

if __name__ == "__main__":
    sys.exit(main())
