"""The colours of :mod:`torchx.util.colors`, under the name that command-line plugins import."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.util.colors import BLUE as BLUE
    from torchx.util.colors import ENDC as ENDC
    from torchx.util.colors import GRAY as GRAY
    from torchx.util.colors import GREEN as GREEN
    from torchx.util.colors import ORANGE as ORANGE


def __getattr__(name: str) -> str:
    from torchx.util import colors

    value: str = getattr(colors, name)
    return value
