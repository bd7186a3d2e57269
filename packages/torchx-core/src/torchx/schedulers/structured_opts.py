"""Typed options of a scheduler: a dataclass that is also the mapping of its fields."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from torchx.specs.api import CfgVal, InvalidRunConfigException, cases, runopts
from torchx.util.light_dataclass import dataclass, field, light_fields
from torchx.util.light_generic import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator
    from typing import Any

    from torchx.specs.api import runopt


_O = TypeVar("_O", bound="StructuredOpts")

_PLAIN_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list[str]": list[str],
    "dict[str, str]": dict[str, str],
}


@dataclass(kw_only=True)
class StructuredOpts(Mapping[str, "CfgVal"]):
    """Base class of a scheduler's typed options.

    Subclass it as a dataclass. Each field is an option; the string below a field is its help text; a field without a
    default is a required option. An instance is also the mapping of its options, so it can be passed as ``cfg``.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class MyOpts(StructuredOpts):
    ...     cluster: str = "default"
    ...     '''Name of the cluster to submit to.'''
    >>> MyOpts.from_cfg({"cluster": "west"}).cluster
    'west'
    >>> MyOpts(cluster="east")["cluster"]
    'east'
    """

    _extra_cfg: dict[str, CfgVal] = field(default_factory=dict)

    @classmethod
    def from_cfg(cls: type[_O], cfg: Mapping[str, CfgVal]) -> _O:
        """Builds the options from a config mapping.

        Args:
            cfg: option name (snake_case, camelCase or with dashes) to value. Keys that are no field are kept and can be
                read through the mapping interface only.

        Raises:
            InvalidRunConfigException: an option without a default is missing.
        """
        defaults = _option_defaults(cls)
        values: dict[str, Any] = {}
        extra: dict[str, CfgVal] = {}
        for key, value in cfg.items():
            name = key if key in defaults else _field_name(key)
            if name not in defaults:
                extra[key] = value
            elif value is not None or defaults[name] is None:
                values[name] = value
        for name, make in defaults.items():
            if make is None and name not in values:
                raise InvalidRunConfigException("required option is missing", name, dict(cfg))
        options = cls(**values)
        options._extra_cfg.update(extra)
        return options

    def __getitem__(self, key: str) -> CfgVal:
        name = _field_name(key)
        if name in _option_defaults(type(self)):
            value: CfgVal = getattr(self, name)
            return value
        return self._extra_cfg[key]

    def __len__(self) -> int:
        return len(_option_defaults(type(self))) + len(self._extra_cfg)

    def __iter__(self) -> Iterator[str]:
        yield from _option_defaults(type(self))
        yield from self._extra_cfg

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        return key in self._extra_cfg or _field_name(key) in _option_defaults(type(self))

    def __or__(self, other: StructuredOpts) -> dict[str, CfgVal]:
        """The options of both; those of ``other`` win."""
        return {**self, **other}

    @classmethod
    def get_docstrings(cls) -> dict[str, str]:
        """The help text of each field: the string below it in the class body, white space folded.

        Returns:
            Field name to text, the fields of base classes included; a field without a text has no entry.
        """
        docs: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            if "__dataclass_fields__" in base.__dict__ and base is not StructuredOpts:
                docs.update(_field_docstrings(base))
        return docs

    @classmethod
    def as_runopts(cls) -> runopts:
        """The options as ``runopts``: name, type, default and help of every field."""
        opts = _StructuredRunopts(cls)
        types = _option_types(cls)
        for name, make in _option_defaults(cls).items():
            opts.add(
                name,
                type_=types[name],
                help=name.replace("_", " "),
                default=None if make is None else make(),
                required=make is None,
            )
        return opts


class _StructuredRunopts(runopts):
    """Options whose help texts are read from the source of their class when somebody looks at them."""

    def __init__(self, cls: type[StructuredOpts]) -> None:
        super().__init__()
        self._undescribed: type[StructuredOpts] | None = cls

    def __iter__(self) -> Iterator[tuple[str, runopt]]:
        self._describe()
        return super().__iter__()

    def get(self, name: str) -> runopt | None:
        self._describe()
        return super().get(name)

    def _describe(self) -> None:
        cls, self._undescribed = self._undescribed, None
        for name, text in cls.get_docstrings().items() if cls else ():
            if name in self._opts:
                self._opts[name].help = text


def _option_defaults(cls: type[StructuredOpts]) -> dict[str, Callable[[], Any] | None]:
    """The options of a class, each with what makes its default; None where it is required."""
    if "__light_fields__" in cls.__dict__:
        return {
            f.name: (f.default_factory or (lambda f=f: f.default)) if f.has_default else None
            for f in light_fields(cls)
            if not f.name.startswith("_")
        }
    import dataclasses

    found: dict[str, Callable[[], Any] | None] = {}
    for f in dataclasses.fields(cls):
        if f.name.startswith("_"):
            continue
        if f.default_factory is not dataclasses.MISSING:
            found[f.name] = f.default_factory
        else:
            found[f.name] = None if f.default is dataclasses.MISSING else (lambda f=f: f.default)  # type: ignore[misc]
    return found


def _field_name(key: str) -> str:
    return cases.camel_to_snake(key.replace("-", "_")) if not key.islower() or "-" in key else key


def _option_types(cls: type[StructuredOpts]) -> dict[str, Any]:
    """The runopt type of each field: Optional is stripped, only the types of ``CfgVal`` are allowed."""
    texts: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        texts.update(getattr(base, "__annotations__", {}))
    texts = {name: text for name, text in texts.items() if name in _option_defaults(cls)}
    types = {name: _plain_type(text) for name, text in texts.items()}
    if None not in types.values():
        return types
    from typing import get_type_hints

    hints = get_type_hints(cls)
    return {name: _hinted_type(cls, name, hints[name]) for name in texts}


def _plain_type(text: object) -> Any:
    """The type that an annotation names, as far as that can be told without ``typing``; else None."""
    if isinstance(text, str):
        return _PLAIN_TYPES.get(text.removesuffix(" | None"))
    return text if text in _PLAIN_TYPES.values() else None


def _hinted_type(cls: type, name: str, hint: Any) -> Any:
    import types
    from typing import Union, get_args, get_origin

    if get_origin(hint) in (Union, types.UnionType):
        kinds = [a for a in get_args(hint) if a is not type(None)]
        hint = kinds[0] if len(kinds) == 1 else hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is list and args == (str,):  # also typing.List[str]
        return list[str]
    if origin is dict and args == (str, str):
        return dict[str, str]
    if hint in (str, int, float, bool):
        return hint
    raise TypeError(
        f"{cls.__name__}.{name}: an option can't have type {hint}; "
        f"use {', '.join(_PLAIN_TYPES)}, or one of these with `| None`"
    )


def _field_docstrings(cls: type) -> dict[str, str]:
    import ast

    node = _class_node(cls)
    docs: dict[str, str] = {}
    for statement, below in zip(node.body, node.body[1:], strict=False) if node else ():
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            docs[statement.target.id] = " ".join(below.value.value.split())
    return docs


def _class_node(cls: type) -> ast.ClassDef | None:
    """The class's syntax tree, None where its source is not to be had (a frozen program, an interactive session)."""
    import ast
    import inspect
    import linecache

    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    lines = linecache.getlines(path) if path and path.endswith(".py") else []
    if lines:
        found = [
            n for n in ast.walk(ast.parse("".join(lines))) if isinstance(n, ast.ClassDef) and n.name == cls.__name__
        ]
        if len(found) == 1:
            return found[0]
    import textwrap

    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    return node if isinstance(node, ast.ClassDef) else None
