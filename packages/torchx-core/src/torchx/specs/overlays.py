"""Overlays: corrections to the request that a scheduler is about to send.

A scheduler turns an ``AppDef`` into its own kind of request: a pod, a job definition. An overlay is a mapping in the
shape of that request; it is laid over it, so that a job can set what an ``AppDef`` has no word for.

How an overlay's value meets the base's value under the same key:

=========================  ==========================================================================================
overlay                    result
=========================  ==========================================================================================
a mapping                  merged key by key, at every depth; what the overlay does not name stays
a list                     appended to the base's list
any other value            takes the base's place; ``None`` sets null
``PUT(key): value``        ``value`` takes the base's place whole, mappings and lists too
``JOIN(key, on=field)``    a list of mappings, each merged into the base's item with the same value under ``field``;
                           an item without a counterpart is appended
``DEL(key)``               the key is removed (its value in the overlay is not looked at)
=========================  ==========================================================================================

Where the base lacks the key, or has a value of another kind under it, the overlay's value is laid over nothing: a
mapping over ``{}``, a list over ``[]``. So operators work at every depth, inside list items too, and none is left in
the result; what is nearly one (``put(env)``, ``PUT (env)``) is refused. Keys are taken in the order in which the
overlay lists them.

>>> base = {"spec": {"restartPolicy": "Never", "tolerations": [{"key": "gpu"}], "hostNetwork": True}}
>>> apply_overlay(base, {"spec": {PUT("tolerations"): [{"key": "spot"}], DEL("hostNetwork"): None, "priority": 5}})
>>> base
{'spec': {'restartPolicy': 'Never', 'tolerations': [{'key': 'spot'}], 'priority': 5}}

**Where overlays are kept.** In the metadata of the app or of a role, under ``"<namespace>/<kind>"``: the scheduler's
name and the request's part, as in ``"kubernetes/V1Pod"``. The value is a mapping, or the URI of a ``.json``, ``.yaml``
or ``.yml`` file, where operators are written as they print: ``PUT(env)``, ``DEL(env)``, ``JOIN(containers, on=name)``.
:py:func:`get_overlay` names the other places that are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from torchx.specs._overlay_merge import (
    DEL,
    JOIN,
    PUT,
    Key,
    OverlayError,
    _Overlay,
    apply_overlay,
    entries,
    merge,
    plain_copy,
)

if TYPE_CHECKING:
    from torchx.specs.api import AppDef, Role, macros

    class _Dataclass(Protocol):
        """An instance of any dataclass."""

        __dataclass_fields__: ClassVar[dict[str, Any]]


__all__ = [
    "DEL",
    "FILE_SUFFIXES",
    "JOIN",
    "PUT",
    "OverlayError",
    "OverlaySpec",
    "apply_overlay",
    "get_overlay",
    "load_overlay",
    "set_overlay",
    "substitute_overlay",
    "validate_overlay",
]

FILE_SUFFIXES = (".json", ".yaml", ".yml")
"""How the names of overlay files end."""

_kinds: dict[str, set[str]] = {}
"""The kinds of each namespace that an `OverlaySpec` was made for."""
_VERSIONED = re.compile(r"V\d+(alpha\d+|beta\d+)?[A-Z]\w*")


def set_overlay(target: AppDef | Role, namespace: str, kind: str, overlay: _Overlay | _Dataclass) -> None:
    """Keep an overlay in the metadata of an app or a role, in place of the one of the same namespace and kind.

    Args:
        target: the app (the overlay holds for all its roles) or the role.
        namespace: whose overlay it is, usually the scheduler's name; without ``/``.
        kind: the part of the scheduler's request, such as ``V1Pod``.
        overlay: a mapping, or a dataclass instance, whose fields that are None are left out.

    Raises:
        OverlayError: the overlay is neither, or an operator in it is malformed.
    """
    plain = _as_overlay(overlay, f"{namespace}/{kind} overlay")
    merge({}, plain)  # for its errors: what is kept can be applied
    _metadata(target)[_metadata_key(namespace, kind)] = plain


def get_overlay(target: AppDef | Role, namespace: str, kind: str, *, flat_fallback: bool = True) -> _Overlay:
    """A copy of the overlay that an app or a role carries; empty where it carries none.

    Read from the first of these places in ``target.metadata`` that exists:

    1. ``metadata["<namespace>/<kind>"]``, where :py:func:`set_overlay` keeps it,
    2. ``metadata["<namespace>"]["<kind>"]``,
    3. ``metadata["<namespace>"]`` (only with ``flat_fallback``), for requests of a single kind: all of it but for what
       belongs to another kind, one that an :py:class:`OverlaySpec` was made for or that looks like it (``V1Pod``
       beside ``V1Job``).

    Args:
        target: the app or the role.
        namespace: see :py:func:`set_overlay`.
        kind: see :py:func:`set_overlay`.
        flat_fallback: also look in the third place.

    Returns:
        The overlay, its operators not yet carried out, its macros not yet substituted. A string in one of the places is
        the URI of a file, which is loaded.

    Raises:
        OverlayError: what stands there is not an overlay, or its file cannot be read.
    """
    name = f"{namespace}/{kind} overlay"
    metadata = _metadata(target)
    key = _metadata_key(namespace, kind)
    if key in metadata:
        return _as_overlay(metadata[key], name)
    flat = metadata.get(namespace)
    if isinstance(flat, Mapping) and kind in flat:
        return _as_overlay(flat[kind], name)
    # A scheduler's plain metadata may use the namespace for a string of its own: only a file's name is taken for ours.
    is_overlay = isinstance(flat, Mapping) or (isinstance(flat, str) and flat.endswith(FILE_SUFFIXES))
    if not flat_fallback or not is_overlay:
        return {}
    overlay = _as_overlay(flat, name)
    return {key: value for key, value in overlay.items() if not _is_other_kind(key, namespace, kind)}


def load_overlay(uri: str) -> _Overlay:
    """Read an overlay from a file, given by a path or any URI that fsspec knows (``file://``, ``s3://``, ...).

    JSON for names that end in ``.json``, YAML for ``.yaml`` and ``.yml``; no YAML tag makes anything but plain values.

    Raises:
        OverlayError: the file cannot be read, is malformed (with the line), names a key twice, or holds something other
            than mappings with string keys, lists, strings, numbers, booleans and nulls.
    """
    from torchx.specs._overlay_files import read_overlay_file

    return read_overlay_file(uri)


def substitute_overlay(overlay: _Overlay, values: macros.Values) -> _Overlay:
    """A copy of the overlay with the macros in its strings (keys too) replaced.

    What it may change is to be validated afterwards: only then are its keys known.

    Raises:
        OverlayError: two keys of one mapping are the same once their macros are replaced.
    """

    def substituted(value: Any) -> Any:
        if isinstance(value, str):
            return values.substitute(value)
        if isinstance(value, dict):
            made = {substituted(key): substituted(item) for key, item in value.items()}
            if len(made) < len(value):
                raise OverlayError(f"keys of an overlay are the same once macros are replaced: {', '.join(value)}")
            return made
        return [substituted(item) for item in value] if isinstance(value, list) else value

    return cast("_Overlay", substituted(plain_copy(overlay)))


def _metadata_key(namespace: str, kind: str) -> str:
    if not namespace or not kind or "/" in namespace:
        raise OverlayError(f"an overlay wants a namespace without `/` and a kind, not {namespace!r} and {kind!r}")
    return f"{namespace}/{kind}"


def _metadata(target: AppDef | Role) -> dict[str, Any]:
    return cast("dict[str, Any]", target.metadata)


def _is_other_kind(key: object, namespace: str, kind: str) -> bool:
    if not isinstance(key, str) or key == kind:
        return False
    alike = _VERSIONED.fullmatch(key) is not None and _VERSIONED.fullmatch(kind) is not None
    return alike or key in _kinds.get(namespace, ())


def _as_overlay(value: object, name: str) -> _Overlay:
    if isinstance(value, str):
        return load_overlay(value)
    plain = plain_copy(value)
    if not isinstance(plain, dict):
        raise OverlayError(f"{name} is not a mapping but a {type(value).__name__}")
    return plain


def validate_overlay(
    overlay: _Overlay,
    *,
    blocklist: list[str] | None = None,
    forbidden_keys: set[str] | None = None,
    overlay_name: str = "overlay",
    suggestion: str = "",
) -> None:
    """Refuse an overlay that changes what it may not.

    Args:
        overlay: the overlay.
        blocklist: dotted paths that must stay as they are, with everything below them. A path goes through list items:
            ``spec.containers.image`` is the image of every container. Replacing or removing something above such a path
            (``PUT``, ``DEL``, or a plain value) changes it too.
        forbidden_keys: keys that may not be set at any depth.
        overlay_name: how the error calls the overlay.
        suggestion: what to do instead; ends the error's message.

    Raises:
        OverlayError: names every offending path; or an operator is malformed.
    """
    plain = plain_copy(overlay)
    merge({}, plain)
    offending = {
        path: None  # a dict, for the order in which the overlay has them
        for path, key, value in entries(plain, "")
        if key.name in (forbidden_keys or ()) or any(_changes(path, key, value, blocked) for blocked in blocklist or ())
    }
    if offending:
        message = f"{overlay_name} may not set {', '.join(f'`{path}`' for path in offending)}"
        raise OverlayError(f"{message}: {suggestion}" if suggestion else message)


def _changes(path: str, key: Key, value: object, blocked: str) -> bool:
    if f"{path}.".startswith(f"{blocked}."):
        return True
    replaces = key.operator in ("PUT", "DEL") or not isinstance(value, (dict, list))
    return replaces and blocked.startswith(f"{path}.")


@dataclass(frozen=True)
class OverlaySpec:
    """One kind of overlay that a scheduler understands, declared once beside the code that builds the request.

    Attributes:
        namespace: see :py:func:`set_overlay`.
        kind: see :py:func:`set_overlay`.
        blocklist: dotted paths that an overlay of this kind may not change, see :py:func:`validate_overlay`.
    """

    namespace: str
    kind: str
    blocklist: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _kinds.setdefault(self.namespace, set()).add(self.kind)

    def set(self, target: AppDef | Role, overlay: _Overlay | _Dataclass) -> None:
        """Keep an overlay of this kind in the app's or role's metadata (:py:func:`set_overlay`).

        Raises:
            OverlayError: it is malformed, or changes what is on the blocklist; a key with macros is checked when they
                are replaced, by :py:meth:`apply`.
        """
        self._validate(_as_overlay(overlay, self._name))
        set_overlay(target, self.namespace, self.kind, overlay)

    def get(self, target: AppDef | Role) -> _Overlay:
        """The overlay of this kind that the app or role carries, or an empty one (:py:func:`get_overlay`).

        Raises:
            OverlayError: it is malformed, cannot be read, or changes what is on the blocklist.
        """
        overlay = get_overlay(target, self.namespace, self.kind)
        self._validate(overlay)
        return overlay

    def apply(self, request: _Overlay, *targets: AppDef | Role, values: macros.Values | None = None) -> None:
        """Lay the overlays that the targets carry over ``request``, which is changed in place, in the targets' order.

        Args:
            request: the scheduler's request, or its part that this kind of overlay is for.
            targets: usually the app and then the role, so that the role's overlay has the last word.
            values: what the macros in the overlays stand for; None leaves them as they are.

        Raises:
            OverlayError: as for :py:meth:`get` and :py:func:`apply_overlay`.
        """
        for target in targets:
            overlay = self.get(target)
            if values is not None:
                overlay = substitute_overlay(overlay, values)
                self._validate(overlay)  # again: a macro may stand in a key
            apply_overlay(request, overlay)

    @property
    def _name(self) -> str:
        return f"{self.namespace}/{self.kind} overlay"

    def _validate(self, overlay: _Overlay) -> None:
        validate_overlay(overlay, blocklist=list(self.blocklist), overlay_name=self._name)
