"""Documented module paths that stand for a module of a backend."""

from __future__ import annotations

import importlib
import pickle
import sys
from typing import TYPE_CHECKING

import pytest

from torchx._alias import alias
from torchx.errors import TorchXError

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site

ALIAS = """
    from torchx._alias import alias

    alias(__name__, target="acme_backend.scheduler", dist="torchx-acme")
"""


@pytest.fixture
def aliased(site: Site) -> Site:
    site.write("acme_docs/__init__.py", "")
    site.write("acme_docs/acme_scheduler.py", ALIAS)
    return site


def _install(site: Site, source: str) -> None:
    site.write("acme_backend/__init__.py", "")
    site.write("acme_backend/scheduler.py", source)
    importlib.invalidate_caches()


def test_the_alias_is_the_real_module(aliased: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(aliased, "class Opts: pass\ndef answer(): return 1\ndef ask(): return answer()\n")
    alias = importlib.import_module("acme_docs.acme_scheduler")
    real = importlib.import_module("acme_backend.scheduler")
    assert alias is real
    assert sys.modules["acme_docs"].acme_scheduler is real
    monkeypatch.setattr("acme_docs.acme_scheduler.answer", lambda: 2)
    assert real.ask() == 2
    assert b"acme_backend" in pickle.dumps(alias.Opts)
    assert isinstance(pickle.loads(pickle.dumps(alias.Opts())), real.Opts)


def test_a_missing_backend_is_told_with_what_to_install(aliased: Site) -> None:
    with pytest.raises(ModuleNotFoundError, match="pip install torchx-acme") as caught:
        importlib.import_module("acme_docs.acme_scheduler")
    assert isinstance(caught.value, TorchXError)
    assert caught.value.hint == "pip install torchx-acme"
    assert caught.value.name == "acme_docs.acme_scheduler"
    assert "acme_docs.acme_scheduler" not in sys.modules


def test_a_backend_that_is_planned_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchx.plugins._missing.PLANNED", {"torchx-acme"})
    with pytest.raises(ModuleNotFoundError, match="`torchx-acme` is planned and has no backend yet") as caught:
        alias("acme_docs", target="acme_backend.scheduler", dist="torchx-acme")
    assert isinstance(caught.value, TorchXError)


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        pytest.param("import acme_client", ModuleNotFoundError, "No module named 'acme_client'", id="missing client"),
        pytest.param("import acme_backend.more", ModuleNotFoundError, "'acme_backend.more'", id="missing part"),
        pytest.param("raise ValueError('boom')", ValueError, "boom", id="raises"),
    ],
)
def test_any_other_failure_is_raised_as_it_is(aliased: Site, source: str, error: type[Exception], told: str) -> None:
    _install(aliased, source)
    with pytest.raises(error, match=told) as caught:
        importlib.import_module("acme_docs.acme_scheduler")
    assert not isinstance(caught.value, TorchXError)
