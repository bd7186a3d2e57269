"""Options as dataclasses, however their annotations are written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from torchx.specs import CfgVal, InvalidRunConfigException

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.schedulers.api import StructuredOpts

BODY = '''
from dataclasses import dataclass, field
from typing import Optional
from torchx.schedulers.api import StructuredOpts

@dataclass
class Opts(StructuredOpts):
    name: str
    """Name of the cluster."""
    time: int = 60
    queue: Optional[str] = None
    tags: "dict[str, str] | None" = None
    volumes: list[str] = field(default_factory=list)
'''


@pytest.fixture(params=["", "from __future__ import annotations\n"], ids=["types", "texts"])
def opts(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[StructuredOpts]:
    """A class of options from a module of its own."""
    (tmp_path / "opts_of_test.py").write_text(request.param + BODY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "opts_of_test", raising=False)
    import importlib

    found: type[StructuredOpts] = importlib.import_module("opts_of_test").Opts
    return found


def test_fields_become_options_with_their_types(opts: type[StructuredOpts]) -> None:
    types = {name: (opt.opt_type, opt.is_required) for name, opt in opts.as_runopts()}
    assert types == {
        "name": (str, True),
        "time": (int, False),
        "queue": (str, False),
        "tags": (dict[str, str], False),
        "volumes": (list[str], False),
    }


def test_the_text_below_a_field_is_its_help(opts: type[StructuredOpts]) -> None:
    assert opts.get_docstrings() == {"name": "Name of the cluster."}
    option = opts.as_runopts().get("name")
    assert option is not None
    assert option.help == "Name of the cluster."


@pytest.mark.parametrize("key", ["time", "Time"])
def test_an_instance_is_the_mapping_of_its_options(opts: type[StructuredOpts], key: str) -> None:
    made = opts.from_cfg({"name": "a", key: 5, "other": "x"})
    expected: dict[str, CfgVal] = {"name": "a", "time": 5, "queue": None, "tags": None, "volumes": [], "other": "x"}
    assert dict(made) == expected


def test_a_required_option_must_be_given(opts: type[StructuredOpts]) -> None:
    with pytest.raises(InvalidRunConfigException, match="name"):
        opts.from_cfg({})
