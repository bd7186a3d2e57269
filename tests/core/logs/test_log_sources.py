from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.core.logs.sources import FakeTime
from torchx.errors import TorchXError
from torchx.schedulers.log_sources import FileSource, polled
from torchx.schedulers.logs import LogChunk, TransientLogError, follow

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_does_not_exist_yet_has_nothing_new(tmp_path: Path) -> None:
    source = FileSource(tmp_path / "stdout.log", lambda: True)
    assert source.read(None, 10) == LogChunk(b"", 0)
    (tmp_path / "stdout.log").write_bytes(b"a\nb\n")
    assert source.read(0, 3) == LogChunk(b"a\nb", 3)
    assert source.read(3, 10) == LogChunk(b"\n", 4)
    assert source.read(4, 10) == LogChunk(b"", 4)


def test_a_truncated_file_is_read_from_its_new_start(tmp_path: Path) -> None:
    path = tmp_path / "stdout.log"
    path.write_bytes(b"first attempt\n")
    source = FileSource(path, lambda: True)
    assert source.read(14, 100).data == b""
    path.write_bytes(b"second\n")
    assert source.read(14, 100) == LogChunk(b"second\n", 7)


def test_idle_files_hold_no_descriptor(tmp_path: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    paths = [tmp_path / f"{i}.log" for i in range(50)]
    for path in paths:
        path.write_bytes(b"a\n")
    sources = [FileSource(path, lambda: False) for path in paths]
    before = len(os.listdir("/proc/self/fd"))
    for source in sources:
        source.read(source.read(None, 10).position, 10)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TorchXError, match=str(tmp_path)) as failure:
        FileSource(tmp_path, lambda: True).read(None, 10)
    assert not isinstance(failure.value, TransientLogError)


def test_a_failing_file_system_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")  # ELOOP stands for any error of the system.
    with pytest.raises(TransientLogError):
        FileSource(tmp_path / "a", lambda: True).read(None, 10)


def test_a_file_that_a_process_writes_piecemeal_arrives_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "stdout.log"
    program = "import os,time\nfor i in range(300):\n for b in f'{i} é\\n'.encode(): os.write(1, bytes([b]))"
    with path.open("wb") as out:
        writer = subprocess.Popen([sys.executable, "-c", program], stdout=out)
    source = FileSource(path, lambda: writer.poll() is not None)
    lines = b"".join(block for _, block in follow({0: source}, should_tail=True)).decode().splitlines()
    assert writer.wait(10) == 0
    assert lines == [f"{i} é" for i in range(300)]


def test_an_expensive_answer_is_kept_for_a_while_and_a_yes_for_ever() -> None:
    time = FakeTime()
    asked: list[float] = []

    def check() -> bool:
        asked.append(time.now)
        return len(asked) == 3

    finished = polled(check, every=5, clock=time.clock)
    answers = []
    for _ in range(20):
        answers.append(finished())
        time.wait(1)
    assert asked == [1000, 1005, 1010]
    assert answers == [False] * 10 + [True] * 10
