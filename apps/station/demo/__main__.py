"""`python -m apps.station.demo`: exit code 0 only where ledger and log agree."""

import sys

from apps.station.demo.playing import main

if __name__ == "__main__":
    sys.exit(main())
