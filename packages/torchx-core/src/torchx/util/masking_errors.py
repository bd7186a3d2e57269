"""Hides secrets in errors: those that a text gives away, and those that whoever raised it knew of."""

from __future__ import annotations

from torchx.util.masking_text import mask_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def attach_secrets(error: BaseException, secrets: Iterable[str]) -> None:
    """Marks values that must not be shown with an error, for who renders it; see `attached_secrets`."""
    try:
        error.__dict__["_torchx_secrets"] = {*attached_secrets(error), *secrets}
    except AttributeError:  # an exception without a dict: it is rendered by what its text looks like
        return


def attached_secrets(error: BaseException | None) -> set[str]:
    """The values that must not be shown with an error, and with those that it came from."""
    found: set[str] = set()
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found |= getattr(error, "_torchx_secrets", set())
        error = error.__cause__ or error.__context__
    return found


def masked_traceback(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The traceback of an error as text, with the secrets hidden.

    Args:
        error: what was raised.
        secrets: values known to be secret, besides those attached to the error.
    """
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    return mask_text(text, {*attached_secrets(error), *secrets})
