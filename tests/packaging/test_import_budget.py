"""What may be loaded: each command pays for every module that it imports, whether it needs it or not."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LIGHT = frozenset(
    {
        *("__future__", "abc", "collections", "collections.abc", "copy", "copyreg", "enum", "functools", "gc"),
        *("importlib", "importlib._abc", "importlib._bootstrap", "importlib._bootstrap_external", "itertools"),
        *("keyword", "operator", "reprlib", "types", "warnings", "weakref", "builtins"),
        *("_collections", "_collections_abc", "_functools", "_operator", "_weakrefset", "_weakref", "_warnings"),
        *("_sre", "_thread", "math", "atexit", "errno", "zipimport", "_imp", "marshal", "posix", "time"),
    }
)
"""Modules of the standard library that cost next to nothing. Many of those that everybody knows do not belong here:
argparse, dataclasses, inspect, json, logging, pathlib, re, subprocess, threading, typing, ..."""

LIBRARIES = frozenset(
    {
        *("boto3", "botocore", "docker", "docstring_parser", "fsspec", "kubernetes", "mlflow", "opentelemetry"),
        *("pluggy", "requests", "rich", "shtab", "torch", "typing_extensions", "yaml", "asyncio", "importlib.metadata"),
    }
)
"""What is loaded by nothing but the feature that it is for."""

BACKENDS = ("torchx_docker", "torchx_k8s", "torchx_slurm", "torchx_lsf", "torchx_aws")

HELP = "from torchx.cli.main import main; main(['--help'])"
DRY_RUN = "from torchx.cli.main import main; main(['run', '-s', 'local_cwd', '--dryrun', 'utils.echo'])"


def loaded_by(code: str, folder: Path) -> set[str]:
    """The modules that a fresh interpreter has loaded after running some code, beyond those that it starts with."""
    report = folder / "modules"
    program = f"""
import sys
before = set(sys.modules)
try:
    {code}
except SystemExit as ended:
    assert not ended.code, ended.code
after = set(sys.modules)
open({str(report)!r}, "w").write("\\n".join(sorted(after - before)))
"""
    # As a user has it: with compiled files, and with no settings of a developer.
    ours = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "TORCHX")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment.update(HOME=str(folder), TORCHX_HOME=str(folder / "home"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(report.read_text().split())


def below(modules: set[str], *packages: str) -> list[str]:
    """Those modules that are, or are part of, one of the packages."""
    return sorted(module for module in modules if any(f"{module}.".startswith(f"{package}.") for package in packages))


@pytest.mark.parametrize(
    "code",
    ["import torchx.specs", "import torchx.plugins", "import torchx.errors", HELP, DRY_RUN],
    ids=["import torchx.specs", "import torchx.plugins", "import torchx.errors", "torchx --help", "dry run"],
)
def test_only_light_modules_are_loaded(code: str, tmp_path: Path) -> None:
    loaded = loaded_by(code, tmp_path)
    foreign = {module for module in loaded if not below({module}, "torchx", *BACKENDS)}
    assert foreign - LIGHT == set()


def test_specs_bring_nothing_else_of_torchx(tmp_path: Path) -> None:
    loaded = loaded_by("import torchx.specs", tmp_path)
    allowed = ("torchx.specs", "torchx.util", "torchx.errors")
    assert sorted(loaded - set(below(loaded, *allowed)) - LIGHT) == ["torchx", "torchx.version"]
    assert below(loaded, "torchx.specs.builders", "torchx.specs.finder", "torchx.specs.overlays") == []


def test_help_imports_no_command_and_no_scheduler(tmp_path: Path) -> None:
    loaded = loaded_by(HELP, tmp_path)
    assert [
        module for module in loaded if module.startswith("torchx.cli.cmd_") and module != "torchx.cli.cmd_base"
    ] == []
    assert (
        below(loaded, "torchx.runner", "torchx.schedulers", "torchx.specs", "torchx.tracker", "torchx.workspace") == []
    )


def test_help_asks_installed_backends_for_no_more_than_their_plugin_module(tmp_path: Path) -> None:
    loaded = loaded_by(HELP, tmp_path)
    for backend in BACKENDS:
        assert set(below(loaded, backend)) <= {backend, f"{backend}.plugin"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_plugin_module_of_a_backend_is_light(backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    loaded = loaded_by(f"import {backend}.plugin", tmp_path)
    rest = (
        loaded
        - set(below(loaded, "torchx.plugins", "torchx.util"))
        - {"torchx", "torchx.errors", "torchx.version"}
        - LIGHT
    )
    assert rest == {backend, f"{backend}.plugin"}


@pytest.mark.parametrize(
    "module",
    [
        "torchx",
        "torchx.cli.main",
        "torchx.components.dist",
        "torchx.components.utils",
        "torchx.plugins.manager",
        "torchx.runner",
        "torchx.runner.config",
        "torchx.runner.events",
        "torchx.schedulers",
        "torchx.schedulers.api",
        "torchx.schedulers.local_scheduler",
        "torchx.schedulers.logs",
        "torchx.tracker",
        "torchx.tracker.api",
        "torchx.workspace",
    ],
)
def test_import_brings_no_library(module: str, tmp_path: Path) -> None:
    assert below(loaded_by(f"import {module}", tmp_path), *LIBRARIES) == []


def test_the_check_sees_what_is_loaded(tmp_path: Path) -> None:
    loaded = loaded_by("import json, yaml", tmp_path)
    assert below(loaded, *LIBRARIES) != []
    assert "json" in loaded - LIGHT
