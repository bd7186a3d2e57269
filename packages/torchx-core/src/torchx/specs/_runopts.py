"""Options that a scheduler takes: their names, types and defaults, and how values are read from text and checked."""

from __future__ import annotations

from torchx.errors import UsageError, nearest
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from torchx.specs._types import CfgVal

    # The documented name is Type[CfgVal], but mypy takes no `list[str]` for a type.
    _CfgType = Any


# Told by origin and arguments: so typing.List[str] and typing.Dict[str, str] are understood without importing typing.


def _is_list(tp: _CfgType) -> bool:
    return getattr(tp, "__origin__", None) is list and tp.__args__ == (str,)


def _is_dict(tp: _CfgType) -> bool:
    return getattr(tp, "__origin__", None) is dict and tp.__args__ == (str, str)


def get_type_name(tp: _CfgType) -> str:
    """The name of an option's type as users read it.

    >>> get_type_name(int), get_type_name(list[str])
    ('int', 'list[str]')
    """
    if _is_list(tp):
        return "list[str]"
    if _is_dict(tp):
        return "dict[str, str]"
    return getattr(tp, "__name__", str(tp))


class cases:
    """Turns names between ``snake_case`` and ``camelCase``."""

    @staticmethod
    def snake_to_camel(name: str) -> str:
        """
        >>> cases.snake_to_camel("job_queue")
        'jobQueue'
        """
        lead = name[: len(name) - len(name.lstrip("_"))]
        first, *rest = name[len(lead) :].split("_")
        return lead + first + "".join(word[:1].upper() + word[1:] for word in rest)

    @staticmethod
    def camel_to_snake(name: str) -> str:
        """
        >>> cases.camel_to_snake("jobQueue"), cases.camel_to_snake("jobRoleARN")
        ('job_queue', 'job_role_arn')
        """
        if name == name.lower():
            return name
        import re

        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class InvalidRunConfigException(UsageError, ValueError):
    """A scheduler option is unknown, missing, or has a value of the wrong type.

    Args:
        invalid_reason: what is wrong.
        cfg_key: the option.
        cfg: all options given. They may hold secrets and are not part of the message.
    """

    def __init__(self, invalid_reason: str, cfg_key: str, cfg: Mapping[str, CfgVal]) -> None:
        colon = "" if invalid_reason.startswith("is ") else ":"
        super().__init__(f"scheduler option `{cfg_key}`{colon} {invalid_reason}")
        self.invalid_reason = invalid_reason
        self.cfg_key = cfg_key
        self.cfg = cfg


@dataclass
class runopt:
    """One option.

    Args:
        default: its value where none is given.
        opt_type: ``str``, ``int``, ``float``, ``bool``, ``list[str]`` or ``dict[str, str]``.
        is_required: whether a value must be given.
        help: what it is for.
    """

    default: CfgVal
    opt_type: _CfgType
    is_required: bool
    help: str

    @property
    def is_type_list_of_str(self) -> bool:
        """Whether the type is ``list[str]``."""
        return _is_list(self.opt_type)

    @property
    def is_type_dict_of_str(self) -> bool:
        """Whether the type is ``dict[str, str]``."""
        return _is_dict(self.opt_type)

    def cast_to_type(self, value: str) -> CfgVal:
        """Reads a value of the option's type from text, by the grammar of :py:meth:`runopts.cfg_from_str`.

        Raises:
            ValueError: the text is no value of the type.
        """
        from torchx.specs._runopts_text import read_dict, read_list, read_str

        if self.is_type_list_of_str:
            return read_list(value)
        if self.is_type_dict_of_str:
            return read_dict(value)
        from torchx.util.values import read_scalar

        scalar: str | int | float | bool = read_scalar(read_str(value), self.opt_type)
        return scalar


class runopts:
    """The options that a scheduler takes.

    A name may be given in any of its spellings: ``job_queue``, ``job-queue`` and ``jobQueue`` are one option.

    >>> opts = runopts()
    >>> opts.add("queue", type_=str, help="queue to submit to", required=True)
    >>> opts.add("tags", type_=list[str], help="tags of the job")
    >>> opts.resolve(opts.cfg_from_str("queue=gpu,tags=a;b"))
    {'queue': 'gpu', 'tags': ['a', 'b']}
    """

    def __init__(self) -> None:
        self._opts: dict[str, runopt] = {}
        self._spellings: dict[str, str] = {}

    def __iter__(self) -> Iterator[tuple[str, runopt]]:
        return iter(self._opts.items())

    def __len__(self) -> int:
        return len(self._opts)

    @staticmethod
    def is_type(obj: CfgVal, tp: _CfgType) -> bool:
        """Whether a value is of an option's type. An int is a float too; a bool is neither."""
        if _is_list(tp):
            return isinstance(obj, list) and all(isinstance(item, str) for item in obj)
        if _is_dict(tp):
            return isinstance(obj, dict) and all(isinstance(s, str) for item in obj.items() for s in item)
        if isinstance(obj, bool):
            return tp is bool
        return isinstance(obj, (int, float)) if tp is float else isinstance(obj, tp)

    def canonical_key(self, name: str) -> str | None:
        """The name under which an option was added, from any of its spellings; None where there is no such option."""
        return name if name in self._opts else self._spellings.get(_spelling(name))

    def get(self, name: str) -> runopt | None:
        """The option of that name; None where there is none."""
        key = self.canonical_key(name)
        return None if key is None else self._opts[key]

    def resolve(self, cfg: Mapping[str, CfgVal], *, ignore_unknown: bool = False) -> dict[str, CfgVal]:
        """Checks options and adds the defaults of those that are not given. None counts as not given.

        Args:
            cfg: the options given; it stays as it is.
            ignore_unknown: leave out unknown options instead of refusing them.

        Returns:
            The value of every option, under the name it was added with.

        Raises:
            InvalidRunConfigException: an option is unknown, missing, given twice or of the wrong type.
        """
        resolved: dict[str, CfgVal] = {key: _copied(opt.default) for key, opt in self._opts.items()}
        for key, value in self._known(cfg, ignore_unknown).items():
            if value is not None:
                resolved[key] = self._checked(key, value, cfg)
        for key, opt in self._opts.items():
            if opt.is_required and resolved[key] is None:
                error = InvalidRunConfigException(f"is required ({get_type_name(opt.opt_type)}: {opt.help})", key, cfg)
                error.hint = f"give it with `-cfg {key}=...`, in code, or in .torchxconfig"
                raise error
        return resolved

    def cfg_from_str(self, cfg_str: str) -> dict[str, CfgVal]:
        """Reads options from ``key=value`` pairs.

        The grammar::

            pairs   key=value, separated by commas. A comma ends a value only where `key=` follows it, so that
                    values may hold `,` `=` `:` `;`.
            list    items, separated by semicolons; by commas where there is no semicolon.
            dict    key:value, separated as lists are; the first colon ends the key. A comma that no `key:` follows
                    belongs to the value.
            quotes  a value, item, key or value of a dict may be a JSON string: `note="a,b=c"` is one pair.
            bool    true false 1 0 yes no y n on off t f, in any case

        Args:
            cfg_str: the text; empty: no option.

        Returns:
            The options given, under the names they were added with. Defaults are not added.

        Raises:
            InvalidRunConfigException: an option is unknown or given twice, or a value is not of its type.

        >>> opts = runopts()
        >>> opts.add("env", type_=dict[str, str], help="variables")
        >>> opts.add("comment", type_=str, help="comment")
        >>> opts.cfg_from_str("comment=x=1, y,env=HOST:a:80;PATH:/bin")
        {'comment': 'x=1, y', 'env': {'HOST': 'a:80', 'PATH': '/bin'}}
        """
        if not cfg_str:
            return {}
        from torchx.specs._runopts_text import split_pairs

        cfg: dict[str, CfgVal] = {}
        for name, text in split_pairs(cfg_str):
            key = self._require(name, cfg)
            if key in cfg:
                raise InvalidRunConfigException("is given twice", name, cfg)
            try:
                cfg[key] = self._opts[key].cast_to_type(text)
            except ValueError as e:
                raise self._unreadable(key, name, e, cfg) from None
        return cfg

    def cfg_from_json_repr(self, json_repr: str, *, ignore_unknown: bool = False) -> dict[str, CfgVal]:
        """Reads options from a JSON object.

        Args:
            json_repr: the object; its values must be of the options' types, or null.
            ignore_unknown: leave out unknown options instead of refusing them.

        Returns:
            The options given, under the names they were added with. Defaults are not added.

        Raises:
            InvalidRunConfigException: the text is no JSON object; an option is unknown, given twice or of the
                wrong type.
        """
        import json

        try:
            cfg = json.loads(json_repr)
        except (ValueError, RecursionError) as e:
            raise InvalidRunConfigException(f"not valid JSON: {e}", "<json>", {}) from e
        if not isinstance(cfg, dict):
            raise InvalidRunConfigException(f"expected a JSON object, got {type(cfg).__name__}", "<json>", {})
        known = self._known(cfg, ignore_unknown)
        return {key: None if value is None else self._checked(key, value, cfg) for key, value in known.items()}

    def add(
        self,
        cfg_key: str,
        type_: _CfgType,
        help: str,
        default: CfgVal = None,
        required: bool = False,
    ) -> None:
        """Adds an option; one of the same name is replaced.

        Args:
            cfg_key: its name.
            type_: ``str``, ``int``, ``float``, ``bool``, ``list[str]`` or ``dict[str, str]``.
            help: what it is for.
            default: its value where none is given.
            required: whether a value must be given.

        Raises:
            ValueError: it is required and has a default.
            TypeError: the default is not of the type.
        """
        if required and default is not None:
            raise ValueError(f"scheduler option `{cfg_key}` is required, so it can have no default ({default!r})")
        if default is not None and not runopts.is_type(default, type_):
            raise TypeError(f"scheduler option `{cfg_key}`: default {default!r} is not of type {get_type_name(type_)}")
        previous = self._spellings.get(_spelling(cfg_key))
        if previous is not None and previous != cfg_key:
            del self._opts[previous]
        self._opts[cfg_key] = runopt(default, type_, required, help)
        self._spellings[_spelling(cfg_key)] = cfg_key

    def update(self, other: runopts) -> None:
        """Adds all options of another; those of the same names are replaced."""
        for key, opt in other:
            self.add(key, opt.opt_type, opt.help, opt.default, opt.is_required)

    def __or__(self, other: runopts) -> runopts:
        merged = runopts()
        merged.update(self)
        merged.update(other)
        return merged

    def __repr__(self) -> str:
        from torchx.specs._runopts_text import describe

        return describe(self)

    def _require(self, name: str, cfg: Mapping[str, CfgVal]) -> str:
        key = self.canonical_key(name)
        if key is None:
            error = InvalidRunConfigException("is unknown", name, cfg)
            error.hint = nearest(name, self._opts) or (
                f"valid options: {', '.join(sorted(self._opts))}" if self._opts else "the scheduler takes no options"
            )
            raise error
        return key

    def _known(self, cfg: Mapping[str, CfgVal], ignore_unknown: bool) -> dict[str, CfgVal]:
        known: dict[str, CfgVal] = {}
        for name, value in cfg.items():
            if ignore_unknown and self.canonical_key(name) is None:
                continue
            key = self._require(name, cfg)
            if key in known and known[key] != value:
                raise InvalidRunConfigException("is given twice, in two spellings", name, cfg)
            known[key] = value
        return known

    def _unreadable(
        self, key: str, name: str, problem: ValueError, cfg: Mapping[str, CfgVal]
    ) -> InvalidRunConfigException:
        from torchx.util.secret_names import is_secret_name

        # The problem's text shows the value.
        secret = is_secret_name(key)
        reason = f"is not of type {get_type_name(self._opts[key].opt_type)}" if secret else str(problem)
        return InvalidRunConfigException(reason, name, cfg)

    def _checked(self, key: str, value: CfgVal, cfg: Mapping[str, CfgVal]) -> CfgVal:
        tp = self._opts[key].opt_type
        if not self.is_type(value, tp):
            raise InvalidRunConfigException(f"expected {get_type_name(tp)}, got {type(value).__name__}", key, cfg)
        return value


def _copied(default: CfgVal) -> CfgVal:
    return default.copy() if isinstance(default, (list, dict)) else default


def _spelling(name: str) -> str:
    return cases.camel_to_snake(name.replace("-", "_"))
