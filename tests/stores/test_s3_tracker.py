"""The fsspec tracker on an object store, which has neither folders nor renames: a real S3 API over HTTP."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from torchx.tracker.api import Lineage, TrackerArtifact, TrackerSource
from torchx.tracker.backend.fsspec import TrackerStoreError, create

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "local_cwd://torchx/train-b3kd2"
WRITES = 15

WRITER = f"""
import sys
from torchx.tracker.backend.fsspec import create

url, who = sys.argv[1:]
tracker = create(url)
assert tracker.metadata({RUN!r}) == {{}}
print("ready", flush=True)
sys.stdin.readline()
for i in range({WRITES}):
    tracker.add_metadata({RUN!r}, **{{f"{{who}}{{i}}": i, "last": who}})
    tracker.add_artifact({RUN!r}, f"{{who}}{{i}}", "p")
    tracker.add_source({RUN!r}, f"{{who}}{{i}}")
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the S3 API, with credentials that it takes."""
    log = tmp_path_factory.mktemp("moto") / "log"  # not a pipe: it writes a line for each request
    with open(log, "wb") as file:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stderr=file)
    deadline = time.monotonic() + 60
    while not (found := re.search(r"Running on (http://\S+)", log.read_text())):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", found[1])
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield found[1]
    server.kill()
    server.wait()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[str]:
    import fsspec

    fs = fsspec.filesystem("s3", skip_instance_cache=True)
    fs.mkdir("torchx-runs")
    yield "torchx-runs"
    fs.rm("torchx-runs", recursive=True)


@pytest.mark.parametrize("form", ["s3://{}/a b/runs", "s3://{}", "dir::s3://{}/dir", "simplecache::s3://{}/cached"])
def test_what_is_added_is_read_back(bucket: str, form: str) -> None:
    tracker = create(form.format(bucket))
    assert list(tracker.run_ids()) == []
    tracker.add_metadata(RUN, lr=0.1, epochs=3)
    tracker.add_metadata(RUN, lr=0.2)
    tracker.add_artifact(RUN, "model", "s3://b/model.pt", {"step": 10})
    tracker.add_source(RUN, "parent", "model")
    assert tracker.metadata(RUN) == {"lr": 0.2, "epochs": 3}
    assert tracker.artifacts(RUN) == {"model": TrackerArtifact("model", "s3://b/model.pt", {"step": 10})}
    assert list(tracker.run_ids()) == [RUN]
    assert tracker.lineage(RUN) == Lineage(RUN, [TrackerSource("parent", "model")], [])
    assert tracker.lineage("parent").children == [RUN]


@pytest.mark.parametrize("form", ["s3://{}/runs", "simplecache::s3://{}/runs"], ids=["s3", "simplecache"])
def test_two_writers_at_once_lose_nothing(bucket: str, form: str) -> None:
    url = form.format(bucket)
    reader = create(url)
    assert reader.metadata(RUN) == {}
    with contextlib.ExitStack() as ends:
        command, pipe = [sys.executable, "-c", WRITER, url], subprocess.PIPE
        writers = [ends.enter_context(subprocess.Popen([*command, who], stdin=pipe, stdout=pipe)) for who in "ab"]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write(b"go\n")
            writer.stdin.close()
        assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    names = {f"{who}{i}" for who in "ab" for i in range(WRITES)}
    # The reader asked before there was anything: what it remembers of that must not hide what came.
    assert set(reader.metadata(RUN)) == names | {"last"}
    assert set(reader.artifacts(RUN)) == names
    assert {s.source_run_id for s in reader.sources(RUN)} == names


def test_a_settings_file_gives_the_options(bucket: str, endpoint: str, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "s3.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'protocol = "s3"\nroot_path = "{bucket}/runs"\nendpoint_url = "{endpoint}"\n')
    create(path).add_metadata(RUN, a=1)
    assert create(f"s3://{bucket}/runs").metadata(RUN) == {"a": 1}


def test_a_bucket_that_does_not_exist_is_told(endpoint: str) -> None:
    with pytest.raises(TrackerStoreError, match=r"^can't write runs at `s3://no-such-bucket/x`: .*bucket") as caught:
        create("s3://no-such-bucket/x").add_metadata(RUN, a=1)
    assert caught.value.hint == "name a place that may be written to, as an absolute path or a URL"
