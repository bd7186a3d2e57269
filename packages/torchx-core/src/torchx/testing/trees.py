"""Folders as plain values: written from them, and compared with them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TREE = {
    "train.py": b"print('hello')\n",
    "empty": b"",
    "pkg/__init__.py": b"",
    "pkg/module.py": "ünï = 1\r\n".encode(),
    "pkg/data.bin": bytes(range(256)),
    "deep/er/and/deeper/file": b"deep",
    ".hidden/file": b"hidden",
}
"""A workspace: relative path to content."""


def make_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files below a folder, which need not exist.

    Args:
        folder: the folder.
        files: relative path to content.
    """
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def tree_of(folder: Path, *, modes: bool = False) -> dict[str, object]:
    """The files and links below a folder by relative path; links are not followed.

    Args:
        folder: the folder.
        modes: files with their permissions and the time of their last change.

    Returns:
        The content of a file as bytes, of a link as ``"-> target"``.
    """
    import os

    found: dict[str, object] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[relative] = f"-> {os.readlink(path)}"
            elif name in files:
                content = _content(path)
                status = os.stat(path)
                found[relative] = (content, oct(status.st_mode), status.st_mtime_ns) if modes else content
    return found


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
