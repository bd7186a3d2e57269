"""Typed options of a scheduler: a dataclass that is also the mapping of its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from torchx.specs.api import CfgVal, InvalidRunConfigException, runopts

if TYPE_CHECKING:
    import ast


MISSING = dataclasses.MISSING

_O = TypeVar("_O", bound="StructuredOpts")


@dataclasses.dataclass
class StructuredOpts(Mapping[str, CfgVal]):
    """Base class of a scheduler's typed options.

    Subclass it as a dataclass. Each field is an option; the string below a field is its help text; a field without a
    default is a required option. An instance is also the mapping of its options, so it can be passed as ``cfg``.

    >>> @dataclasses.dataclass
    ... class MyOpts(StructuredOpts):
    ...     cluster: str = "default"
    ...     '''Name of the cluster to submit to.'''
    >>> MyOpts.from_cfg({"cluster": "west"}).cluster
    'west'
    >>> MyOpts(cluster="east")["cluster"]
    'east'
    """

    _extra_cfg: dict[str, CfgVal] = dataclasses.field(default_factory=dict, kw_only=True, repr=False)

    @classmethod
    def from_cfg(cls: type[_O], cfg: Mapping[str, CfgVal]) -> _O:
        """Builds the options from a config mapping.

        Args:
            cfg: option name (snake_case, camelCase or with dashes) to value. Keys that are no field are kept and can be read
                through the mapping interface only.

        Raises:
            InvalidRunConfigException: an option without a default is missing.
        """
        fields = {f.name: f for f in _option_fields(cls)}
        values: dict[str, Any] = {}
        extra: dict[str, CfgVal] = {}
        for key, value in cfg.items():
            name = key if key in fields else _field_name(key)
            if name in fields:
                values[name] = value
            else:
                extra[key] = value
        for name, field in fields.items():
            if name not in values and _is_required(field):
                raise InvalidRunConfigException(f"required option `{name}` is missing", name, dict(cfg))
            if name in values and values[name] is None and not _is_required(field):
                values[name] = _default(field)
        options = cls(**values)
        options._extra_cfg.update(extra)
        return options

    def __getitem__(self, key: str) -> CfgVal:
        name = _field_name(key)
        if any(f.name == name for f in _option_fields(type(self))):
            value: CfgVal = getattr(self, name)
            return value
        return self._extra_cfg[key]

    def __len__(self) -> int:
        return len(_option_fields(type(self))) + len(self._extra_cfg)

    def __iter__(self) -> Iterator[str]:
        yield from (f.name for f in _option_fields(type(self)))
        yield from self._extra_cfg

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        return key in self._extra_cfg or any(f.name == _field_name(key) for f in _option_fields(type(self)))

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
            if dataclasses.is_dataclass(base) and base is not StructuredOpts:
                docs.update(_field_docstrings(base))
        return docs

    @classmethod
    def as_runopts(cls) -> runopts:
        """The options as ``runopts``: name, type, default and help of every field."""
        from typing import get_type_hints

        hints = get_type_hints(cls)
        docs = cls.get_docstrings()
        opts = runopts()
        for field in _option_fields(cls):
            required = _is_required(field)
            opts.add(
                field.name,
                type_=_option_type(cls, field.name, hints[field.name]),
                help=docs.get(field.name, field.name.replace("_", " ")),
                default=None if required else _default(field),
                required=required,
            )
        return opts


def _option_fields(cls: type[StructuredOpts]) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if not f.name.startswith("_")]


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _field_name(key: str) -> str:
    from torchx.specs.api import cases

    return cases.camel_to_snake(key.replace("-", "_"))


def _option_type(cls: type, name: str, hint: Any) -> Any:
    """The runopt type of a field: Optional is stripped, only the types of ``CfgVal`` are allowed."""
    import types

    if get_origin(hint) in (Union, types.UnionType):
        kinds = [a for a in get_args(hint) if a is not type(None)]
        hint = kinds[0] if len(kinds) == 1 else hint
    if hint in (str, int, float, bool) or hint == list[str] or hint == dict[str, str]:
        return hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is list and args == (str,):  # typing.List[str]
        return list[str]
    if origin is dict and args == (str, str):
        return dict[str, str]
    raise TypeError(
        f"{cls.__name__}.{name}: an option can't have type {hint}; use str, int, float, bool, list[str] or dict[str, str]"
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
    import sys

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
