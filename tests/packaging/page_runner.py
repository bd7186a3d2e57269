"""Runs the blocks of one page, in order, in the current folder; a process of its own for each page.

Python blocks share one namespace, as if they were one program; those that begin with ``>>>`` are doctests in it. In a
``console`` block the lines behind ``$`` are run by bash, and the lines below are what must be printed: in any order,
but nothing else, unless a line ``...`` allows for more. ``...`` inside of a line stands for anything. A command must
succeed unless ``# exit status N`` stands behind it. Job ids differ each time: those of the page mean the real ones.
Any time is right where the page shows one.
"""

from __future__ import annotations

import doctest
import json
import linecache
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

APP_ID = re.compile(r"([A-Za-z_][\w.]*)-([bcdfghjklmnpqrstvwxz][bcdfghjklmnpqrstvwxz0-9]{11,14})\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}\b")
STATUS = re.compile(r"\s+# exit status (\d+)$")
COMMAND_TIMEOUT = 120.0
NOTEBOOK_MODULES = ("torchx.notebook",)
"""What a notebook has imported before its first cell."""


class PageError(Exception):
    """A block does not do what the page says."""


class Page:
    """One page on its way through its blocks.

    Args:
        name: for messages.
        home: the user's home folder, which pages call ``/home/me``.
        tmp: the folder that pages call ``/tmp``.
        program: the file that gets the text of all Python blocks, for tracebacks and ``inspect``.
    """

    def __init__(self, name: str, home: str, tmp: str, program: Path) -> None:
        self.name = name
        self.home = home
        self.tmp = tmp
        self.ids: dict[str, str] = {}
        self.program = program
        self.source = ""
        self.module = types.ModuleType("docs_page")
        self.module.__file__ = str(program)
        sys.modules["docs_page"] = self.module

    def run(self, block: dict[str, Any]) -> None:
        """Does what one block says."""
        text = block["text"]
        if block["path"]:
            path = Path(block["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.placed(text))
        elif block["language"] == "console":
            for command, expected in console_steps(text):
                self.command(command, expected)
        elif block["language"] == "python":
            self.python(self.placed(text), block["line"])
        elif block["language"] == "ipython":
            self.cells(text)

    def placed(self, text: str) -> str:
        """A text with this run's own folder for temporary files."""
        return text.replace("/tmp/", f"{self.tmp}/")

    def python(self, text: str, line: int) -> None:
        if text.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(text, vars(self.module), self.name, self.name, line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            runner.run(test, clear_globs=False)
            if runner.failures:
                raise PageError(f"{runner.failures} wrong results, see above")
            vars(self.module).update(test.globs)
            return
        padding = "\n" * self.source.count("\n")
        self.source += text
        self.program.write_text(self.source)
        linecache.checkcache(str(self.program))
        exec(compile(padding + text, str(self.program), "exec"), vars(self.module))

    def cells(self, text: str) -> None:
        """Runs the cells of a notebook, which empty lines separate; what a cell's magic needs is there already."""
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        shell: Any = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        for module in NOTEBOOK_MODULES:
            shell.run_cell(f"import {module}").raise_error()
        for cell in text.split("\n\n"):
            shell.run_cell(cell).raise_error()

    def command(self, command: str, expected: list[str]) -> None:
        wanted_status = 0
        if noted := STATUS.search(command):
            wanted_status, command = int(noted[1]), command[: noted.start()]
        real = APP_ID.sub(lambda m: self.ids.get(m[0], m[0]), self.placed(command)).replace("/home/me", self.home)
        # Not a pipe: a process that the command leaves behind must not be waited for.
        output_path = self.program.with_name("output.txt")
        with output_path.open("w") as output:
            done = subprocess.run(
                ["bash", "-c", real],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
        printed = output_path.read_text().replace(self.home, "/home/me").replace(self.tmp, "/tmp")
        shown = f"$ {real}\n{printed}"
        if done.returncode != wanted_status:
            raise PageError(f"exit status {done.returncode}, not {wanted_status}\n{shown}")
        self.learn_ids("\n".join(expected), printed)
        lines = [constant(text.rstrip()) for text in printed.splitlines() if text.strip()]
        if problem := compare([constant(text) for text in expected], lines):
            raise PageError(f"{problem}\n{shown}")

    def learn_ids(self, expected: str, printed: str) -> None:
        """Pairs the ids that the page shows for the first time with the real ones, in their order."""
        fresh = [m for m in APP_ID.finditer(expected) if m[0] not in self.ids]
        known = set(self.ids.values())
        real = [m for m in APP_ID.finditer(printed) if m[0] not in known]
        for shown in fresh:
            match = next((m[0] for m in real if m[1] == shown[1] and m[0] not in self.ids.values()), None)
            if match is not None:
                self.ids.setdefault(shown[0], match)


def constant(text: str) -> str:
    """The text with one word each for what differs from run to run."""
    return TIME.sub("TIME", APP_ID.sub(r"\1-ID", text))


def console_steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block with the lines that they should print."""
    command: str | None = None
    expected: list[str] = []
    for line in text.splitlines():
        if command is not None and command.endswith("\\") and not expected:
            command = f"{command}\n{line}"
        elif line.startswith("$ "):
            if command is not None:
                yield command, expected
            command, expected = line[2:], []
        elif line.strip():
            expected.append(line.rstrip())
    if command is None:
        raise PageError("a console block without a command")
    yield command, expected


def compare(expected: list[str], lines: list[str]) -> str | None:
    """What is wrong with the printed lines; None where nothing is. Nothing expected: anything is right."""
    if not expected:
        return None
    rest = [" ".join(line.split()) for line in lines]  # on a terminal there are tables, here tabs
    for text in expected:
        if text == "...":
            continue
        text = " ".join(text.split())
        pattern = re.compile(".*".join(re.escape(part) for part in text.split("...")))
        found = next((line for line in rest if pattern.fullmatch(line)), None)
        if found is None:
            return f"the page shows {text!r}, which was not printed"
        rest.remove(found)
    if rest and "..." not in expected:
        return f"printed, but not on the page: {rest[0]!r}"
    return None


def end_jobs() -> None:
    """Cancels what is still running."""
    from torchx.schedulers.local_scheduler import create_scheduler

    scheduler = create_scheduler("torchx")
    for job in scheduler.list():
        scheduler.delete(job.app_id)


def main() -> int:
    steps = json.load(sys.stdin)
    page = Page(steps["page"], os.environ["HOME"], os.environ["DOCS_TMP"], Path(os.environ["DOCS_PROGRAM"]))
    sys.path.insert(0, os.getcwd())
    sys.dont_write_bytecode = True
    try:
        for block in steps["blocks"]:
            try:
                page.run(block)
            except BaseException as error:
                import traceback

                if not isinstance(error, PageError):
                    traceback.print_exc()
                print(f"{steps['page']}:{block['line']}: {type(error).__name__}: {error}", file=sys.stderr)
                return 1
        return 0
    finally:
        end_jobs()


if __name__ == "__main__":
    sys.exit(main())
