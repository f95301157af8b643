"""``python -m ocp_dc`` is ``ocp-dc``."""

import sys

from ocp_dc.cli import main

if __name__ == "__main__":
    sys.exit(main())
