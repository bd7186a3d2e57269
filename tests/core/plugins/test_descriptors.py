"""Descriptors are values: frozen, keyword-only, comparable."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from torchx.plugins import ComponentsPlugin, Descriptor, NamedResourcePlugin, PluginType, SchedulerPlugin, TrackerPlugin
from torchx.plugins.descriptors import DESCRIPTORS, describe

ACME = SchedulerPlugin(name="acme", factory="acme.code:create", summary="ACME")


def test_equal_values_are_equal_and_hash_alike() -> None:
    same = SchedulerPlugin(summary="ACME", factory="acme.code:create", name="acme")
    assert same == ACME
    assert hash(ACME) == hash(same)
    assert dataclasses.replace(same, summary="") != ACME
    other: object = TrackerPlugin(name="acme", factory="acme.code:create", summary="ACME")
    assert other != ACME


def test_they_survive_copying_and_pickling() -> None:
    assert pickle.loads(pickle.dumps(ACME)) == copy.deepcopy(ACME) == copy.copy(ACME) == ACME


def test_they_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ACME.name = "other"  # type: ignore[misc]  # the mistake that is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        del ACME.name


def test_they_show_all_their_values() -> None:
    assert repr(ACME) == "SchedulerPlugin(name='acme', summary='ACME', api_version=1, factory='acme.code:create')"


def test_values_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        SchedulerPlugin("acme", "acme.code:create")  # type: ignore[call-arg]  # the mistake that is tested


@pytest.mark.parametrize("given", [{}, {"factory": "a:b", "table": "c:d"}])
def test_a_named_resource_is_one_factory_or_one_table(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one of `factory` and `table`"):
        NamedResourcePlugin(name="acme", **given)  # type: ignore[arg-type]  # api_version is not among them


@pytest.mark.parametrize("kind", list(PluginType), ids=lambda kind: kind.value)
def test_each_kind_is_described_by_its_own_class(kind: PluginType) -> None:
    made = describe(kind, "acme", "acme.code:thing", "it")
    assert type(made) is DESCRIPTORS[kind]
    assert issubclass(type(made), Descriptor)
    assert (made.name, made.target, made.summary) == ("acme", "acme.code:thing", "it")
    assert (made.kind, made.api_version) == (kind, 1)


@pytest.mark.parametrize(
    ("name", "prefix"), [("dist", "dist"), ("", ""), ("_0", ""), ("_12", ""), ("_", "_"), ("_a", "_a"), ("a_0", "a_0")]
)
def test_prefixes_of_components(name: str, prefix: str) -> None:
    assert ComponentsPlugin(name=name, module="m").prefix == prefix
