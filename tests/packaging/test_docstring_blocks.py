"""The code blocks in docstrings are run as those of the pages are."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.packaging.blocks import Block, read_docstring_blocks
from tests.packaging.pages import CHECKED, EXECUTED, ROOT, check_form, run_page

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = ROOT / "packages/torchx-core/src"
BLOCKS = {
    str(source.relative_to(SOURCES)): found
    for source in sorted(SOURCES.rglob("*.py"))
    if (found := read_docstring_blocks(source))
}
FILES = {
    "torchx/components/component_test_base.py": {
        "train.py": "print('trains')\n",
        "my_components.py": """
from torchx.specs import AppDef, Resource, Role

def trainer(script: str) -> AppDef:
    \"\"\"Trains.

    Args:
        script: what to run
    \"\"\"
    role = Role("trainer", image="", entrypoint="python3", args=["-c", "pass"], resource=Resource(1, 0, 1))
    return AppDef("trainer", [role])
""",
    },
    "torchx/_alias.py": {"torchx_slurm/__init__.py": "", "torchx_slurm/scheduler.py": "HERE = True\n"},
}
"""What the reader of a docstring has beside it."""

THEN = {
    "torchx/components/component_test_base.py": """
import unittest
result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(MyComponentsTest))
assert result.testsRun == 1 and result.wasSuccessful()
""",
    "torchx/_alias.py": "import sys\nassert sys.modules[__name__].HERE\n",
}
"""What proves that a block has done what it says."""


def is_code(text: str) -> bool:
    """Whether a block without a language is a program or a command."""
    if any(line.startswith(("$ ", "%", ">>> ")) for line in text.splitlines()):
        return True
    try:
        compile(text, "block", "exec")
    except SyntaxError:
        return False
    return True


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("source", BLOCKS)
def test_every_block_of_a_docstring_is_run_or_checked(source: str) -> None:
    for block in BLOCKS[source]:
        where = f"{source}:{block.line}"
        if block.language == "literal":
            assert is_json(block.text) or not is_code(block.text), f"{where}: say which language it is: code-block::"
        else:
            assert block.language in EXECUTED | CHECKED | {"text"}, f"{where}: nothing would check `{block.language}`"
            check_form(block)


@pytest.mark.parametrize("source", [s for s, blocks in BLOCKS.items() if any(b.language in EXECUTED for b in blocks)])
def test_docstrings_do_what_they_show(source: str, tmp_path: Path) -> None:
    files = [Block(0, "text", text, path) for path, text in FILES.get(source, {}).items()]
    proof = [Block(0, "python", text, None) for text in [THEN.get(source)] if text]
    blocks = [*files, *(b for b in BLOCKS[source] if b.language in EXECUTED), *proof]
    tools = {"torchx": f"{sys.executable} {ROOT}/tests/packaging/dry_torchx.py"}
    done = run_page(source, blocks, tmp_path, tools)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_blocks_of_docstrings_are_found(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        '"""One.\n\n.. code-block:: python\n\n    a = 1\n\n    b = 2\n\nText.\n"""\n\n\n'
        'def f():\n    """Two::\n\n        {"x": 1}\n\n    .. code-block:: console\n\n        $ ls\n    """\n'
    )
    assert read_docstring_blocks(source) == [
        Block(5, "python", "a = 1\n\nb = 2\n", None),
        Block(16, "literal", '{"x": 1}\n', None),
        Block(20, "console", "$ ls\n", None),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a = 1\n", True),
        ("$ ls\n", True),
        ("%%magic\n", True),
        ("<root>/<run>\n", False),
        ("type=bind,src=<x>\n", False),
    ],
)
def test_code_is_told_from_prose(text: str, code: bool) -> None:
    assert is_code(text) is code
