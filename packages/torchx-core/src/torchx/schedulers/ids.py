"""Names for jobs: unique, readable, and valid as a DNS label on every backend.

The alphabets leave out vowels, so that no id spells a word, and signs that are easily confused.
"""

from __future__ import annotations

START_CANDIDATES: str = "bcdfghjklmnpqrstvwxz"
END_CANDIDATES: str = START_CANDIDATES + "012345679"

_DEFAULT_LENGTH = 14  # letters of the random part: 20 * 29**13 is over 2**67


def make_unique(name: str, string_length: int = 0) -> str:
    """Appends a random id to a name.

    Args:
        name: what the id is put behind.
        string_length: the number of characters of the random part; 0 stands for one long enough never to collide.

    Returns:
        ``"<name>-<random id>"``
    """
    return f"{name}-{random_id(string_length or _DEFAULT_LENGTH)}"


def random_uint64() -> int:
    """A random integer in ``[0, 2**64)`` from the system's source, independent of any seed that a program sets."""
    import os

    return int.from_bytes(os.urandom(8), "little")


def random_id(max_length: int | None = None) -> str:
    """A random id that starts with a letter.

    Args:
        max_length: the longest allowed result, in characters; None for as many as 64 random bits take.

    Raises:
        ValueError: ``max_length`` is not positive.
    """
    if max_length is not None and max_length <= 0:
        raise ValueError(f"max_length must be positive, not {max_length}")
    rest = random_uint64()
    rest, first = divmod(rest, len(START_CANDIDATES))
    letters = [START_CANDIDATES[first]]
    while rest > 0 and (max_length is None or len(letters) < max_length):
        rest, digit = divmod(rest, len(END_CANDIDATES))
        letters.append(END_CANDIDATES[digit])
    return "".join(letters)
