"""Dataclasses that do not import ``dataclasses`` before somebody asks for what only it can tell.

``import dataclasses`` brings ``inspect`` and with it a parser and a disassembler: two starts of the interpreter, for
what is loaded each time ``torchx`` starts. A class decorated here has the same constructor, ``repr``, comparison and
hash as with the standard decorator, and is a dataclass to all of :py:mod:`dataclasses` (``fields``, ``replace``,
``asdict``, ``is_dataclass``, inheritance by a standard dataclass in either order of import): its description is made
when it is first looked at. To a type checker it *is* the standard decorator.

Annotations must be strings (``from __future__ import annotations``), and defaults must not be mutable.
"""

from __future__ import annotations

from reprlib import recursive_repr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from typing import Any


class _Missing:
    def __repr__(self) -> str:
        return "<factory>"


_MISSING = _Missing()


class LightField:
    """What is known about one field.

    Attributes:
        name: its name.
        type: its annotation, as text.
        default: its default; the attribute ``has_default`` says whether there is one.
        default_factory: makes the default, None where it needs no making.
        compare: whether it takes part in comparisons and the hash.
        kw_only: whether the constructor takes it by keyword alone.
    """

    __slots__ = ("compare", "default", "default_factory", "kw_only", "name", "type")

    def __init__(self, default: object, default_factory: Callable[[], object] | None, compare: bool) -> None:
        self.name = ""
        self.type = ""
        self.default = default
        self.default_factory = default_factory
        self.compare = compare
        self.kw_only = False

    @property
    def has_default(self) -> bool:
        """Whether there is a default, given or made."""
        return self.default is not _MISSING or self.default_factory is not None


def light_fields(cls: type) -> tuple[LightField, ...]:
    """The fields of a class that was decorated here, those of its bases first; no import of ``dataclasses``.

    Raises:
        AttributeError: it was not.
    """
    found: tuple[LightField, ...] = cls.__light_fields__  # type: ignore[attr-defined]  # set by the decorator
    return found


class _Description:
    """Stands for ``__dataclass_fields__`` and ``__dataclass_params__`` until one of them is read."""

    def __init__(self, cls: type, attribute: str, options: dict[str, bool]) -> None:
        self._cls = cls
        self._attribute = attribute
        self._options = options

    def __get__(self, instance: object, owner: type) -> object:
        import dataclasses

        specs: list[Any] = [(f.name, f.type, _standard_field(f)) for f in light_fields(self._cls)]
        options: Any = self._options
        twin = dataclasses.make_dataclass(self._cls.__name__, specs, **options)
        for attribute in ("__dataclass_fields__", "__dataclass_params__"):
            setattr(self._cls, attribute, getattr(twin, attribute))
        return getattr(self._cls, self._attribute)


def _standard_field(f: LightField) -> Any:
    import dataclasses

    options: dict[str, Any] = {"compare": f.compare, "kw_only": f.kw_only}
    if f.default_factory is not None:
        return dataclasses.field(default_factory=f.default_factory, **options)
    if f.has_default:
        return dataclasses.field(default=f.default, **options)
    return dataclasses.field(**options)


if not TYPE_CHECKING:

    def field(*, default=_MISSING, default_factory=None, compare=True):
        """Like :py:func:`dataclasses.field`."""
        return LightField(default, default_factory, compare)

    def dataclass(cls=None, /, *, frozen=False, kw_only=False):
        """Like :py:func:`dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: _decorate(cls, frozen, kw_only)
        return _decorate(cls, frozen, kw_only)


def _decorate(cls: Any, frozen: bool, kw_only: bool) -> Any:
    fields = _collect(cls, kw_only)
    cls.__light_fields__ = fields
    own = cls.__dict__
    cls.__init__ = _Constructor(cls, fields, frozen)
    compared = tuple(f.name for f in fields if f.compare)
    if "__repr__" not in own:
        cls.__repr__ = _make_repr(tuple(f.name for f in fields))
    if "__eq__" not in own:
        cls.__eq__ = _make_eq(compared)
    if frozen:
        cls.__setattr__, cls.__delattr__ = _frozen_setattr, _frozen_delattr
    # A mutable class has no hash unless its body defines one, as in the standard.
    if own.get("__hash__") is None:
        cls.__hash__ = _make_hash(compared) if frozen else None
    setattr(cls, "__match_args__", tuple(f.name for f in fields if not f.kw_only))  # noqa: B010  (mypy forbids the other)
    options = {"frozen": frozen, "kw_only": kw_only}
    for attribute in ("__dataclass_fields__", "__dataclass_params__"):
        setattr(cls, attribute, _Description(cls, attribute, options))
    cls.__replace__ = _replace
    return cls


def _collect(cls: Any, kw_only: bool) -> tuple[LightField, ...]:
    found: dict[str, LightField] = {}
    for base in cls.__mro__[:0:-1]:
        found.update({f.name: f for f in base.__dict__.get("__light_fields__", ())})
    for name, annotation in cls.__annotations__.items():
        if annotation.startswith(("ClassVar", "typing.ClassVar")):
            continue
        value = cls.__dict__.get(name, _MISSING)
        f = value if isinstance(value, LightField) else LightField(value, None, True)
        f.name, f.type, f.kw_only = name, annotation, kw_only
        if isinstance(value, LightField):
            # The class attribute is the default itself, if any.
            if f.default is _MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, f.default)
        found[name] = f
    return tuple(found.values())


class _Constructor:
    """Stands for ``__init__`` until it is first used: compiling one is most of what decorating a class costs."""

    def __init__(self, cls: Any, fields: tuple[LightField, ...], frozen: bool) -> None:
        self._make: Callable[[], Any] = lambda: _make_init(cls, fields, frozen)
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> Any:
        made = self._make()
        if self._cls.__dict__.get("__init__") is self:
            self._cls.__init__ = made
        return made.__get__(instance, owner)


def _make_init(cls: Any, fields: tuple[LightField, ...], frozen: bool) -> Any:
    """The constructor, as source: so it has the signature, the speed and the errors of a written one."""
    scope: dict[str, Any] = {"_made": _MISSING, "_set": object.__setattr__}
    parameters, body = ["self"], []
    for f in sorted(fields, key=lambda f: f.kw_only):
        if f.kw_only and "*" not in parameters:
            parameters.append("*")
        value = f.name
        if f.default_factory is not None:
            scope[f"_make_{f.name}"] = f.default_factory
            parameters.append(f"{f.name}=_made")
            value = f"_make_{f.name}() if {f.name} is _made else {f.name}"
        elif f.has_default:
            scope[f"_default_{f.name}"] = f.default
            parameters.append(f"{f.name}=_default_{f.name}")
        else:
            parameters.append(f.name)
        body.append(f"_set(self,{f.name!r},{value})" if frozen else f"self.{f.name}={value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    source = f"def __init__({','.join(parameters)}):\n " + "\n ".join(body or ["pass"])
    # As a code object: a Ctrl-C during exec() of a text makes CPython end by SIGINT later, even where it is handled.
    exec(compile(source, "<light dataclass>", "exec"), scope)  # the names come from a class body: identifiers
    init = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {**{f.name: f.type for f in fields}, "return": None}
    return init


def _make_repr(names: tuple[str, ...]) -> Any:
    @recursive_repr("...")
    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__


def _make_eq(names: tuple[str, ...]) -> Any:
    def __eq__(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in names)

    return __eq__


def _make_hash(names: tuple[str, ...]) -> Any:
    def __hash__(self: Any) -> int:
        return hash(tuple(getattr(self, name) for name in names))

    return __hash__


def _frozen_setattr(self: Any, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _frozen_delattr(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _replace(self: Any, /, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(self, **changes)
