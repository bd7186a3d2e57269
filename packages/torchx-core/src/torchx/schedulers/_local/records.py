"""Writes JSON without importing ``json``, which takes as long as starting the replicas of a small job."""

from __future__ import annotations


def to_json(value: object) -> str:
    """Plain data as JSON (ASCII, no white space).

    Args:
        value: None, bool, int, finite float, str, or lists and dicts (with str keys) of these.

    >>> to_json({"state": "RUNNING", "pids": [1, None], "msg": 'a "b"'})
    '{"state":"RUNNING","pids":[1,null],"msg":"a \\\\"b\\\\""}'
    """
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(map(to_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_quoted(key)}:{to_json(item)}' for key, item in value.items())}}}"
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _quoted(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{"".join(map(_escaped, text))}"'
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return character
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    # JSON writes what is beyond the 16-bit plane as two surrogates: RFC 8259, section 7.
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
