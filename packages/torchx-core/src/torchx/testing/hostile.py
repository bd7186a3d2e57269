"""Texts that break whoever pastes them into a shell, a script, a manifest or a path."""

from __future__ import annotations

HOSTILE_TEXTS = (
    "",
    " ",
    "a b",
    " lead and trail ",
    "a\tb",
    "a\nb",
    "ends with a line\n",
    "a\r\nb",
    "'",
    '"',
    "'\"'\"'",
    "a\\b\\",
    "\\n",
    "$HOME",
    "${HOME}",
    "$$",
    "$(id)",
    "`id`",
    "${unknown}",
    "{{value}}",
    "%s %d %%",
    "$(VALUE_0)",
    "*",
    "~",
    "a;b&c|d>e<f",
    "#x",
    "!x",
    "-x",
    "--",
    "--x=y",
    "a=b,c=d:e",
    "[1, 2]",
    '{"a": null}',
    "null",
    "true",
    "007",
    "1e3",
    "ünï\u2028\U0001f600",
    "\x01\x7f",
    "../../etc",
    "x" * 4096,
)
"""Texts that must arrive at a replica byte for byte, as arguments and as values of the environment."""

NOT_UNICODE = ("\udcff", "a\udc80b")
"""What Python makes of arguments that are no UTF-8; only a backend that passes bytes on can carry them."""

HOSTILE_NAMES = ("a/../../b", "-rf", "two words", "line\ntouch pwned", "ünï", "$(id)", "x" * 200)
"""Names of apps and roles, and of anything else that may become part of a path or a script."""

UNKNOWN_IDS = ("nothing", "../nothing", "a/b", "-x", "a b; id", "ünï", "x" * 300)
"""Ids of jobs that never were."""
