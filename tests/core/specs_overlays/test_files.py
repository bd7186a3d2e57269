from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.specs.overlays import OverlayError, load_overlay

YAML = """
# operators are written as they print
spec:
  PUT(tolerations):
    - {key: spot}
  JOIN(containers, on=name):
    - name: main
      DEL(env):
  hostNetwork: yes
  priority: null
"""
OVERLAY = {
    "spec": {
        "PUT(tolerations)": [{"key": "spot"}],
        "JOIN(containers, on=name)": [{"name": "main", "DEL(env)": None}],
        "hostNetwork": True,
        "priority": None,
    }
}


@pytest.mark.parametrize("scheme", ["", "file://"], ids=["path", "file-uri"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("o.json", json.dumps(OVERLAY)), ("o.yaml", YAML), ("o.yml", YAML)],
    ids=["json", "yaml", "yml"],
)
def test_local_files(tmp_path: Path, scheme: str, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert load_overlay(f"{scheme}{path}") == OVERLAY


def test_other_file_systems() -> None:
    with fsspec.open("memory://overlays/o.yaml", "w") as file:
        file.write(YAML)
    assert load_overlay("memory://overlays/o.yaml") == OVERLAY


def test_a_path_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "o.json").write_text('{"a": 1}')
    assert load_overlay("~/o.json") == {"a": 1}


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"], ids=["empty", "comment", "empty-mapping"])
def test_an_empty_file_is_an_empty_overlay(tmp_path: Path, text: str) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(text)
    assert load_overlay(str(path)) == {}


def test_yaml_merge_keys_and_aliases(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nsame: *b\n")
    assert load_overlay(str(path)) == {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}, "same": {"x": 1, "y": 2}}


BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
"""Twelve lines that stand for 9^11 values."""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("o.json", "", r"is not JSON: .*line 1", id="json-empty"),
        pytest.param("o.json", '{"a": 1,\n "b": }', r"is not JSON: .*line 2", id="json-syntax"),
        pytest.param("o.json", '{"x": {"a": 1, "a": 2}}', r"key 'a' twice", id="json-twice"),
        pytest.param("o.json", "[1]", r"does not hold a mapping", id="json-list"),
        pytest.param("o.json", "null", r"does not hold a mapping", id="json-null"),
        pytest.param("o.json", "[" * 100_000, r"nested deeper", id="json-deep"),
        pytest.param("o.yaml", "a: 1\nb: [", r"is not YAML: .*line 2", id="yaml-syntax"),
        pytest.param(
            "o.yaml", "x:\n  a: 1\n  b: 0\n  a: 2\n", r"is not YAML: .*'a' stands twice .*line 2", id="yaml-twice"
        ),
        pytest.param("o.yaml", "- 1\n", r"does not hold a mapping", id="yaml-list"),
        pytest.param(
            "o.yaml",
            "a: !!python/object/apply:os.system ['touch pwned']\n",
            r"is not YAML: .*python/object",
            id="yaml-tag",
        ),
        pytest.param("o.yaml", "a: 1\n---\nb: 2\n", r"is not YAML: .*single document", id="yaml-documents"),
        pytest.param("o.yaml", "x:\n  1: a\n", r"key 1 under x is no string", id="yaml-number-as-key"),
        pytest.param("o.yaml", "x:\n  since: 2024-01-01\n", r"x.since is a date", id="yaml-date"),
        pytest.param("o.yaml", "x: 2024-99-99\n", r"is not YAML: .*month", id="yaml-no-date"),
        pytest.param("o.yaml", "x: !!binary aGk=\n", r"x is a bytes", id="yaml-binary"),
        pytest.param("o.yaml", "x: &x [*x]\n", r"nested deeper", id="yaml-loop"),
        pytest.param("o.yaml", BOMB, r"over 100000", id="yaml-bomb"),
        pytest.param("o.yaml", "? [a]\n: 1\n", r"is not YAML", id="yaml-list-as-key"),
        pytest.param("o.json", '{"x": {"a": NaN}}', r"x.a is nan, a number", id="json-nan"),
        pytest.param("o.json", '{"x": [-Infinity]}', r"x is -inf, a number", id="json-infinity"),
        pytest.param("o.json", '{"x": 1e999}', r"x is inf, a number", id="json-too-large"),
        pytest.param("o.yaml", "x: .nan\n", r"x is nan, a number", id="yaml-nan"),
        pytest.param("o.toml", "a = 1", r"unknown kind", id="unknown-suffix"),
    ],
)
def test_bad_files_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(OverlayError, match=f"'{name}'.*{message}"):
        load_overlay(name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "uri",
    ["missing/o.json", "file:///missing/o.yaml", "nosuchprotocol://x/o.yaml"],
    ids=["path", "uri", "unknown-protocol"],
)
def test_files_that_cannot_be_read(uri: str) -> None:
    with pytest.raises(OverlayError, match=f"cannot read overlay file '{uri}'"):
        load_overlay(uri)


@pytest.mark.parametrize("name", ["o.yaml", "o.json", "o.txt", "o"])
def test_errors_do_not_tell_the_password_of_a_uri(name: str) -> None:
    with pytest.raises(OverlayError) as e:
        load_overlay(f"nosuchprotocol://me:hunter2@host/{name}")
    assert "hunter2" not in str(e.value)
    assert f"host/{name}" in str(e.value)


@pytest.mark.parametrize(("name", "text"), [("o.json", '{"a": 1}'), ("o.yaml", "a: 1")], ids=["json", "yaml"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_overlay(str(path)) == {"a": 1}


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "o.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(OverlayError, match=r"cannot read overlay file .*utf-8"):
        load_overlay(str(path))


@given(st.sampled_from(["o.json", "o.yaml"]), st.text(max_size=60) | st.text("{}[]:&*!<?-|>'\"\n ab1", max_size=60))
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    uri = f"memory://fuzz/{name}"
    with fsspec.open(uri, "wb") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(load_overlay(uri), dict)
    except OverlayError as e:
        assert uri in str(e)
