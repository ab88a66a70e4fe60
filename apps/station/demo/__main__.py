"""`python -m apps.station.demo`: exit code 0 only where ledger and log agree."""

import io
import sys

from apps.station.demo.playing import main

if __name__ == "__main__":
    # A terminal that knows few characters gets question marks instead of an end.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.exit(main())
