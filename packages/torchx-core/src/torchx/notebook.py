"""A workspace that is written from the cells of a notebook.

The cell magic ``%%workspacefile PATH`` writes its cell to a file of an in-memory workspace, ready to be submitted:

.. code-block:: ipython

    %%workspacefile train.py
    print("hello from the job")

    from torchx.notebook import get_workspace
    from torchx.runner import get_runner

    get_runner().run_component("utils.python", ["--script", "train.py"], "local_cwd", workspace=get_workspace())

The scheduler must be one that takes workspaces; ``local_cwd`` does.
Importing this module in a notebook registers the magic.
"""

from __future__ import annotations

import posixpath

from torchx.errors import UsageError

__all__ = ["clear_workspace", "get_workspace", "workspacefile"]

WORKSPACE = "memory://torchx-workspace/"


def get_workspace() -> str:
    """The fsspec URL of the workspace that the cells write to."""
    return WORKSPACE


def clear_workspace() -> None:
    """Removes all files of the workspace."""
    from fsspec.core import url_to_fs

    fs, root = url_to_fs(WORKSPACE)
    if fs.exists(root):
        fs.rm(root, recursive=True)


def workspacefile(line: str, cell: str) -> None:
    """The cell magic ``%%workspacefile [-a] PATH``: writes the cell to a file of the workspace.

    Args:
        line: the file's path within the workspace; with ``-a`` before it the cell is added to the file's end.
        cell: the cell's text.

    Raises:
        UsageError: there is no path, or it leads out of the workspace.
    """
    from fsspec.core import url_to_fs

    append, path = _parse(line)
    fs, root = url_to_fs(WORKSPACE)
    target = posixpath.join(root, path)
    fs.makedirs(posixpath.dirname(target), exist_ok=True)
    old = fs.cat_file(target) if append and fs.exists(target) else b""
    fs.pipe_file(target, old + cell.encode())


def _parse(line: str) -> tuple[bool, str]:
    first, _, rest = line.strip().partition(" ")
    append = first == "-a"
    path = posixpath.normpath((rest if append else line).strip() or ".")
    if path == ".":
        raise UsageError("%%workspacefile needs a path", hint="write `%%workspacefile train.py`")
    if path.startswith(("/", "../")) or path == "..":
        raise UsageError(f"`{path}` is not within the workspace", hint="write a path relative to the workspace")
    return append, path


def load_ipython_extension(ipython: object) -> None:
    """Registers the magic; called by ``%load_ext torchx.notebook``."""
    register = getattr(ipython, "register_magic_function")  # noqa: B009  # of an object whose type IPython alone knows
    register(workspacefile, magic_kind="cell")


def _register_in_notebook() -> None:
    """Registers the magic where this module is imported within IPython, which then is imported already."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        load_ipython_extension(shell)


_register_in_notebook()
