"""Single values from the text that users type: the same words, and the same error, wherever one is read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BOOLS = {
    **dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off", "f"), False),
}
_SHOWN = 200  # characters


def read_bool(text: str) -> bool:
    """The truth value that ``text`` spells: ``true 1 yes y on t``, or ``false 0 no n off f``, in any case.

    Raises:
        ValueError: it spells none.
    """
    try:
        return _BOOLS[text.strip().lower()]
    except KeyError:
        raise unlike("true or false", text) from None


def read_scalar(text: str, kind: Any) -> Any:
    """The value of a type that ``text`` stands for; numbers are written as Python reads them.

    Args:
        text: what the user typed.
        kind: ``int``, ``float`` or ``bool``; of any other type, the text itself is the value.

    Raises:
        ValueError: it is no value of the type.
    """
    if kind is bool:
        return read_bool(text)
    if kind not in (int, float):
        return text
    try:
        return kind(text)
    except ValueError:
        raise unlike(kind.__name__, text) from None


def unlike(expected: str, value: object) -> ValueError:
    """The error for a value that is not what it should be.

    Args:
        expected: what it should be, for the user.
        value: what it is; a long text is cut short.
    """
    if isinstance(value, str) and len(value) > _SHOWN:
        value = f"{value[:_SHOWN]}..."
    return ValueError(f"expected {expected}, got {value!r}")
