"""The station on one machine: `python -m apps.station.local --help`."""

from __future__ import annotations

import sys

from apps.station.local.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
