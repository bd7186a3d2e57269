"""Finding components by the names that users type."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import torchx.components
from torchx.errors import TorchXError
from torchx.plugins.errors import DuplicatePluginError, PluginLoadError
from torchx.plugins.manager import reset_plugin_manager
from torchx.specs import AppDef, materialize_appdef
from torchx.specs.finder import (
    ComponentLoadError,
    ComponentNotFoundException,
    ComponentValidationException,
    CustomComponentsFinder,
    ModuleComponentsFinder,
    get_builtin_source,
    get_component,
    get_components,
    is_namespace_package,
    is_package,
    module_relname,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Write = Callable[[str, str], Path]

COMPONENT = '''
from torchx.specs import AppDef, Role

def helper(x):
    return x

def trainer(script: str, count: int = 1) -> AppDef:
    """Trains
    a model.

    Args:
        script: the script
    """
    return AppDef("t", [Role("r", "", entrypoint="echo", args=[script, str(count)])])

def _private(x: str) -> AppDef:
    raise AssertionError
'''

BUILT_IN = [
    "dist.ddp",
    "dist.spmd",
    "dist.torchrun",
    "metrics.tensorboard",
    "serve.torchserve",
    "utils.binary",
    "utils.booth",
    "utils.copy",
    "utils.echo",
    "utils.hydra",
    "utils.python",
    "utils.sh",
    "utils.touch",
]


@pytest.fixture(autouse=True)
def _unchanged_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("my_", "torchx_component_", "their_")):
            del sys.modules[name]
    reset_plugin_manager()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return write


@pytest.fixture
def install(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes a real distribution with entry points of components in a folder on sys.path."""

    def install(dist: str, entry_points: str) -> None:
        info = f"site/{dist.replace('-', '_')}-1.0.dist-info"
        write(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        write(f"{info}/entry_points.txt", f"[torchx.components]\n{entry_points}\n")
        site = str(tmp_path / "site")
        if site not in sys.path:
            monkeypatch.syspath_prepend(site)
        reset_plugin_manager()

    return install


def _args(name: str, *argv: str) -> list[str]:
    return materialize_appdef(get_component(name).fn, list(argv)).roles[0].args


def test_all_built_in_components_are_listed() -> None:
    components = get_components()
    assert [name for name in components if name.partition(".")[0] in ("dist", "metrics", "serve", "utils")] == BUILT_IN
    assert all(component.description for component in components.values())


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_components_pass_the_linter(name: str) -> None:
    from torchx.specs.file_linter import ArgTypeValidator, ReturnTypeValidator

    assert get_component(name, [ArgTypeValidator(), ReturnTypeValidator("AppDef")]).name == name


def test_a_registered_component() -> None:
    component = get_component("utils.echo")
    assert component.fn_name == "echo"
    assert component.description == "Prints a message."
    assert _args("utils.echo", "--msg", "hi") == ["hi"]


HEAVY = {
    *(
        "argparse",
        "dataclasses",
        "docstring_parser",
        "fsspec",
        "importlib.metadata",
        "inspect",
        "json",
        "logging",
        "re",
    ),
    *("subprocess", "typing", "torchx.components.dist", "torchx.specs.file_linter"),
}


def test_a_dry_run_imports_nothing_that_is_heavy_and_no_other_group() -> None:
    code = (
        "import sys\n"
        "from torchx.specs import materialize_appdef\n"
        "from torchx.specs.finder import get_component\n"
        "materialize_appdef(get_component('utils.echo').fn, ['--msg', 'x', '--num_replicas', '2'])\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert not set(done.stdout.split()) & HEAVY


def test_a_file(write: Write) -> None:
    path = write("dir with space/my_file.py", COMPONENT)
    assert _args(f"{path}:trainer", "--script", "x") == ["x", "1"]
    assert get_component(f"{path}:trainer").description == "Trains a model."


def test_a_file_in_the_current_folder_and_in_the_home_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("my_file.py", COMPONENT)
    assert _args("my_file.py:trainer", "--script", "x") == ["x", "1"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _args("~/my_file.py:trainer", "--script", "y") == ["y", "1"]


def test_a_file_is_read_anew(write: Write) -> None:
    write("my_file.py", COMPONENT)
    assert _args("my_file.py:trainer", "--script", "x") == ["x", "1"]
    write("my_file.py", COMPONENT.replace("count: int = 1", "count: int = 2"))
    assert _args("my_file.py:trainer", "--script", "x") == ["x", "2"]


def test_a_file_finds_the_modules_beside_it(write: Write) -> None:
    write("sub/my_helper.py", "NAME = 'beside'\n")
    write("sub/my_file.py", "import my_helper\n" + COMPONENT.replace("str(count)", "my_helper.NAME"))
    assert _args("sub/my_file.py:trainer", "--script", "x") == ["x", "beside"]


def test_a_file_with_dataclasses_and_postponed_annotations(write: Write) -> None:
    write(
        "my_file.py",
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from torchx.specs import AppDef, Role\n"
        "@dataclass\n"
        "class Job:\n"
        "    'A job.'\n"
        "    msg: str\n"
        "    times: int | None = None\n"
        "    def build(self) -> AppDef:\n"
        "        return AppDef('j', [Role('r', '', args=[self.msg, repr(self.times)])])\n",
    )
    assert _args("my_file.py:Job", "--msg", "a", "--times", "3") == ["a", "3"]


@pytest.mark.parametrize("form", ["my_pkg.sub.mod:trainer", "my_pkg.sub.mod.trainer"])
def test_a_module_in_the_current_folder(write: Write, form: str) -> None:
    write("my_pkg/sub/mod.py", COMPONENT)
    assert _args(form, "--script", "x") == ["x", "1"]


def test_a_function_made_at_run_time(write: Write) -> None:
    write("my_file.py", f"{COMPONENT}\nimport functools\nmade = functools.wraps(trainer)(lambda *a: trainer(*a))\n")
    assert _args("my_file.py:made", "--script", "x") == ["x", "1"]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        pytest.param("utils.ehco", "no component `utils.ehco`", "`utils.echo`", id="misspelt"),
        pytest.param("echo", "no component `echo`", "`utils.echo`", id="without-prefix"),
        pytest.param("no.such.thing", "no component `no.such.thing`", "torchx builtins", id="nothing-near"),
        pytest.param("", "no component ``", "torchx builtins", id="empty"),
        pytest.param("utils.", "no component `utils.`", None, id="group-alone"),
        pytest.param("..", "no component `..`", None, id="dots"),
        pytest.param("utils._path", "no component `utils._path`", None, id="private"),
        pytest.param("missing.py:fn", "cannot read component file `missing.py`: No such file", None, id="no-file"),
        pytest.param(".:fn", "there is no module `.`", None, id="dot"),
        pytest.param("./:fn", "cannot read component file `./`: Is a directory", None, id="folder"),
        pytest.param("a\0b.py:fn", "cannot read component file", None, id="null-byte"),
        pytest.param("my_file.py", "`my_file.py` names no component", "my_file.py:FUNCTION", id="file-alone"),
        pytest.param("my_file.py:", "malformed component name `my_file.py:`", "FUNCTION", id="no-function"),
        pytest.param(":fn", "malformed component name `:fn`", "FUNCTION", id="no-file-name"),
        pytest.param("my_file.py:trianer", "has no component `trianer`", "`trainer`", id="misspelt-function"),
        pytest.param("my_file:trianer", "has no component `trianer`", "`trainer`", id="misspelt-in-module"),
        pytest.param("os.getcwd", "no component `os.getcwd`", None, id="written-in-c"),
        pytest.param("os:getcwd", "module `os` has no component `getcwd`", None, id="written-in-c-in-module"),
        pytest.param("no_such_mod:fn", "there is no module `no_such_mod`", None, id="no-module"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(write: Write, name: str, message: str, hint: str | None) -> None:
    write("my_file.py", COMPONENT)
    with pytest.raises(ComponentNotFoundException) as caught:
        get_component(name)
    assert message in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("def trainer(x) -> AppDef: ...", "`x` has no type annotation", id="untyped"),
        pytest.param("def trainer(x: object) -> AppDef: ...", "type `object`", id="unsupported-type"),
        pytest.param("def trainer(**kw: str) -> AppDef: ...", "`**kw`", id="keywords"),
        pytest.param("def trainer(x: str): ...", "no return annotation", id="no-return"),
        pytest.param("def trainer(x: str) -> int: ...", "return `int`", id="wrong-return"),
        pytest.param("def trainer(x: str -> AppDef: ...", "not valid Python", id="syntax"),
        pytest.param("\0", "not valid Python", id="null-byte"),
        pytest.param("class trainer: ...", "no method `build`", id="class"),
    ],
)
def test_an_invalid_component_is_refused_before_its_file_runs(write: Write, source: str, reason: str) -> None:
    write("my_file.py", f"raise AssertionError\n{source}\n")
    with pytest.raises(ComponentValidationException) as caught:
        get_component("my_file.py:trainer")
    assert reason in caught.value.message
    assert "my_file.py" in caught.value.message


def test_validators_can_be_left_out(write: Write) -> None:
    write("my_file.py", "from torchx.specs import AppDef\ndef trainer(x):\n    return AppDef(x)\n")
    component = get_component("my_file.py:trainer", [])
    assert materialize_appdef(component.fn, ["--x", "name"]).name == "name"


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        pytest.param("import not_there_at_all", "not_there_at_all", id="missing-import"),
        pytest.param("1 / 0", "ZeroDivisionError", id="raises"),
        pytest.param("raise SystemExit(3)", "SystemExit: 3", id="exits"),
    ],
)
@pytest.mark.parametrize("name", ["my_file.py:trainer", "my_file:trainer", "my_file.trainer"])
def test_a_file_that_fails_to_import_is_told_with_its_cause(write: Write, name: str, source: str, cause: str) -> None:
    write("my_file.py", f"{COMPONENT}\n{source}\n")
    with pytest.raises(ComponentLoadError) as caught:
        get_component(name)
    assert "my_file" in caught.value.message
    assert cause in caught.value.message
    assert caught.value.__cause__ is not None


def test_a_plugin_adds_components_and_hides_none(write: Write, install: Callable[[str, str], None]) -> None:
    write("site/my_plugin/__init__.py", "")
    write("site/my_plugin/train.py", COMPONENT)
    write("site/my_plugin/broken.py", "1 / 0")
    install("my-plugin", "myco = my_plugin")
    names = list(get_components())
    assert "myco.train.trainer" in names
    assert set(BUILT_IN) < set(names)
    assert not [name for name in names if "helper" in name or "private" in name]
    assert _args("myco.train.trainer", "--script", "x") == ["x", "1"]
    with pytest.raises(ComponentLoadError, match="ZeroDivisionError"):
        get_component("myco.broken.trainer")


def test_groups_called_underscore_and_a_number_have_no_prefix(
    write: Write, install: Callable[[str, str], None]
) -> None:
    write("site/my_plain.py", COMPONENT)
    write("site/their_plain.py", COMPONENT.replace("def trainer", "def sweeper"))
    install("my-plain", "_0 = my_plain\n_1 = their_plain")
    assert {"trainer", "sweeper"} <= set(get_components())
    assert _args("trainer", "--script", "x") == ["x", "1"]
    assert _args("sweeper", "--script", "x") == ["x", "1"]


@pytest.mark.parametrize(
    "name",
    ["utils.join", "utils.resource", "utils.parse_mounts", "dist.parse_shape", "utils.torchx.errors.nearest"],
)
def test_what_a_component_module_merely_imports_is_no_component(name: str) -> None:
    with pytest.raises(ComponentNotFoundException, match="no component"):
        get_component(name)


REEXPORTING = """
import functools
import typing
from my_elsewhere import Job, ddp, handed_on, helper, plain, shout
from my_pkg._impl import within
from my_pkg import jobs

__all__ = ["handed_on"]
made = shout(ddp)
named = functools.wraps(ddp)(lambda *a: ddp(*a))
bound = functools.partial(ddp, "x")
"""

ELSEWHERE = """
from torchx.specs import AppDef

def helper(x: str) -> str:
    return x

def plain(x: str):
    return AppDef(x)

def ddp(x: str) -> AppDef:
    return AppDef(x)

def handed_on(x: str):
    return AppDef(x)

def shout(fn):
    def loud(x: str) -> AppDef:
        return fn(x)
    return loud

class Job:
    def build(self) -> AppDef:
        return AppDef("job")
"""


@pytest.fixture
def reexporting(write: Write, install: Callable[[str, str], None]) -> None:
    write("site/my_elsewhere.py", ELSEWHERE)
    write("site/my_pkg/_impl.py", ELSEWHERE.replace("def ddp", "def within"))
    write("site/my_pkg/jobs.py", REEXPORTING.replace("from my_pkg import jobs", ""))
    write("site/my_pkg/__init__.py", REEXPORTING)
    install("my-dist", "my = my_pkg")


@pytest.mark.usefixtures("reexporting")
@pytest.mark.parametrize(
    "name",
    ["ddp", "Job", "handed_on", "within", "made", "named", "bound", "jobs.handed_on", "jobs.within", "jobs.made"],
)
def test_what_a_group_re_exports_or_makes_is_a_component(name: str) -> None:
    assert callable(get_component(f"my.{name}", []).fn)


@pytest.mark.usefixtures("reexporting")
@pytest.mark.parametrize(
    "name", ["helper", "plain", "shout", "jobs.helper", "jobs.ddp", "jobs.Job", "jobs.typing.cast"]
)
def test_what_a_group_merely_imports_is_no_component(name: str) -> None:
    with pytest.raises(ComponentNotFoundException, match="no component"):
        get_component(f"my.{name}", [])


def test_a_single_function_as_entry_point(write: Write, install: Callable[[str, str], None]) -> None:
    write("site/my_single.py", COMPONENT)
    install("my-single", "train.it = my_single:trainer")
    assert "train.it" in get_components()
    assert _args("train.it", "--script", "x") == ["x", "1"]


def test_a_broken_plugin_hides_only_itself(write: Write, install: Callable[[str, str], None]) -> None:
    write("site/my_broken.py", "1 / 0")
    install("my-broken", "bad = my_broken\n_0 = my_broken")
    assert set(BUILT_IN) <= set(get_components())
    assert _args("utils.echo") == ["hello world"]
    with pytest.raises(PluginLoadError, match="my-broken"):
        get_component("bad.trainer")
    with pytest.raises(PluginLoadError, match="my-broken"):
        get_component("trainer")
    with pytest.raises(ComponentNotFoundException):
        get_component("os.path.no_such")


def test_two_plugins_with_one_name_are_an_error_when_it_is_used(
    write: Write, install: Callable[[str, str], None]
) -> None:
    write("site/my_one.py", COMPONENT)
    write("site/their_one.py", COMPONENT)
    install("my-one", "same = my_one")
    install("their-one", "same = their_one")
    assert set(BUILT_IN) <= set(get_components())
    with pytest.raises(DuplicatePluginError, match="my-one"):
        get_component("same.trainer")


def test_the_finders_return_what_is_wrong(write: Write) -> None:
    path = write("my_file.py", "from torchx.specs import AppDef\ndef f(x) -> AppDef: ...\ndef g() -> AppDef: ...\n")
    (component,) = CustomComponentsFinder(str(path), "f").find(None)
    assert len(component.validation_errors) == 1
    with pytest.raises(ComponentValidationException):
        component.fn()
    found = ModuleComponentsFinder("my_file", "grp").find(None)
    assert [(c.name, bool(c.validation_errors)) for c in found] == [("grp.f", True), ("grp.g", False)]
    with pytest.raises(ComponentNotFoundException, match="no_such_module"):
        ModuleComponentsFinder("no_such_module", "").find(None)


def test_module_names_and_kinds() -> None:
    import torchx.components.utils as module

    assert module_relname(module, torchx.components) == "utils"
    assert module_relname(module, module) == ""
    with pytest.raises(ValueError, match="is not in"):
        module_relname(torchx.components, module)
    assert is_package(torchx.components)
    assert not is_package(module)
    assert not is_namespace_package(torchx.components)


def test_a_namespace_package(write: Write) -> None:
    import importlib

    write("my_namespace/mod.py", COMPONENT)
    sys.path.append("")
    namespace = importlib.import_module("my_namespace")
    assert is_namespace_package(namespace)
    assert not is_package(namespace)
    assert [c.name for c in ModuleComponentsFinder(namespace, "").find(None)] == ["mod.trainer"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_source_of_a_component_is_a_component_of_its_own(write: Write, name: str) -> None:
    write("my_copy.py", get_builtin_source(name))
    copied = get_component(f"my_copy.py:{name.rpartition('.')[2]}")
    assert callable(copied.fn)
    assert copied.description == get_component(name).description


def test_a_copied_component_makes_the_same_app(write: Write) -> None:
    write("my_copy.py", get_builtin_source("dist.ddp"))
    argv = ["-j", "2x2", "--script", "a.py", "--", "-x"]
    copied: AppDef = materialize_appdef(get_component("my_copy.py:ddp").fn, argv)
    assert copied == materialize_appdef(get_component("dist.ddp").fn, argv)


def test_errors_are_torchx_errors() -> None:
    for error in (ComponentNotFoundException, ComponentValidationException, ComponentLoadError):
        assert issubclass(error, TorchXError)
