"""Walks a workspace: what is in it and not ignored, folder by folder.

A walk follows no link, so it ends and stays inside. Local folders are walked without a ``stat`` of any file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from torchx.workspace.errors import UnsafeWorkspaceError, WorkspaceError, WorkspaceNotFoundError
from torchx.workspace.ignore import IgnoreRules, parse_ignore_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from fsspec import AbstractFileSystem

    from torchx.workspace.ignore import FolderRules

    Info = Mapping[str, object]


class Folder(NamedTuple):
    """One folder of a workspace.

    Attributes:
        rel: its path relative to the workspace; empty for the workspace itself.
        path: its full path.
        files: names of the regular files in it that are not ignored, in no order.
        links: names of the symbolic links in it that are not ignored, in no order; where they lead is not checked.
    """

    rel: str
    path: str
    files: list[str]
    links: list[str]


def local_root(path: str) -> str:
    """The real path of a local workspace.

    Args:
        path: with or without ``file://``; ``~`` is the home folder.

    Raises:
        WorkspaceNotFoundError: it does not exist or is not a folder.
    """
    plain = os.path.expanduser(path.removeprefix("file://"))
    if os.path.isdir(plain):
        return os.path.realpath(plain)
    what = "is not a folder" if os.path.lexists(plain) else "does not exist"
    raise WorkspaceNotFoundError(
        f"workspace `{path}` {what}", hint="give the path of a folder that exists, or no workspace"
    )


def read_rules(root: str, ignore_name: str) -> IgnoreRules:
    """The rules of a local workspace's ignore file; without the file nothing is ignored.

    Raises:
        IgnoreFileError: a line is not a valid pattern.
        WorkspaceError: the file can't be read.
    """
    path = os.path.join(root, ignore_name)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return IgnoreRules()
    except OSError as e:
        raise WorkspaceError(f"can't read the ignore file `{path}`: {e.strerror}") from e
    return parse_ignore_file(content, path)


def walk_folders(
    root: str, rules: IgnoreRules, *, skip: Collection[str] = (), pruned: list[str] | None = None
) -> Iterator[Folder]:
    """Walks a local workspace, parents before children.

    An ignored folder comes only if an exception keeps something below it.

    Args:
        root: the workspace's real path.
        rules: what to leave out.
        skip: real paths of folders to leave out besides, such as the one that the workspace is copied to.
        pruned: if given, gains the full paths of the folders that were not entered.

    Raises:
        UnsafeWorkspaceError: there is a socket, a pipe or a device.
        WorkspaceError: a folder can't be read.
    """
    # Of each folder to visit: its path, its rules, and its ignored ancestors that have not come yet.
    todo: list[tuple[str, FolderRules, tuple[Folder, ...]]] = [(root, rules.root(), ())]
    revealed: set[str] = set()
    while todo:
        path, here, hidden = todo.pop()
        folder = Folder(here.folder, path, [], [])
        subfolders = _list(folder, here, root)
        if not here.excluded or folder.files or folder.links:
            yield from (f for f in hidden if f.rel not in revealed)
            revealed.update(f.rel for f in hidden)
            yield folder
            hidden = ()
        elif subfolders:
            hidden = (*hidden, folder)
        for name in subfolders:
            below = f"{path}/{name}"
            rules_below = here.enter(name)
            if rules_below.prunable or below in skip:
                if pruned is not None:
                    pruned.append(below)
            else:
                todo.append((below, rules_below, hidden))


def _list(folder: Folder, here: FolderRules, root: str) -> list[str]:
    """Sorts a folder's entries into ``folder``; returns the names of its subfolders, ignored ones too."""
    files: list[str] = []
    subfolders: list[str] = []
    others: list[tuple[str, bool]] = []
    try:
        with os.scandir(folder.path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    files.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    subfolders.append(entry.name)
                else:
                    others.append((entry.name, entry.is_symlink()))
    except OSError as e:
        if here.excluded and isinstance(e, PermissionError):
            return []
        raise WorkspaceError(
            f"can't read the workspace's folder `{folder.path}`: {e.strerror}", hint="add it to .torchxignore"
        ) from e
    gone = frozenset(here.ignored_among(files))
    folder.files.extend([name for name in files if name not in gone] if gone else files)
    for name, is_link in others:
        if not here.ignored(name):
            if not is_link:
                raise _special(root, folder.rel, name)
            folder.links.append(name)
    return subfolders


def _special(root: str, folder: str, name: str) -> UnsafeWorkspaceError:
    rel = f"{folder}/{name}" if folder else name
    return UnsafeWorkspaceError(
        f"`{rel}` in workspace `{root}` is neither a file, a folder nor a link (a socket, a pipe or a device)",
        path=rel,
        hint=f"add `{rel}` to .torchxignore, or remove it",
    )


def walk_fs(
    fs: AbstractFileSystem, path: str, ignore_name: str
) -> Iterator[tuple[str, Iterable[str], Mapping[str, Info]]]:
    """Walks a workspace on any fsspec file system; see :func:`torchx.workspace.walk_workspace`.

    Raises:
        WorkspaceNotFoundError: there is no folder at ``path``.
        UnsafeWorkspaceError: there is a link that leads out of the workspace, or anything but files, folders, links.
        IgnoreFileError: a line of the ignore file is not a valid pattern.
    """
    root = str(fs._strip_protocol(path)).rstrip("/")
    if not fs.isdir(root or "/"):
        raise WorkspaceNotFoundError(f"workspace `{path}` does not exist or is not a folder")
    ignore_file = f"{root}/{ignore_name}"
    rules = parse_ignore_file(fs.cat_file(ignore_file), ignore_file) if fs.isfile(ignore_file) else IgnoreRules()
    todo = [(root, rules.root())]
    while todo:
        folder, here = todo.pop()
        subfolders, files = _list_fs(fs, root, folder, here)
        inside = {name: here.enter(name) for name in subfolders}
        enter = [name for name in subfolders if not inside[name].prunable]
        if not here.excluded or files:
            yield folder, enter, files
        todo += [(f"{folder}/{name}", inside[name]) for name in enter]


def _list_fs(fs: AbstractFileSystem, root: str, folder: str, here: FolderRules) -> tuple[list[str], dict[str, Info]]:
    """The subfolders of a folder, ignored ones too, and its files and links that are not ignored."""
    subfolders: list[str] = []
    files: dict[str, Info] = {}
    for info in fs.ls(folder or "/", detail=True):
        full = str(info["name"]).rstrip("/")
        name = full.rpartition("/")[2]
        if full == folder:  # object stores keep an empty folder as an object of its name
            continue
        if info["type"] == "directory" and not info.get("islink"):
            subfolders.append(name)
        elif not here.ignored(name):
            _check_entry(info, root, here.folder, name)
            files[name] = info
    return subfolders, files


def _check_entry(info: Info, root: str, folder: str, name: str) -> None:
    if info.get("islink"):
        from torchx.workspace.links import safe_target

        safe_target(os.path.realpath(root), folder, name)
    elif info["type"] != "file":
        raise _special(root, folder, name)
