"""The ``repr`` of what may hold secrets: as a dataclass has it, with the secrets hidden; nothing is changed."""

from __future__ import annotations

from torchx.util.light_dataclass import light_fields
from torchx.util.masking import data_secrets, mask_data, mask_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def masked_repr(obj: object, *, data: Iterable[str] = (), secrets: Iterable[str] = ()) -> str:
    """The ``repr`` of a light dataclass with the secrets hidden.

    Args:
        obj: an instance of a class that `torchx.util.light_dataclass` has decorated.
        data: its attributes that are texts, lists or mappings of a user, in which names tell what is secret.
        secrets: more values to hide, wherever they stand.
    """
    plain = {name: getattr(obj, name) for name in data}
    known = {*secrets, *data_secrets(*plain.values())}
    shown = {name: mask_data(_as_plain(value), known) for name, value in plain.items()}
    parts = [f"{f.name}={shown.get(f.name, getattr(obj, f.name))!r}" for f in light_fields(type(obj))]
    return mask_text(f"{type(obj).__qualname__}({', '.join(parts)})", known)


def _as_plain(value: object) -> object:
    return dict(value) if hasattr(value, "keys") and not isinstance(value, dict) else value  # type: ignore[call-overload]
