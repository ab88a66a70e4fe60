"""Random-looking numbers that depend on nothing but a seed and a name.

The n-th fault and the fate of a recipient are the same in every run with the same seed, in
whatever order requests arrive.
"""

from __future__ import annotations

from hashlib import blake2b

_RANGE = 2**64


def fraction(seed: int, *names: object) -> float:
    """A number in [0, 1) for this seed and these names."""
    digest = blake2b(repr((seed, *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _RANGE
