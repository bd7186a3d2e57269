from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import typing

import pytest

from torchx.util.light_dataclass import dataclass, field, light_fields


@dataclass
class Point:
    """A point."""

    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False)


@dataclass
class Point3(Point):
    """A point in space."""

    z: int = 0


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """A value."""

    a: int = 1
    b: str


@dataclasses.dataclass
class Standard(Point):
    """A standard dataclass on top of a light one."""

    z: int = 7


def standard_point() -> type[typing.Any]:
    @dataclasses.dataclass
    class Point:
        x: int
        y: int = 0
        tags: list[str] = dataclasses.field(default_factory=list)
        note: str = dataclasses.field(default="", compare=False)

    return Point


def test_constructor_repr_and_comparison_are_those_of_the_standard() -> None:
    light, standard = Point(1, tags=["a"], note="n"), standard_point()(1, tags=["a"], note="n")
    assert repr(light) == repr(standard).replace("standard_point.<locals>.", "")
    assert vars(light) == vars(standard)
    assert light == Point(1, 0, ["a"], note="another")
    assert light != Point(2, tags=["a"])
    assert light != standard
    assert str(inspect.signature(Point)) == str(inspect.signature(standard_point()))


def test_fields_order_inherits_and_is_told_without_the_standard_module() -> None:
    assert [f.name for f in light_fields(Point3)] == ["x", "y", "tags", "note", "z"]
    assert [f.has_default for f in light_fields(Point)] == [False, True, True, True]
    assert Point3(1, z=3) == Point3(1, 0, [], "", 3)
    assert Point3(1) != Point(1)


def test_each_object_gets_its_own_made_default() -> None:
    first, second = Point(1), Point(1)
    first.tags.append("a")
    assert second.tags == []


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        pytest.param((), {}, "missing 1 required positional argument: 'x'", id="missing"),
        pytest.param((1,), {"w": 1}, "unexpected keyword argument 'w'", id="unknown"),
        pytest.param((1,), {"x": 1}, "multiple values for argument 'x'", id="twice"),
    ],
)
def test_a_wrong_call_is_refused(args: tuple[int, ...], kwargs: dict[str, int], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Point(*args, **kwargs)  # type: ignore[arg-type]  # wrong on purpose


def test_a_mutable_class_has_no_hash_and_a_frozen_one_does() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(1))
    assert hash(Frozen(b="x")) == hash(Frozen(a=1, b="x"))


def test_a_frozen_object_cannot_be_changed() -> None:
    value = Frozen(b="x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.a = 2  # type: ignore[misc]  # wrong on purpose
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.a
    with pytest.raises(TypeError):
        Frozen(1, "x")  # type: ignore[call-arg]  # keyword only


@dataclass(kw_only=True)
class Base:
    """Fields by name only."""

    extra: dict[str, str] = field(default_factory=dict)


@dataclass
class Mixed(Base):
    """A field by position on top of them."""

    a: int


@dataclass
class Written(Point):
    """Adds to the constructor that it inherits."""

    def __post_init__(self) -> None:
        self.note = f"{self.x}"


class Plain(Point):
    """Is not decorated."""

    def __init__(self) -> None:
        super().__init__(5)


def test_fields_by_name_may_come_before_those_by_position() -> None:
    assert str(inspect.signature(Mixed)) == "(a: 'int', *, extra: 'dict[str, str]' = <factory>) -> None"
    assert Mixed(1, extra={"b": "c"}) == Mixed(extra={"b": "c"}, a=1)
    assert dataclasses.replace(Mixed(1), a=2) == Mixed(2)
    assert {f.name: f.kw_only for f in dataclasses.fields(Mixed)} == {"extra": True, "a": False}


def test_constructors_build_on_each_other() -> None:
    assert Written(3).note == "3"
    assert Plain().x == 5
    assert Point.__init__.__qualname__ == "Point.__init__"


def test_a_constructor_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Fresh:
        """Never made before."""

        x: int = 0

    monkeypatch.setattr(Fresh, "__init__", lambda self: None)
    assert "x" not in vars(Fresh())


def test_the_standard_functions_know_the_class() -> None:
    point = Point(1, tags=["a"])
    assert dataclasses.is_dataclass(Point)
    assert dataclasses.is_dataclass(Point3)
    assert [f.name for f in dataclasses.fields(Point)] == ["x", "y", "tags", "note"]
    assert [f.name for f in dataclasses.fields(Point3(1))] == ["x", "y", "tags", "note", "z"]
    assert dataclasses.fields(Point)[2].default_factory is list
    assert dataclasses.asdict(point) == {"x": 1, "y": 0, "tags": ["a"], "note": ""}
    assert dataclasses.replace(point, y=5) == Point(1, 5, ["a"])
    assert typing.get_type_hints(Point)["tags"] == list[str]


def test_a_standard_dataclass_can_inherit() -> None:
    assert Standard(1, z=2) == Standard(1, 0, [], "", 2)
    assert [f.name for f in dataclasses.fields(Standard)] == ["x", "y", "tags", "note", "z"]


def test_copies_and_pickles() -> None:
    point = Point3(1, tags=["a"], z=2)
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    assert copy.deepcopy(point).tags is not point.tags


def test_patterns_match_by_position() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
        case _:
            pytest.fail("did not match")


def test_an_object_that_holds_itself_has_a_repr() -> None:
    point = Point(1)
    point.tags.append(typing.cast("str", point))
    assert repr(point) == "Point(x=1, y=0, tags=[...], note='')"


def test_nothing_heavy_is_imported() -> None:
    code = """
import sys
from torchx.util.light_dataclass import dataclass
before = {"dataclasses", "inspect", "typing"} & set(sys.modules)
assert not before, before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
