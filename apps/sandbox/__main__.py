"""Start a stand-in provider: `python -m apps.sandbox resend --help`, or `lime`."""

import sys

from apps.sandbox.lime import command as lime
from apps.sandbox.resend import command as resend

PROVIDERS = {"lime": lime.main, "resend": resend.main}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in PROVIDERS:
        names = " | ".join(PROVIDERS)
        print(f"usage: python -m apps.sandbox {{{names}}} [options]", file=sys.stderr)
        return 2
    return PROVIDERS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
