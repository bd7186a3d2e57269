"""How a registry says what it wants to see: the header ``WWW-Authenticate`` (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)(?:\s+|$|,)")
_PARAMETER = re.compile(r"""\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?""")


def parse_challenges(header: str) -> dict[str, dict[str, str]]:
    """Reads the header.

    Args:
        header: one or more challenges.

    Returns:
        the parameters of each scheme, all names in small letters.

    >>> parse_challenges('Bearer realm="https://example.org/token",service="a, b"')
    {'bearer': {'realm': 'https://example.org/token', 'service': 'a, b'}}
    """
    found: dict[str, dict[str, str]] = {}
    place, current = 0, None
    while place < len(header):
        parameter = _PARAMETER.match(header, place)
        if parameter and current is not None:
            name, quoted, plain = parameter.groups()
            current[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            place = parameter.end()
            continue
        scheme = _SCHEME.match(header, place)
        if scheme is None:
            break
        current = found.setdefault(scheme[1].lower(), {})
        place = scheme.end()
    return found
