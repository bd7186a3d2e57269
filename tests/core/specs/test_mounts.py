from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.specs import BindMount, DeviceMount, VolumeMount, parse_mounts


@pytest.mark.parametrize(
    ("opts", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["type=bind", "src=/a", "dst=/b"], [BindMount("/a", "/b")], id="bind"),
        pytest.param(["type=bind", "src=/a", "dst=/b", "readonly"], [BindMount("/a", "/b", True)], id="readonly"),
        pytest.param(["type=bind", "src=/a", "dst=/b", "ro=false"], [BindMount("/a", "/b")], id="readonly-false"),
        pytest.param(["type=volume", "src=v", "dst=/b", "readonly=true"], [VolumeMount("v", "/b", True)], id="volume"),
        pytest.param(["type=device", "src=/dev/x"], [DeviceMount("/dev/x", "/dev/x")], id="device"),
        pytest.param(
            ["type=device", "src=/dev/x", "dst=/dev/y", "perm=rw"],
            [DeviceMount("/dev/x", "/dev/y", "rw")],
            id="device-with-permissions",
        ),
        pytest.param(
            ["type=bind", "source=/a", "target=/b", "type=volume", "source=v", "destination=/c"],
            [BindMount("/a", "/b"), VolumeMount("v", "/c")],
            id="two-by-long-names",
        ),
        pytest.param(
            ["type=bind,src=/a,dst=/b,readonly", "type=volume,src=v,dst=/c"],
            [BindMount("/a", "/b", True), VolumeMount("v", "/c")],
            id="one-an-element",
        ),
        pytest.param(["type=bind", "src=/a,b=c d", "dst=/é"], [BindMount("/a,b=c d", "/é")], id="hostile-paths"),
    ],
)
def test_mounts_are_read(opts: list[str], expected: list[BindMount | VolumeMount | DeviceMount]) -> None:
    assert parse_mounts(opts) == expected


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        pytest.param(["src=/a"], "`src` comes before `type=`", id="type-not-first"),
        pytest.param(["type=bnid", "src=/a"], "unknown mount type `bnid`", id="unknown-type"),
        pytest.param(["type"], "unknown mount type ``", id="no-type"),
        pytest.param(["type=bind", "sorce=/a"], "unknown mount option `sorce`", id="unknown-key"),
        pytest.param(["type=bind", "dst=/a"], "a bind mount needs `src=`", id="no-source"),
        pytest.param(["type=volume", "src=v"], "a volume mount needs `dst=`", id="no-destination"),
        pytest.param(["type=bind", "src=", "dst=/b"], "a bind mount needs `src=`", id="empty-source"),
        pytest.param(["type=device", "src=/d", "dst="], "a device mount needs `dst=`", id="empty-destination"),
        pytest.param(["type=bind", "src=/a", "src=/b"], "`src` is given twice", id="twice"),
        pytest.param(["type=bind", "src=/a", "dst=/b", "readonly=maybe"], "`readonly` is `maybe`", id="bad-bool"),
        pytest.param(["type=bind", "src=/a", "dst=/b", "perm=r"], "takes no option `perm`", id="not-for-bind"),
        pytest.param(["type=device", "src=/a", "readonly"], "takes no option `readonly`", id="not-for-device"),
        pytest.param(["type=device", "src=/a", "perm=rx"], "`perm` is `rx`", id="bad-permissions"),
        pytest.param(["type=device", "src=/a", "perm"], "`perm` is ``", id="no-permissions"),
    ],
)
def test_a_malformed_mount_is_named(opts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_mounts(opts)
    assert isinstance(caught.value, UsageError)


def test_the_nearest_type_is_proposed() -> None:
    with pytest.raises(UsageError) as caught:
        parse_mounts(["type=volum", "src=a", "dst=b"])
    assert caught.value.hint == "did you mean `volume`?"


_PATHS = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text == text.strip()
)
_MOUNTS = st.one_of(
    st.builds(BindMount, _PATHS, _PATHS, st.booleans()),
    st.builds(VolumeMount, _PATHS, _PATHS, st.booleans()),
    st.builds(DeviceMount, _PATHS, _PATHS, st.sampled_from(["r", "rw", "rwm", "m"])),
)


def _write(mount: BindMount | VolumeMount | DeviceMount) -> list[str]:
    if isinstance(mount, BindMount):
        return ["type=bind", f"src={mount.src_path}", f"dst={mount.dst_path}", f"readonly={mount.read_only}"]
    if isinstance(mount, VolumeMount):
        return ["type=volume", f"src={mount.src}", f"dst={mount.dst_path}", f"readonly={mount.read_only}"]
    return ["type=device", f"src={mount.src_path}", f"dst={mount.dst_path}", f"perm={mount.permissions}"]


@given(st.lists(_MOUNTS, max_size=4))
def test_what_is_written_is_read_again(mounts: list[BindMount | VolumeMount | DeviceMount]) -> None:
    assert parse_mounts([option for mount in mounts for option in _write(mount)]) == mounts


@given(st.lists(st.text(alphabet="type=bindsrcdvoluma,/ "), max_size=6))
def test_any_text_is_read_or_refused(opts: list[str]) -> None:
    try:
        parse_mounts(opts)
    except UsageError as e:
        assert str(e)
