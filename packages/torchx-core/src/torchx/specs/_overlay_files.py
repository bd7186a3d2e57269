"""Overlay files: JSON and YAML from any place that fsspec reaches, restricted to plain values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from torchx.specs._overlay_merge import MAX_DEPTH
from torchx.specs.overlays import FILE_SUFFIXES, OverlayError

if TYPE_CHECKING:
    from collections.abc import Hashable

    import yaml

_MAX_VALUES = 100_000
"""An overlay of more values is refused: a few lines of YAML aliases can stand for billions."""


def read_overlay_file(uri: str) -> dict[str, Any]:
    """See :py:func:`torchx.specs.overlays.load_overlay`."""
    from torchx.util.masking import mask_text

    suffix = next((s for s in FILE_SUFFIXES if uri.partition("?")[0].endswith(s)), None)
    shown = mask_text(uri)
    if suffix is None:
        raise OverlayError(f"overlay file {shown!r} is of an unknown kind", hint=f"name it {', '.join(FILE_SUFFIXES)}")
    text = _read(uri)
    overlay = _parse_json(text, shown) if suffix == ".json" else _parse_yaml(text, shown)
    if not isinstance(overlay, dict):
        raise OverlayError(f"overlay file {shown!r} does not hold a mapping")
    _check_plain(overlay, shown)
    return overlay


def _read(uri: str) -> str:
    import fsspec

    from torchx.util.masking import mask_text

    try:
        with fsspec.open(uri, "rb") as file:
            return cast("bytes", file.read()).decode("utf-8-sig")  # editors of Windows begin a file with a mark
    except Exception as e:  # whatever the file system's client raises
        raise OverlayError(mask_text(f"cannot read overlay file {uri!r}: {type(e).__name__}: {e}")) from e


def _parse_json(text: str, uri: str) -> object:
    import json

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise OverlayError(f"overlay file {uri!r} has the key {twice!r} twice in one mapping")
        return made

    try:
        return json.loads(text, object_pairs_hook=mapping)
    except json.JSONDecodeError as e:
        raise OverlayError(f"overlay file {uri!r} is not JSON: {e}") from e
    except RecursionError as e:
        raise OverlayError(f"overlay file {uri!r} is nested deeper than {MAX_DEPTH}") from e


def _parse_yaml(text: str, uri: str) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            # Before merge keys (`<<`) are flattened: those may name a key again, which then overrides.
            keys = [k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode) and k.value != "<<"]
            if twice := next((key for key in keys if keys.count(key) > 1), None):
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {twice!r} stands twice in one mapping", problem_mark=node.start_mark
                )
            return super().construct_mapping(node, deep)

    try:
        overlay = yaml.load(text, Loader)
    except yaml.YAMLError as e:
        raise OverlayError(f"overlay file {uri!r} is not YAML: {' '.join(str(e).split())}") from e
    except (RecursionError, ValueError) as e:
        raise OverlayError(f"overlay file {uri!r} is not YAML: {e}") from e
    return {} if overlay is None else overlay  # None: an empty file, or one of comments only


def _check_plain(overlay: dict[Any, Any], uri: str) -> None:
    """Refuse what JSON cannot hold, and what is too large to be meant, without ever walking more than the limit."""
    stack: list[tuple[object, str, int]] = [(overlay, "", 0)]
    seen = 0
    while stack:
        value, path, depth = stack.pop()
        seen += 1
        if seen > _MAX_VALUES or depth > MAX_DEPTH:
            raise OverlayError(
                f"overlay file {uri!r} holds over {_MAX_VALUES} values, or is nested deeper than {MAX_DEPTH}"
            )
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise OverlayError(
                        f"overlay file {uri!r}: key {key!r} under {path or 'the top'} is no string: quote it"
                    )
                stack.append((item, f"{path}.{key}" if path else key, depth + 1))
        elif isinstance(value, list):
            stack.extend((item, path, depth + 1) for item in value)
        elif not (value is None or isinstance(value, (str, int, float, bool))):
            raise OverlayError(f"overlay file {uri!r}: {path} is a {type(value).__name__}, not a plain value: quote it")
        elif isinstance(value, float) and not math.isfinite(value):
            raise OverlayError(f"overlay file {uri!r}: {path} is {value}, a number that no request can hold")
