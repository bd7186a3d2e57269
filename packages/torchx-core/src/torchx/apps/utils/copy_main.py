"""Copies a file or folder between places that fsspec knows.

``python -m torchx.apps.utils.copy_main --src A --dst B``
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs  # noqa: TID253

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 8 << 20


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The arguments: ``src`` and ``dst``, each a path or a URI."""
    parser = argparse.ArgumentParser(
        description="copy a file or folder; both places are paths or URIs that fsspec knows"
    )
    parser.add_argument("--src", required=True, help="where it is")
    parser.add_argument("--dst", required=True, help="where the copy goes; a folder that exists gets it inside")
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    """Copies. A file appears under its name when it is complete.

    Raises:
        SystemExit: the source cannot be read or the target cannot be written.
    """
    args = parse_args(argv)
    try:
        copy(args.src, args.dst)
    except Exception as e:  # whatever the file system's client raises
        sys.exit(f"error: cannot copy `{args.src}` to `{args.dst}`: {e}")


def copy(src: str, dst: str) -> None:
    """Copies a file, or a folder with all that is in it."""
    src_fs, src_path = url_to_fs(src)
    dst_fs, dst_path = url_to_fs(dst)
    if not src_fs.exists(src_path):
        raise FileNotFoundError(f"`{src}` does not exist")
    if dst_fs.isdir(dst_path):
        dst_path = f"{dst_path.rstrip('/')}/{os.path.basename(src_path.rstrip('/'))}"
    # The list is made first: the target may lie within the source.
    for file, relative in list(_files(src_fs, src_path)):
        _copy_file(src_fs, file, dst_fs, f"{dst_path}/{relative}" if relative else dst_path)


def _files(fs: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each file at or below ``path``, with its path relative to it (``""`` for a file itself)."""
    if not fs.isdir(path):
        yield path, ""
        return
    root = path.rstrip("/")
    for file in fs.find(root):
        yield file, file[len(root) :].lstrip("/")


def _copy_file(src_fs: Any, src: str, dst_fs: Any, dst: str) -> None:
    parent = os.path.dirname(dst)
    if parent:
        dst_fs.makedirs(parent, exist_ok=True)
    if src_fs is dst_fs and src_fs._strip_protocol(src) == dst_fs._strip_protocol(dst):
        raise shutil.SameFileError(f"`{src}` and `{dst}` are the same file")
    # In a transaction a file that is not complete leaves nothing under its name.
    with dst_fs.transaction, src_fs.open(src, "rb") as reader, dst_fs.open(dst, "wb") as writer:
        shutil.copyfileobj(reader, writer, _CHUNK)


if __name__ == "__main__":
    main(sys.argv[1:])
