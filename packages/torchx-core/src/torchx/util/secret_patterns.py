"""How secrets look in a text; apart from ``masking``, since most texts hold none and compiling these takes a while."""

from __future__ import annotations

import re

ONE_NAME = re.compile(r"[+~-]{0,2}[A-Za-z_][\w.\-/]*")
# The password of ``scheme://user:password@host``, and a token that stands where the user would.
URL_SECRET = re.compile(
    r"""(?P<before>\b[A-Za-z][A-Za-z0-9+.\-]{0,30}://)
        (?: (?P<user>[^\s/@:'"]*:)(?P<password>[^\s/'"]+) | (?P<token>[^\s/@:'"]{20,}) )
        (?=@)""",
    re.VERBOSE,
)
BEARER = re.compile(
    r"""(?P<before> \bBearer\s+ | \bAuthorization["']?\s*[=:]\s*["']?\w+\s+ ) (?P<value>[^\s"']+)""",
    re.VERBOSE | re.IGNORECASE,
)
# name=, name:, "name":, --name; the name decides whether what follows is hidden.
NAME = re.compile(
    r"""(?<![\w.\-])(?P<name>-{0,2}[A-Za-z_][\w.\-]*)
        (?: \\?["']?\s*[=:]\s* | (?P<option>[ \t]+(?!-)) )""",
    re.VERBOSE,
)
# Without quotes, a value ends at white space or at a quote: rather too much is hidden than too little.
VALUE = re.compile(
    r"""(?P<open>\\["'])[^"'\\]*\\["'] | (?P<quote>["'])(?:\\.|(?!(?P=quote))[^\\])*(?P=quote) | [^\s"']+""",
    re.VERBOSE | re.DOTALL,
)
