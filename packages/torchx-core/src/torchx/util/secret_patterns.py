"""How secrets look in a text.

Apart from ``masking_spans``, since most texts hold none and compiling these takes a while.
"""

from __future__ import annotations

import re

from torchx.util.secret_names import is_secret_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_NAME = re.compile(r"[+~-]{0,2}[A-Za-z_][\w.\-/]*")
# The password of ``scheme://user:password@host``, and a token that stands where the user would.
URL_SECRET = re.compile(
    r"""\b[A-Za-z][A-Za-z0-9+.\-]{0,30}://
        (?: [^\s/@:'"]*:(?P<password>[^\s/'"]+) | (?P<token>[^\s/@:'"]{20,}) )
        (?=@)""",
    re.VERBOSE,
)
BEARER = re.compile(
    r"""(?: \bBearer\s+ | \bAuthorization["']?\s*[=:]\s*["']?\w+\s+ ) (?P<value>[^\s"']+)""",
    re.VERBOSE | re.IGNORECASE,
)
# name=, name:, "name":, ['name']=, --name, '--name', and setenv('name', ; the name decides whether what follows is
# hidden.
_NAME = re.compile(
    r"""(?<![\w.\-])(?P<name>-{0,2}[A-Za-z_][\w.\-]*)
        (?: [\\"']{0,64}\s*(?:\]\s*)?[+?:]?[=:]=?>?\s*
          | (?P<option>[ \t]+(?!-))
          | (?P<listed>\\?["'],\s*(?=\\?["'](?!-))) )""",
    re.VERBOSE,
)
# name: API_KEY, value: ...; as in the environment of a container.
_PAIR = re.compile(
    r"""(?<![\w.\-])name\\?["']?\s*[:=]\s*\\?["']?(?P<name>[\w.\-]+)\\?["']?\s*,?\s*
        \\?["']?value\\?["']?\s*[:=]\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_PREFIX = re.compile(r"""(?:[bBfFrRuU]{1,2}(?=["']))?""")
# A text of several lines in YAML.
_BLOCK = re.compile(r"""[|>][-+0-9]{0,2}[ \t]*\n[ \t]+(?P<block>[^\n]*(?:\n[ \t]+[^\n]*|\n(?=\n))*)""")
_OPENING = re.compile(r"""[\\"']{0,63}["']""")
_CLOSED = re.compile(r"""(?:'[^']*'|"[^"]*")+""")
_STRING = re.compile(r"""(["'])(?:\\.|(?!\1)[^\\])*\1""", re.DOTALL)
# Without quotes, a value ends at white space or at a quote: rather too much is hidden than too little.
_BARE = re.compile(r"""(?:`[^`]*`|\$\([^()\n]*\)|[^\s"'])+""")
# A list or mapping of strings.
_STRINGS = re.compile(r"""[\[({]\s*(?=\\{0,9}["'])(?P<strings>[^\])}]*)""")
# A string, and then the rest of a command.
CODE_VALUE = re.compile(_STRING.pattern + r"\s", re.DOTALL)
_AFTER_EMPTY = frozenset(",;:)]}")


def assignments(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text the values are that stand behind the name of a secret, quotes left out."""
    missing: set[str] = set()
    for pattern in (_NAME, _PAIR):
        done = 0
        for match in pattern.finditer(text):
            if match.start() < done or not _gives_value(text, match) or not is_secret_name(match["name"]):
                continue
            value = _value(text, match.end(), missing)
            if value is not None:
                done = value[1]
                yield value


def _gives_value(text: str, match: re.Match[str]) -> bool:
    if match.re is _PAIR or match["name"].startswith("-"):
        return True
    if match["listed"]:
        before = text[max(0, match.start() - 3) : match.start()].rstrip("\\\"'")
        return before.endswith("(")
    return not match["option"]


def _value(text: str, at: int, missing: set[str]) -> tuple[int, int] | None:
    for pattern, group in ((_STRINGS, "strings"), (_BLOCK, "block")):
        if several := pattern.match(text, at):
            return several.span(group)
    if prefix := _PREFIX.match(text, at):
        at = prefix.end()
    opening = _OPENING.match(text, at)
    if opening is None:
        bare = _BARE.match(text, at)
        return bare.span() if bare else None
    if _CLOSED.fullmatch(opening.group().replace("\\", "")):  # an empty string
        bare = None if text[opening.end() : opening.end() + 1] in _AFTER_EMPTY else _BARE.match(text, opening.end())
        return bare.span() if bare else None
    return _quoted(text, opening, missing)


def _quoted(text: str, opening: re.Match[str], missing: set[str]) -> tuple[int, int] | None:
    """Where a value ends that begins with quotes: one, or several where it was quoted several times, as in
    ``'TOKEN='"'"'abc'"'"''``."""
    string = _STRING.match(text, opening.start())
    if len(opening.group()) == 1:
        end = string.end() - 1 if string else -1
    else:
        backwards = "".join(reversed(re.findall(r"\\*[\"']", opening.group())))
        ends = [_find(text, closing, opening.end(), missing) for closing in (opening.group(), backwards)]
        end = min((found for found in ends if found >= 0), default=-1)
        if string and string.end() - 1 > max(end, opening.end()):
            return opening.start() + 1, string.end() - 1
    if end >= 0:
        return opening.end(), end
    # Never closed: cut off, or what looks like an opening quote closes one that was opened before the name.
    if not text[opening.end() : opening.end() + 1].strip():
        return None
    line = text.find("\n", opening.end())
    return opening.end(), line if line >= 0 else len(text)


def _find(text: str, closing: str, at: int, missing: set[str]) -> int:
    """Where some quotes are next that no backslash stands before, or -1; what is missing is not sought twice."""
    found = -1 if closing in missing else text.find(closing, at)
    while found > at and text[found - 1] == "\\":
        found = text.find(closing, found + 1)
    if found < 0:
        missing.add(closing)
    return found
