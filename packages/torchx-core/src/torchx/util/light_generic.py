"""``Generic`` and ``TypeVar`` without an import of ``typing``, which costs half a start of the interpreter.

To a type checker they are those of ``typing_extensions``. At run time a generic class may be subscripted, with any
number of parameters, and subclassed; its parameters have no other meaning.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic as Generic

    from typing_extensions import TypeVar as TypeVar
else:

    class Generic:
        """Base of classes that type checkers see as generic."""

        __slots__ = ()
        __class_getitem__ = classmethod(type(list[int]))

    class TypeVar:
        """A parameter of such a class."""

        def __init__(self, name, **_options):
            self.__name__ = name

        def __repr__(self):
            return f"~{self.__name__}"
