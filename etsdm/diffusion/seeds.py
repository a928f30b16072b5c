"""Seeds that belong to what they are for, so that no two uses of one seed share their numbers."""

import hashlib


def derived_seed(*parts: object) -> int:
    """A 63-bit seed that is a pure function of `parts`."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
