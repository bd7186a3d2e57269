"""What the README, the pages of the documentation and the docstrings show is run, all of it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import runpy
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import torchx
from tests.packaging.blocks import Block, read_blocks
from tests.packaging.pages import CHECKED, EXECUTED, ROOT, check_form, run_page
from torchx.plugins import PluginType, hookspecs, registry
from torchx.plugins._markers import LIFECYCLE_HOOKS
from torchx.plugins._missing import PLANNED, official_distributions
from torchx.util.configfile import toml_loads

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "packages").glob("*/README.md")),
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts),
]
PROSE = {"text", "gitignore", "dockerfile"}
DEV_COMMANDS = {
    "git clone <this repository> torchx && cd torchx && python3 dev.py demo",
    "python3 dev.py test",
}
"""The two commands of the README: they are run on a clone of the repository, by a test of their own."""


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def is_dev_command(block: Block) -> bool:
    return block.language == "console" and block.text.strip().removeprefix("$ ") in DEV_COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_has_a_language_that_is_run_or_checked(page: Path) -> None:
    for block in read_blocks(page):
        known = block.language.startswith("{") or block.language in EXECUTED | CHECKED | PROSE
        assert known, f"{page_id(page)}:{block.line}: nothing would check a block of `{block.language}`"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_pages_do_what_they_show(page: Path, tmp_path: Path) -> None:
    blocks = [b for b in read_blocks(page) if (b.path or b.language in EXECUTED) and not is_dev_command(b)]
    if not any(b.language in EXECUTED for b in blocks):
        return
    done = run_page(page_id(page), blocks, tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def shown_project(page: Path) -> dict[str, Any] | None:
    """The ``pyproject.toml`` of a page's plugin; None where the page has none."""
    for block in read_blocks(page):
        if block.path == "pyproject.toml" and "[project]" in block.text:
            return toml_loads(block.text)
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if shown_project(page)], ids=page_id)
def test_shown_plugins_can_be_built_and_say_what_they_need(page: Path) -> None:
    project = shown_project(page)
    assert project is not None
    assert project["build-system"]["build-backend"] == "hatchling.build"
    assert "torchx-core" in project["project"]["dependencies"]
    module = project["project"]["name"].replace("-", "_")
    points = project["project"]["entry-points"]["torchx.plugins"]
    assert {value.partition(".")[0] for value in points.values()} == {module}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_configuration_blocks_are_well_formed(page: Path) -> None:
    for block in read_blocks(page):
        check_form(block)


def test_the_readme_begins_with_the_two_commands() -> None:
    commands = [b.text.strip().removeprefix("$ ") for b in read_blocks(ROOT / "README.md")[:2]]
    assert set(commands) == DEV_COMMANDS


def test_the_commands_of_the_readme_work_on_a_clone(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TORCHX", "PYTEST", "VIRTUAL_ENV"))}
    environment["TORCHX_HOME"] = str(tmp_path / "home")
    clone = tmp_path / "torchx"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=120)

    def dev(*args: str) -> str:
        done = subprocess.run(
            [sys.executable, "dev.py", *args],
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    demo = dev("demo")
    assert "echo/0 hello from TorchX" in demo
    assert "SUCCEEDED" in demo
    assert " passed" in dev("test", "tests/core/specs/test_handle.py")


def test_links_of_the_readme_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (ROOT / target).exists(), f"{page.name} links to {target}"


def test_pictures_are_those_that_their_source_draws(tmp_path: Path) -> None:
    drawing = runpy.run_path(str(ROOT / "docs/pictures/draw.py"))
    drawing["draw"](tmp_path)
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_text() for path in (ROOT / "docs/pictures").glob("*.svg")}


def test_every_hook_command_and_scheduler_has_a_page() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("torchx_")]
    builtin = [entry for entry in registry() if entry.dist == "torchx-core"]
    commands = [entry.name for entry in builtin if entry.kind is PluginType.COMMAND]
    schedulers = [e.name for e in registry() if e.kind is PluginType.SCHEDULER and e.dist.startswith("torchx-")]
    for folder, names in {"hooks": hooks, "cli": commands, "schedulers": schedulers}.items():
        pages = {page.stem for page in (ROOT / "docs/reference" / folder).glob("*.md")}
        assert set(names) | {"index"} == pages


def test_what_is_called_planned_is_what_registers_nothing_yet() -> None:
    def registers(dist: str) -> bool:
        return "@hookimpl" in (ROOT / "packages" / dist / "src" / dist.replace("-", "_") / "plugin.py").read_text()

    assert {dist for dist in official_distributions() if not registers(dist)} == PLANNED
    table = re.findall(r"^\|.*\| `(torchx-\w+)` \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {dist for dist, today in table if today == "planned"} == PLANNED


@pytest.mark.parametrize("name", [name for name in vars(hookspecs) if name.startswith("torchx_")])
def test_examples_of_hooks_are_valid(name: str) -> None:
    """The example in a hook's docstring defines an implementation that gives what the hook's callers expect."""
    example = textwrap.dedent(inspect.getdoc(getattr(hookspecs, name)).partition(".. code-block:: python\n")[2])  # type: ignore[union-attr]  # each has one
    namespace: dict[str, Any] = {}
    exec(compile(example, name, "exec"), namespace)
    hook = namespace[name]
    if name in LIFECYCLE_HOOKS:
        assert len(inspect.signature(hook).parameters) == 1
    else:
        assert all(f"torchx_{plugin.kind.value}" == name for plugin in hook())


def public_modules() -> list[str]:
    names = [m.name for m in pkgutil.walk_packages(torchx.__path__, "torchx.")]
    return ["torchx", *(name for name in names if not name.endswith("__main__"))]


OPTIONAL = {"opentelemetry", "mlflow", "torch", "IPython", "pytest", "hypothesis"}


@pytest.mark.parametrize("name", public_modules())
def test_examples_in_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name is not None and error.name.partition(".")[0] in OPTIONAL
        return
    failures, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failures == 0
