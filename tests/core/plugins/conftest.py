"""Real distributions, written into a temporary site folder that is put on ``sys.path``."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.installed import forget_modules
from torchx.plugins import PluginManager, get_plugin_manager, reset_plugin_manager
from torchx.plugins._registry import STORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENVIRONMENT = ("TORCHX_DISABLE_PLUGINS", "TORCHX_PLUGINS_SOURCE", "TORCHXCONFIG")


class Site:
    """A site folder with distributions in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, path: str, source: str) -> None:
        """Writes one file below the folder."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))

    def dist(
        self,
        name: str,
        version: str = "1.0",
        *,
        groups: Mapping[str, Mapping[str, str]] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Installs a distribution: its metadata with entry points by group, and its files."""
        lines = []
        for group, points in (groups or {}).items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items()), ""]
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        self.write(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        self.write(f"{info}/entry_points.txt", "\n".join(lines))
        for path, source in (files or {}).items():
            self.write(path, source)

    def plugin(self, name: str, source: str, version: str = "1.0", **files: str) -> None:
        """Installs a distribution with a plugin module of the given source, and further modules by name."""
        module = f"{_identifier(name)}_plugin"
        self.dist(
            name,
            version,
            groups={"torchx.plugins": {name: module}},
            files={f"{module}.py": source, **{f"{key}.py": text for key, text in files.items()}},
        )

    def scheduler(self, name: str, scheduler: str, version: str = "1.0") -> None:
        """Installs a distribution whose plugin adds one scheduler that works."""
        code = f"{_identifier(name)}_code"
        self.plugin(
            name,
            f"""
            from torchx.plugins import SchedulerPlugin, hookimpl

            @hookimpl
            def torchx_schedulers():
                return [SchedulerPlugin(name={scheduler!r}, factory="{code}:create", summary="from {name}")]
            """,
            version,
            **{code: f"def create(session_name, **kwargs):\n    return {name!r}, session_name, kwargs\n"},
        )

    def manager(self) -> PluginManager:
        """The process's manager, which looks at the folder anew."""
        importlib.invalidate_caches()
        reset_plugin_manager()
        return get_plugin_manager()

    def python(self, code: str, **environment: str) -> str:
        """Runs code in a fresh interpreter that has the folder on its path; returns what it prints."""
        inherited = {key: value for key, value in os.environ.items() if key not in ENVIRONMENT}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={**inherited, "PYTHONPATH": str(self.folder), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site folder on ``sys.path``; all that tests import from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(folder))
    # A thread of an earlier test may have imported something after that test's end.
    forget_modules(tmp_path_factory.getbasetemp())
    registered = set(STORE.modules())
    yield Site(folder)
    forget_modules(folder)
    for name in set(STORE.modules()) - registered:
        STORE.discard(name)
    reset_plugin_manager()


def _identifier(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
