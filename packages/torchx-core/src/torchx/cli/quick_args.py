"""Reads the ordinary command lines of a command without :mod:`argparse`, whose import takes as long as a bare Python.

Only exact options and their values are understood. Everything else (help, abbreviations, ``--option=value``, mistakes)
is left to the command's argument parser, which is what defines the command line; the tests hold the two together.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def read_quickly(
    words: Sequence[str],
    *,
    switches: Mapping[str, str],
    values: Mapping[str, str],
    defaults: Mapping[str, Any],
    remainder: str,
) -> SimpleNamespace | None:
    """Reads a command line of options followed by words that are not looked at.

    Args:
        words: the command line, without the command's name.
        switches: options without a value, and the attribute that each sets to True.
        values: options with one value, and their attribute.
        defaults: the value of every attribute that is not given.
        remainder: the attribute for the first word that is no option and all that follow it.

    Returns:
        What the command's argument parser would return, as far as its attributes go; None where that has to decide.
    """
    options = SimpleNamespace(**defaults)
    given: set[str] = set()
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        if word in switches:
            setattr(options, switches[word], True)
            at += 1
            continue
        dest = values.get(word)
        if dest is None or dest in given or at + 1 == len(words) or words[at + 1].startswith("-"):
            return None
        setattr(options, dest, words[at + 1])
        given.add(dest)
        at += 2
    if given:
        options._given = given
    setattr(options, remainder, [*words[at:]])
    return options
