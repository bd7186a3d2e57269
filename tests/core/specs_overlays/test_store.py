from __future__ import annotations

import copy
import dataclasses
import enum
import json
from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import UsageError
from torchx.specs import AppDef, Role, macros
from torchx.specs.overlays import (
    DEL,
    JOIN,
    PUT,
    OverlayError,
    OverlaySpec,
    apply_overlay,
    get_overlay,
    set_overlay,
    substitute_overlay,
    validate_overlay,
)

if TYPE_CHECKING:
    from pathlib import Path

VALUES = macros.Values(img_root="", app_id="app-1", replica_id="0", rank0_env="")


@pytest.fixture(params=["app", "role"])
def target(request: pytest.FixtureRequest) -> AppDef | Role:
    return AppDef(name="a") if request.param == "app" else Role(name="r", image="i")


def metadata(target: AppDef | Role) -> dict[str, Any]:
    kept: Any = target.metadata
    assert isinstance(kept, dict)
    return kept


def test_what_is_set_is_got(target: AppDef | Role) -> None:
    overlay = {"spec": {PUT("x"): [1], "y": None}}
    set_overlay(target, "kubernetes", "V1Pod", overlay)
    assert get_overlay(target, "kubernetes", "V1Pod") == overlay
    assert get_overlay(target, "kubernetes", "V1Pod", flat_fallback=False) == overlay


def test_nothing_set_is_an_empty_overlay(target: AppDef | Role) -> None:
    assert get_overlay(target, "kubernetes", "V1Pod") == {}
    assert metadata(target) == {}


def test_kinds_and_namespaces_are_apart(target: AppDef | Role) -> None:
    set_overlay(target, "kubernetes", "V1Pod", {"a": 1})
    set_overlay(target, "kubernetes", "V1Job", {"b": 2})
    set_overlay(target, "slurm", "V1Pod", {"c": 3})
    assert get_overlay(target, "kubernetes", "V1Pod") == {"a": 1}
    assert get_overlay(target, "kubernetes", "V1Job") == {"b": 2}
    assert get_overlay(target, "kubernetes", "V1Service") == {}
    assert get_overlay(target, "slurm", "V1Pod") == {"c": 3}
    assert get_overlay(target, "slurm", "V1Job") == {}


def test_setting_again_takes_the_place_of_the_first(target: AppDef | Role) -> None:
    set_overlay(target, "n", "k", {"a": 1})
    set_overlay(target, "n", "k", {"b": 2})
    assert get_overlay(target, "n", "k") == {"b": 2}


def test_the_overlay_is_copied_in_and_out(target: AppDef | Role) -> None:
    mine: dict[str, Any] = {"a": {"b": [1]}}
    set_overlay(target, "n", "k", mine)
    mine["a"]["b"].append(2)
    get_overlay(target, "n", "k")["a"]["b"].append(3)
    assert get_overlay(target, "n", "k") == {"a": {"b": [1]}}


def test_other_metadata_stays(target: AppDef | Role) -> None:
    metadata(target)["n"] = "mine"
    set_overlay(target, "n", "k", {"a": 1})
    assert metadata(target)["n"] == "mine"


def test_kept_overlays_are_json(target: AppDef | Role) -> None:
    set_overlay(target, "n", "k", {"a": (1, 2), "b": Color.RED})
    assert json.loads(json.dumps(metadata(target))) == {"n/k": {"a": [1, 2], "b": "red"}}


def test_nested_metadata_is_read(target: AppDef | Role) -> None:
    metadata(target)["kubernetes"] = {"V1Pod": {"a": 1}}
    assert get_overlay(target, "kubernetes", "V1Pod") == {"a": 1}
    assert get_overlay(target, "kubernetes", "V1Pod", flat_fallback=False) == {"a": 1}


def test_flat_metadata_is_read_unless_asked_not_to(target: AppDef | Role) -> None:
    metadata(target)["kubernetes"] = {"spec": {"a": 1}}
    assert get_overlay(target, "kubernetes", "V1Pod") == {"spec": {"a": 1}}
    assert get_overlay(target, "kubernetes", "V1Pod", flat_fallback=False) == {}


def test_flat_metadata_is_not_taken_from_another_kind(target: AppDef | Role) -> None:
    metadata(target)["acme"] = {"V1Pod": {"a": 1}}
    assert OverlaySpec("acme", "V1Job").get(target) == {}
    assert OverlaySpec("acme", "V1beta1Job").get(target) == {}
    assert OverlaySpec("acme", "V1Pod").get(target) == {"a": 1}
    metadata(target)["acme"] = {"V1Pod": {"a": 1}, "spec": {"b": 2}}
    assert OverlaySpec("acme", "V1Job").get(target) == {"spec": {"b": 2}}


def test_kinds_that_were_declared_are_known(target: AppDef | Role) -> None:
    declared = OverlaySpec("acme-batch", "submission")
    metadata(target)["acme-batch"] = {"submission": {"a": 1}}
    assert get_overlay(target, "acme-batch", "step") == {}
    assert get_overlay(target, "other-batch", "step") == {}
    assert declared.get(target) == {"a": 1}


def test_what_was_set_wins_over_nested_and_flat(target: AppDef | Role) -> None:
    metadata(target)["kubernetes"] = {"V1Pod": {"nested": 1}}
    set_overlay(target, "kubernetes", "V1Pod", {})
    assert get_overlay(target, "kubernetes", "V1Pod") == {}


def test_a_plain_string_under_the_namespace_is_no_overlay(target: AppDef | Role) -> None:
    metadata(target)["kubernetes"] = "v1.30"
    assert get_overlay(target, "kubernetes", "V1Pod") == {}


@pytest.mark.parametrize("key", ["kubernetes/V1Pod", "kubernetes"], ids=["keyed", "flat"])
def test_a_string_is_the_uri_of_a_file(target: AppDef | Role, tmp_path: Path, key: str) -> None:
    (tmp_path / "pod.yaml").write_text("spec:\n  PUT(a): [1]\n")
    metadata(target)[key] = f"file://{tmp_path}/pod.yaml"
    assert get_overlay(target, "kubernetes", "V1Pod") == {"spec": {"PUT(a)": [1]}}


@pytest.mark.parametrize("value", [[1], 3, None, "no-file"], ids=["list", "number", "null", "text"])
def test_what_is_no_overlay_is_refused(target: AppDef | Role, value: object) -> None:
    metadata(target)["n/k"] = value
    with pytest.raises(OverlayError):
        get_overlay(target, "n", "k")


@pytest.mark.parametrize("overlay", [[1], 3, None, {"a": {"JOIN(b)": []}}], ids=["list", "number", "null", "operator"])
def test_setting_what_is_no_overlay_is_refused(target: AppDef | Role, overlay: Any) -> None:
    with pytest.raises(OverlayError):
        set_overlay(target, "n", "k", overlay)
    assert metadata(target) == {}


@pytest.mark.parametrize(("namespace", "kind"), [("", "k"), ("n", ""), ("a/b", "k")], ids=["empty", "no-kind", "slash"])
def test_names_that_cannot_be_told_apart_are_refused(target: AppDef | Role, namespace: str, kind: str) -> None:
    with pytest.raises(OverlayError, match="namespace"):
        set_overlay(target, namespace, kind, {})


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"a": made}
    return made


def test_what_is_nested_too_deep_is_told_in_one_line(target: AppDef | Role) -> None:
    holds_itself: dict[str, Any] = {}
    holds_itself["a"] = [holds_itself]
    for overlay in (nested(5_000), {"a": [nested(200)]}, holds_itself):
        for use in (
            lambda given: apply_overlay({}, given),
            lambda given: set_overlay(target, "n", "k", given),
            lambda given: SPEC.set(target, given),
            validate_overlay,
            lambda given: substitute_overlay(given, VALUES),
        ):
            with pytest.raises(OverlayError, match=r"^an overlay is nested deeper than 100, or holds itself$"):
                use(overlay)
    base = nested(5_000)
    apply_overlay(base, nested(90))
    assert base.keys() == {"a"}


# --- dataclasses


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Container:
    name: str
    tty: bool = False
    limits: dict[str, int] | None = None


@dataclasses.dataclass
class Pod:
    containers: list[Container] = dataclasses.field(default_factory=list)
    color: Color | None = None
    priority: int | None = None


def test_dataclasses_are_overlays_without_the_fields_that_are_none(target: AppDef | Role) -> None:
    set_overlay(target, "n", "k", Pod([Container("main", limits={"gpu": 1}), Container("side")], Color.RED))
    assert get_overlay(target, "n", "k") == {
        "containers": [{"name": "main", "tty": False, "limits": {"gpu": 1}}, {"name": "side", "tty": False}],
        "color": "red",
    }


def test_dataclasses_inside_mappings() -> None:
    base: dict[str, Any] = {"containers": [{"name": "main", "image": "i"}]}
    apply_overlay(base, {JOIN("containers", on="name"): [Container("main", tty=True)]})
    assert base == {"containers": [{"name": "main", "image": "i", "tty": True}]}


def test_a_dataclass_itself_is_no_overlay(target: AppDef | Role) -> None:
    with pytest.raises(OverlayError, match="not a mapping"):
        set_overlay(target, "n", "k", Pod)  # type: ignore[arg-type]  # the mistake under test


# --- macros


def test_macros_are_substituted_at_every_depth() -> None:
    values = macros.Values(img_root="/img", app_id="app-1", replica_id="3", rank0_env="RANK0")
    overlay = {
        "labels": {"app": macros.app_id, "price": "$$5 $HOME ${other}"},
        PUT("args"): [[f"--id={macros.replica_id}"], 1],
    }
    before = copy.deepcopy(overlay)
    assert substitute_overlay(overlay, values) == {
        "labels": {"app": "app-1", "price": "$$5 $HOME ${other}"},
        "PUT(args)": [["--id=3"], 1],
    }  # fmt: skip
    assert overlay == before


def test_macros_in_keys_are_substituted() -> None:
    values = macros.Values(img_root="", app_id="app-1", replica_id="0", rank0_env="")
    assert substitute_overlay({f"x/{macros.app_id}": 1}, values) == {"x/app-1": 1}


def test_macros_in_files_are_substituted_when_applied(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text('labels: {id: "${app_id}-${replica_id}"}\n')
    role = Role(name="r", image="i", metadata={"n/k": str(tmp_path / "o.yaml")})
    values = macros.Values(img_root="", app_id="app-1", replica_id="2", rank0_env="")
    request: dict[str, Any] = {"labels": {"a": "b"}}
    OverlaySpec("n", "k").apply(request, role, values=values)
    assert request == {"labels": {"a": "b", "id": "app-1-2"}}


def test_keys_that_macros_make_equal_are_refused() -> None:
    with pytest.raises(OverlayError, match="the same once macros are replaced"):
        substitute_overlay({"labels": {"a": 1, f"a{macros.img_root}": 2}}, VALUES)


@pytest.mark.parametrize("key", ["image${img_root}", "${img_root}PUT(image)", "DEL(image${base_img_root})"])
def test_no_macro_gets_around_the_blocklist(target: AppDef | Role, key: str) -> None:
    spec = OverlaySpec("acme", "Pod", blocklist=("spec.image",))
    spec.set(target, {"spec": {key: "evil"}})
    request: dict[str, Any] = {"spec": {"image": "mine"}}
    with pytest.raises(OverlayError, match=r"^acme/Pod overlay may not set `spec\.image`$"):
        spec.apply(request, target, values=VALUES)
    assert request == {"spec": {"image": "mine"}}


# --- validating


@pytest.mark.parametrize(
    ("overlay", "offending"),
    [
        pytest.param({"spec": {"containers": []}}, "spec.containers", id="the-path"),
        pytest.param({"spec": {PUT("containers"): []}}, "spec.containers", id="put"),
        pytest.param({"spec": {JOIN("containers", on="name"): []}}, "spec.containers", id="join"),
        pytest.param({"spec": {DEL("containers"): None}}, "spec.containers", id="del"),
        pytest.param({"spec": {"containers": {"a": {"b": 1}}}}, "spec.containers.a.b", id="below-it"),
        pytest.param({PUT("spec"): {"x": 1}}, "`spec`", id="put-above"),
        pytest.param({DEL("spec"): None}, "`spec`", id="del-above"),
        pytest.param({"spec": None}, "`spec`", id="null-above"),
        pytest.param({"volumes": [{"x": 1}, {"name": 2}]}, "volumes.name", id="in-a-list-item"),
        pytest.param({JOIN("volumes", on="id"): [{"id": 0, PUT("name"): 2}]}, "volumes.name", id="in-a-joined-item"),
        pytest.param({"labels": {"app.io/name": "x"}}, "labels.app.io/name", id="key-with-dots"),
    ],
)
def test_blocked_paths(overlay: dict[str, Any], offending: str) -> None:
    with pytest.raises(OverlayError, match=f"^pod overlay may not set .*{offending}.*: use the role's field$"):
        validate_overlay(
            overlay,
            blocklist=["spec.containers", "volumes.name", "labels.app.io/name"],
            overlay_name="pod overlay",
            suggestion="use the role's field",
        )


@pytest.mark.parametrize(
    "overlay",
    [
        {},
        {"spec": {"other": 1, "containersX": 2}},
        {"containers": [1]},
        {"spec": {}},
        {DEL("other"): {"spec": 1}},
        {"x": {"spec": {"containers": 1}}},
    ],
    ids=["empty", "siblings", "elsewhere", "nothing-below", "value-of-del", "deeper"],
)
def test_what_is_not_blocked_passes(overlay: dict[str, Any]) -> None:
    validate_overlay(overlay, blocklist=["spec.containers"])
    validate_overlay(overlay)


@pytest.mark.parametrize(
    "overlay",
    [{"secret": 1}, {"a": [{"b": {PUT("secret"): 1}}]}, {DEL("secret"): None}, {PUT("a"): {"secret": 1}}],
    ids=["top", "deep", "del", "below-put"],
)
def test_forbidden_keys_at_any_depth(overlay: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^overlay may not set .*secret`$"):
        validate_overlay(overlay, forbidden_keys={"secret"})


def test_every_offending_path_is_named_once() -> None:
    with pytest.raises(UsageError) as e:
        validate_overlay({"a": [{"b": 1}, {"b": 2}], "c": 1, "ok": 2}, blocklist=["a.b"], forbidden_keys={"b", "c"})
    assert e.value.message == "overlay may not set `a.b`, `c`"


# --- OverlaySpec

SPEC = OverlaySpec("kubernetes", "V1Pod", blocklist=("spec.containers",))


def test_a_spec_sets_and_gets(target: AppDef | Role) -> None:
    SPEC.set(target, {"spec": {"priority": 1}})
    assert SPEC.get(target) == get_overlay(target, "kubernetes", "V1Pod") == {"spec": {"priority": 1}}


def test_a_spec_refuses_what_is_blocked_when_set_and_when_got(target: AppDef | Role) -> None:
    with pytest.raises(OverlayError, match=r"kubernetes/V1Pod overlay may not set `spec\.containers`"):
        SPEC.set(target, {"spec": {"containers": []}})
    assert SPEC.get(target) == {}
    metadata(target)["kubernetes"] = {"spec": {"containers": []}}
    with pytest.raises(OverlayError, match=r"spec\.containers"):
        SPEC.get(target)


def test_a_spec_is_a_value() -> None:
    assert OverlaySpec("n", "k") == OverlaySpec(namespace="n", kind="k", blocklist=())
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPEC.kind = "other"  # type: ignore[misc]  # the mistake under test


def test_the_role_has_the_last_word_over_the_app() -> None:
    role = Role(name="r", image="i")
    app = AppDef(name="a", roles=[role])
    SPEC.set(app, {"spec": {"priority": 1, "tolerations": ["app"], "hostNetwork": True}})
    SPEC.set(role, {"spec": {"priority": 2, "tolerations": ["role"], DEL("hostNetwork"): None}})
    request: dict[str, Any] = {"kind": "Pod", "spec": {"tolerations": ["base"]}}
    SPEC.apply(request, app, role)
    assert request == {"kind": "Pod", "spec": {"tolerations": ["base", "app", "role"], "priority": 2}}
