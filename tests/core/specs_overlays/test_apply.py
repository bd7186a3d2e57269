from __future__ import annotations

import copy
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.specs.overlays import DEL, JOIN, PUT, OverlayError, apply_overlay

if TYPE_CHECKING:
    from collections.abc import Callable

Overlay = dict[str, Any]


def applied(base: Overlay, *overlays: Overlay) -> Overlay:
    result = copy.deepcopy(base)
    for overlay in overlays:
        apply_overlay(result, overlay)
    return result


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        pytest.param({"a": 1}, {}, {"a": 1}, id="empty"),
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="new-key"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="value-replaces"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}, id="mappings-merge"),
        pytest.param({"a": {"b": {"c": {}}}}, {"a": {"b": {"c": {"e": 2}}}}, {"a": {"b": {"c": {"e": 2}}}}, id="deep"),
        pytest.param({"a": [1]}, {"a": [2, 1]}, {"a": [1, 2, 1]}, id="lists-append"),
        pytest.param({"a": (1,)}, {"a": (2,)}, {"a": [1, 2]}, id="tuples-are-lists"),
        pytest.param({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}, id="mapping-over-value"),
        pytest.param({"a": {"b": 2}}, {"a": 1}, {"a": 1}, id="value-over-mapping"),
        pytest.param({"a": {"b": 2}}, {"a": [1]}, {"a": [1]}, id="list-over-mapping"),
        pytest.param({"a": [1]}, {"a": {"b": 2}}, {"a": {"b": 2}}, id="mapping-over-list"),
        pytest.param({"a": "xyz"}, {"a": ["b"]}, {"a": ["b"]}, id="list-over-string"),
        pytest.param({"a": None}, {"a": {"b": [1]}}, {"a": {"b": [1]}}, id="mapping-over-null"),
        pytest.param({"a": {"b": 1}}, {"a": None}, {"a": None}, id="null-over-mapping"),
        pytest.param({"a": [1]}, {"a": None}, {"a": None}, id="null-over-list"),
        pytest.param({}, {"a": {"b": None}}, {"a": {"b": None}}, id="null-where-base-lacks-it"),
        pytest.param({"a": False}, {"a": 0}, {"a": 0}, id="falsy-values"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}, id="empty-mapping-merges"),
    ],
)  # fmt: skip
def test_plain_keys(base: Overlay, overlay: Overlay, expected: Overlay) -> None:
    assert applied(base, overlay) == expected


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        pytest.param({"a": {"b": 1}}, {PUT("a"): {"c": 2}}, {"a": {"c": 2}}, id="mapping"),
        pytest.param({"a": [1, 2]}, {PUT("a"): [3]}, {"a": [3]}, id="list"),
        pytest.param({"a": [1, 2]}, {PUT("a"): []}, {"a": []}, id="empty-list"),
        pytest.param({"a": {"b": 1}}, {PUT("a"): None}, {"a": None}, id="null"),
        pytest.param({}, {PUT("a"): {"b": 1}}, {"a": {"b": 1}}, id="base-lacks-it"),
        pytest.param({}, {"a": {"b": {PUT("c"): [1]}}}, {"a": {"b": {"c": [1]}}}, id="base-lacks-the-parents"),
        pytest.param({"a": 1}, {"a": {PUT("b"): 2}}, {"a": {"b": 2}}, id="below-a-replaced-value"),
        pytest.param({"a": {"x": 0}}, {PUT("a"): {PUT("b"): {DEL("c"): 0}}}, {"a": {"b": {}}}, id="nested"),
        pytest.param({"a": [{"b": 1}]}, {"a": [{PUT("b"): [2]}]}, {"a": [{"b": 1}, {"b": [2]}]}, id="in-an-item"),
        pytest.param({}, {"a": [[{PUT("b"): 1}]]}, {"a": [[{"b": 1}]]}, id="in-a-list-in-a-list"),
    ],
)  # fmt: skip
def test_put_replaces_whole(base: Overlay, overlay: Overlay, expected: Overlay) -> None:
    assert applied(base, overlay) == expected


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        pytest.param({"a": {"b": 1}, "c": 2}, {DEL("a"): None}, {"c": 2}, id="mapping"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {DEL("b"): None}}, {"a": {"c": 2}}, id="nested"),
        pytest.param({"a": 1}, {DEL("z"): None}, {"a": 1}, id="base-lacks-it"),
        pytest.param({}, {"a": {DEL("b"): None}}, {"a": {}}, id="base-lacks-the-parent"),
        pytest.param({"a": 1}, {"a": {DEL("b"): None}}, {"a": {}}, id="base-has-another-kind"),
        pytest.param({}, {"a": [{DEL("b"): None, "c": 1}]}, {"a": [{"c": 1}]}, id="in-an-item"),
        pytest.param({"a": 1}, {DEL("a"): {"JOIN(x)": 1}}, {}, id="its-value-is-not-looked-at"),
        pytest.param({"a": {"b": 1}}, {DEL("a"): None, "a": {"c": 2}}, {"a": {"c": 2}}, id="keys-in-their-order"),
    ],
)
def test_del_removes(base: Overlay, overlay: Overlay, expected: Overlay) -> None:
    assert applied(base, overlay) == expected


MAIN, SIDE = {"name": "main", "image": "i", "env": [{"name": "A", "value": "1"}]}, {"name": "side", "image": "s"}


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        pytest.param(
            {"c": [MAIN, SIDE]},
            {JOIN("c", on="name"): [{"name": "side", "tty": True}]},
            {"c": [MAIN, {**SIDE, "tty": True}]},
            id="merges-the-item-of-that-name",
        ),
        pytest.param(
            {"c": [MAIN]},
            {JOIN("c", on="name"): [{"name": "new", PUT("x"): [1]}]},
            {"c": [MAIN, {"name": "new", "x": [1]}]},
            id="appends-what-has-no-counterpart",
        ),
        pytest.param(
            {"c": [MAIN]},
            {JOIN("c", on="name"): [{"name": "main", JOIN("env", on="name"): [{"name": "A", "value": "2"}]}]},
            {"c": [{**MAIN, "env": [{"name": "A", "value": "2"}]}]},
            id="join-in-join",
        ),
        pytest.param(
            {"c": [MAIN]},
            {JOIN("c", on="name"): [{"name": "main", DEL("env"): None, PUT("image"): None}]},
            {"c": [{"name": "main", "image": None}]},
            id="operators-in-a-joined-item",
        ),
        pytest.param({}, {JOIN("c", on="name"): [SIDE]}, {"c": [SIDE]}, id="base-lacks-it"),
        pytest.param({}, {"s": {JOIN("c", on="name"): [SIDE]}}, {"s": {"c": [SIDE]}}, id="base-lacks-the-parent"),
        pytest.param({"c": None}, {JOIN("c", on="name"): [SIDE]}, {"c": [SIDE]}, id="null-in-base"),
        pytest.param({"c": {"name": "side"}}, {JOIN("c", on="name"): [SIDE]}, {"c": [SIDE]}, id="mapping-in-base"),
        pytest.param(
            {"c": [1, {"x": 1}]},
            {JOIN("c", on="name"): [SIDE]},
            {"c": [1, {"x": 1}, SIDE]},
            id="base-items-without-the-field-stay",
        ),
        pytest.param(
            {},
            {JOIN("c", on="name"): [{"name": "a", "x": 1}, {"name": "a", "y": 2}]},
            {"c": [{"name": "a", "x": 1, "y": 2}]},
            id="items-of-one-name-join-each-other",
        ),
        pytest.param(
            {"c": [{"name": "a"}, {"name": "a", "x": 0}]},
            {JOIN("c", on="name"): [{"name": "a", "x": 1}]},
            {"c": [{"name": "a", "x": 1}, {"name": "a", "x": 0}]},
            id="the-first-of-several",
        ),
        pytest.param({"c": [SIDE]}, {JOIN("c", on="name"): []}, {"c": [SIDE]}, id="nothing-to-join"),
        pytest.param(
            {"p": [{"port": 80}]},
            {JOIN("p", on="port"): [{"port": 80, "name": "http"}, {"port": 443}]},
            {"p": [{"port": 80, "name": "http"}, {"port": 443}]},
            id="on-a-number",
        ),
    ],
)
def test_join_merges_items(base: Overlay, overlay: Overlay, expected: Overlay) -> None:
    assert applied(base, overlay) == expected


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        pytest.param(
            {JOIN("c", on="name"): {"name": "a"}}, "wants a list of mappings, not a dict", id="join-a-mapping"
        ),
        pytest.param({JOIN("c", on="name"): None}, "wants a list of mappings, not a NoneType", id="join-null"),
        pytest.param(
            {JOIN("c", on="name"): [SIDE, {"nmae": "a"}]}, "item 1 .* field 'name'", id="item-without-the-field"
        ),
        pytest.param({JOIN("c", on="name"): ["main"]}, "item 0 .* is not a mapping", id="item-is-a-string"),
        pytest.param({"JOIN(c)": []}, "does not say which field", id="join-without-on"),
        pytest.param({"JOIN(c, on=)": []}, "does not say which field", id="join-on-nothing"),
        pytest.param({"PUT(DEL(c))": []}, "operator inside an operator", id="nested-operators"),
        pytest.param({"a": [{"b": {"JOIN(c)": []}}]}, "does not say which field", id="deep-inside"),
    ],
)
def test_a_malformed_overlay_is_refused_and_the_base_stays(overlay: Overlay, message: str) -> None:
    base: Overlay = {"first": [1], "c": [dict(MAIN)]}
    before = copy.deepcopy(base)
    with pytest.raises(OverlayError, match=message):
        apply_overlay(base, {"first": [2], **overlay})
    assert base == before


@pytest.mark.parametrize(
    "make",
    [lambda: PUT("PUT(a)"), lambda: DEL("JOIN(a, on=b)"), lambda: JOIN("a", on=""), lambda: JOIN("a", on="b, on=c")],
    ids=["put-put", "del-join", "on-nothing", "on-with-on"],
)
def test_operators_that_would_be_misread_are_refused(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize(
    ("key", "right"),
    [
        (" PUT(a)", "PUT(a)"),
        ("PUT (a)", "PUT(a)"),
        ("put(a)", "PUT(a)"),
        ("PUT(a) ", "PUT(a)"),
        ("Del( a )", "DEL(a)"),
        ("DEL(a", "DEL(a)"),
        ("join(a, on=b)\n", "JOIN(a, on=b)"),
    ],
    ids=lambda value: repr(value),
)
def test_what_is_nearly_an_operator_is_refused_with_its_spelling(key: str, right: str) -> None:
    for overlay in ({key: 1}, {"x": [{key: [{"b": 1}]}]}):
        with pytest.raises(OverlayError, match="is not quite an operator") as e:
            apply_overlay({}, overlay)
        assert e.value.hint == f"write `{right}`"


@pytest.mark.parametrize("key", ["output(a)", "PUT", "PUTS(a)", "put_a", "DEL a", "put(a)s", "(PUT)"])
def test_keys_that_only_begin_like_an_operator_are_keys(key: str) -> None:
    assert applied({}, {key: 1}) == {key: 1}


@pytest.mark.parametrize("key", ["a.b/c", "a, b", "a)", "(", "", "é\n", "a, on=b", " a "])
def test_keys_of_any_text_survive_an_operator(key: str) -> None:
    assert applied({key: [1]}, {PUT(key): [2]}) == {key: [2]}
    assert applied({key: [1]}, {DEL(key): None}) == {}
    assert applied({key: [{"n": 1}]}, {JOIN(key, on="n"): [{"n": 1, "x": 2}]}) == {key: [{"n": 1, "x": 2}]}


def test_operators_may_be_written_by_hand() -> None:
    base = {"env": {"A": 1}, "c": [{"name": "a"}], "d": 1}
    by_hand = {"PUT(env)": {"B": 2}, "JOIN(c,on=name)": [{"name": "a", "x": 1}], "DEL(d)": None}
    assert applied(base, by_hand) == {"env": {"B": 2}, "c": [{"name": "a", "x": 1}]}


def test_values_that_look_like_operators_are_values() -> None:
    assert applied({}, {"args": ["PUT(a)", "DEL(b)"]}) == {"args": ["PUT(a)", "DEL(b)"]}


def test_a_container_that_the_base_holds_twice_is_changed_in_one_place_only() -> None:
    shared = {"labels": {"x": 1}}
    base: Overlay = {"a": shared, "b": shared}
    apply_overlay(base, {"a": {"labels": {"y": 2}}})
    assert base == {"a": {"labels": {"x": 1, "y": 2}}, "b": {"labels": {"x": 1}}}


def test_mappings_other_than_dict_merge_too() -> None:
    assert applied({"a": OrderedDict(b=1)}, OrderedDict(a=OrderedDict(c=2))) == {"a": {"b": 1, "c": 2}}


def test_an_overlay_over_itself() -> None:
    overlay: Overlay = {"a": [1], "b": {"c": 2}}
    apply_overlay(overlay, overlay)
    assert overlay == {"a": [1, 1], "b": {"c": 2}}


# --- properties

KEYS = st.sampled_from(["a", "b", "c", "name"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab(", max_size=3)
BASES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
    ),
    max_size=4,
)


def _overlay_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Overlay]:
    item = st.tuples(st.dictionaries(KEYS, inner, max_size=2), st.integers(0, 2)).map(lambda t: {**t[0], "name": t[1]})
    entry = st.one_of(
        st.tuples(KEYS, inner),
        st.tuples(KEYS.map(PUT), inner),
        st.tuples(KEYS.map(DEL), st.none()),
        st.tuples(KEYS.map(lambda k: JOIN(k, on="name")), st.lists(item, max_size=2)),
    )
    return st.lists(entry, max_size=4).map(dict)


OVERLAYS = _overlay_of(
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | _overlay_of(inner), max_leaves=12)
)


def containers(value: object) -> list[object]:
    """Every dict and list in the value, the value itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [] if inner is None else [value, *(c for item in inner for c in containers(item))]


def all_keys(value: object) -> list[str]:
    return [key for c in containers(value) if isinstance(c, dict) for key in c]


@given(BASES)
def test_an_empty_overlay_changes_nothing(base: Overlay) -> None:
    assert applied(base, {}) == base


@given(BASES, OVERLAYS)
def test_applying_is_deterministic_and_leaves_the_overlay_alone(base: Overlay, overlay: Overlay) -> None:
    before = copy.deepcopy(overlay)
    first = applied(base, overlay)
    assert overlay == before
    assert repr(applied(base, overlay)) == repr(first)
    assert not {id(c) for c in containers(overlay)} & {id(c) for c in containers(first)}


@given(BASES, OVERLAYS, OVERLAYS)
def test_no_operator_stays_in_a_result(base: Overlay, first: Overlay, second: Overlay) -> None:
    assert set(all_keys(applied(base, first, second))) <= {"a", "b", "c", "name"}


@given(BASES, OVERLAYS)
def test_what_the_overlay_does_not_name_stays(base: Overlay, overlay: Overlay) -> None:
    named = {key for key in ("a", "b", "c", "name") if any(key in (k, k[4:-1], k[5:-10]) for k in overlay)}
    result = applied(base, overlay)
    assert {k: v for k, v in result.items() if k not in named} == {k: v for k, v in base.items() if k not in named}


@given(BASES, KEYS, OVERLAYS)
def test_put_does_not_depend_on_the_base(base: Overlay, key: str, overlay: Overlay) -> None:
    assert applied(base, {PUT(key): overlay})[key] == applied({}, overlay)


@given(BASES, BASES)
def test_a_result_over_nothing_is_the_overlay_without_operators(base: Overlay, plain: Overlay) -> None:
    assert applied({}, plain) == plain
    assert applied(base, {PUT(key): value for key, value in plain.items()}) == {**base, **plain}


@given(BASES, st.dictionaries(KEYS, SCALARS))
def test_values_may_be_applied_again(base: Overlay, values: Overlay) -> None:
    assert applied(base, values, values) == applied(base, values)


@given(st.text(), st.text(min_size=1))
def test_operator_keys_are_read_as_written_or_refused(key: str, field: str) -> None:
    makers: list[Callable[[], str]] = [lambda: PUT(key), lambda: DEL(key), lambda: JOIN(key, on=field)]
    for make in makers:
        try:
            operator = make()
        except OverlayError:
            assert "(" in key or "on=" in field
            continue
        result = applied({key: 1}, {operator: [{field: 1}]})
        assert result in ({}, {key: [{field: 1}]})
