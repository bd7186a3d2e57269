"""``torchx doctor``: what it finds in installations that work, in broken ones, and where nobody answers."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.core.cli.support import Cli, FarJobs, Outcome, Site

CALLER = """
    import socket

    from torchx.schedulers.local_scheduler import LocalScheduler

    class Remote(LocalScheduler):
        def iter_list(self, cfg=None):
            with socket.create_connection(("127.0.0.1", {port})) as connection:
                connection.recv(1)
            return super().iter_list(cfg)

    def create(session_name, **kwargs):
        return Remote(session_name, backend="remote")
"""


BACKENDS = ("torchx-docker", "torchx-k8s", "torchx-slurm", "torchx-lsf", "torchx-aws")
"""They may be installed, and out of reach."""


def findings(done: Outcome) -> dict[tuple[str, str], dict[str, str]]:
    found = [finding for finding in map(json.loads, done.lines) if finding["dist"] not in BACKENDS]
    return {(finding["dist"], finding["subject"]): finding for finding in found}


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def remote(site: Site, port: int) -> None:
    site.add(
        "acme-remote",
        modules={"acme_remote": CALLER.format(port=port)},
        entry_points={"torchx.schedulers": {"remote": "acme_remote:create"}},
    )


def test_installation_that_works_has_nothing_to_fix(cli: Cli, far: FarJobs) -> None:
    done = cli("doctor", "--json")
    assert done.code == 0, done.out
    found = findings(done)
    assert {finding["status"] for finding in found.values()} == {"ok"}
    assert not any(finding["fix"] for finding in found.values())
    assert "pluggy" in found["torchx-core", "plugin"]["detail"]
    assert {("torchx-core", "scheduler local_cwd"), ("acme-far", "scheduler far")} <= set(found)
    text = cli("doctor", "torchx-core", "acme-far")
    assert (text.code, "fix:" in text.out) == (0, False)
    assert "scheduler local_cwd: answers" in text.out


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import no_such_client", "no_such_client"),
        ("raise RuntimeError('cannot start')", "cannot start"),
        ("raise SystemExit('bye')", "bye"),
        ("def create(:", "SyntaxError"),
        ("", "create"),
    ],
    ids=["missing client", "raises", "exits", "syntax", "no factory"],
)
def test_broken_plugin_is_told_and_hides_no_other(cli: Cli, site: Site, far: FarJobs, module: str, told: str) -> None:
    site.add(
        "acme-broken",
        modules={"acme_broken": module},
        entry_points={"torchx.schedulers": {"broken": "acme_broken:create"}},
    )
    done = cli("doctor", "--json")
    assert done.code == 1
    found = findings(done)
    assert found["acme-broken", "scheduler broken"]["status"] == "failed"
    assert told in json.dumps(found["acme-broken", "scheduler broken"])
    assert [key for key, finding in found.items() if finding["status"] != "ok"] == [("acme-broken", "scheduler broken")]
    assert cli("doctor", "acme-far").code == 0
    assert cli("doctor", "broken").code == 1


def test_plugin_module_that_fails_is_told_with_its_version(cli: Cli, site: Site) -> None:
    site.add(
        "acme-bad",
        version="3.1",
        modules={"acme_bad": "import no_such_module"},
        entry_points={"torchx.plugins": {"acme-bad": "acme_bad"}},
    )
    done = cli("doctor", "acme-bad", "--json")
    assert done.code == 1
    finding = findings(done)["acme-bad", "plugin"]
    assert finding["status"] == "failed"
    assert "no_such_module" in finding["detail"]
    assert "acme-bad" in finding["fix"]


def test_missing_client_package_is_told_with_the_command_that_installs_it(cli: Cli, site: Site) -> None:
    site.add(
        "acme-client",
        modules={"acme_client": "def create(session_name, **kwargs):\n    import acme_sdk"},
        entry_points={"torchx.schedulers": {"client": "acme_client:create"}},
        requires=("acme-sdk>=2",),
    )
    done = cli("doctor", "acme-client")
    assert done.code == 1
    assert "requirements: not installed" in done.out
    assert "fix: pip install acme-sdk" in done.out


@pytest.mark.parametrize("named", [True, False], ids=["named", "one of all"])
def test_backend_that_never_answers_costs_the_time_limit(torchx: Cli, site: Site, silent: int, named: bool) -> None:
    remote(site, silent)
    start = time.monotonic()
    done = torchx("doctor", "--timeout", "0.3", "--json", *(["remote"] if named else []))
    assert time.monotonic() - start < 10
    finding = findings(done)["acme-remote", "scheduler remote"]
    assert (finding["status"], finding["detail"]) == ("unreachable", "no answer within 0.3 s")
    assert "network" in finding["fix"]
    # A backend that is installed and not used on this machine is no defect.
    assert done.code == (1 if named else 0)


def test_backend_that_refuses_is_told_at_once(cli: Cli, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    remote(site, port)
    done = cli("doctor", "remote", "--timeout", "30")
    assert done.code == 1
    assert "unreachable" in done.out
    assert "refused" in done.out


def test_plugin_whose_import_never_ends_costs_the_time_limit(torchx: Cli, site: Site) -> None:
    site.add(
        "acme-stuck",
        modules={"acme_stuck": "import threading\nthreading.Event().wait()"},
        entry_points={"torchx.schedulers": {"stuck": "acme_stuck:create"}},
    )
    done = torchx("doctor", "--timeout", "0.3")
    assert done.code == 1
    assert "scheduler stuck: not loaded within 0.3 s" in done.out
    assert "scheduler local_cwd: answers" in done.out


def test_disabled_plugin_is_no_failure(cli: Cli, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add(
        "acme-off", modules={"acme_off": "raise ValueError"}, entry_points={"torchx.plugins": {"acme-off": "acme_off"}}
    )
    monkeypatch.setenv("TORCHX_DISABLE_PLUGINS", "acme-off")
    done = cli("doctor", "--json")
    assert done.code == 0
    assert findings(done)["acme-off", "plugin"]["status"] == "disabled"


def test_name_that_two_provide_is_told(cli: Cli, site: Site) -> None:
    for dist in ("acme-one", "acme-two"):
        module = dist.replace("-", "_")
        site.add(
            dist,
            modules={module: "def create(**kwargs): ..."},
            entry_points={"torchx.schedulers": {"same": f"{module}:create"}},
        )
    done = cli("doctor")
    assert done.code == 1
    assert done.out.count("is provided by several plugins") == 2
    assert "[plugins]" in done.out


FOREVER = "import threading\nthreading.Event().wait()"
CRASH = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (FOREVER, "not loaded within 0.5 s"),
        (CRASH, "ended by SIGSEGV (Segmentation fault)"),
        ("import os\nos._exit(5)", "ended with exit status 5"),
    ],
    ids=["hangs", "crashes", "exits at once"],
)
def test_plugin_module_that_ends_its_process_hides_no_other(
    torchx: Cli, site: Site, far: FarJobs, module: str, told: str
) -> None:
    site.add("acme-bad", modules={"acme_bad": module}, entry_points={"torchx.plugins": {"acme-bad": "acme_bad"}})
    done = torchx("doctor", "--timeout", "0.5", "--json")
    assert done.code == 1, done.err
    found = findings(done)
    assert told in found["acme-bad", "plugin"]["detail"]
    assert "TORCHX_DISABLE_PLUGINS=acme-bad" in found["acme-bad", "plugin"]["fix"]
    assert [key for key, finding in found.items() if finding["status"] != "ok"] == [("acme-bad", "plugin")]
    assert found["acme-far", "scheduler far"]["detail"] == "answers"


def test_factory_that_crashes_is_told_and_hides_no_other(torchx: Cli, site: Site, far: FarJobs) -> None:
    site.add(
        "acme-crash",
        modules={"acme_crash": CRASH},
        entry_points={"torchx.schedulers": {"crash": "acme_crash:create"}},
    )
    done = torchx("doctor", "--json", "acme-crash", "acme-far")
    assert done.code == 1, done.err
    found = findings(done)
    assert "SIGSEGV" in found["acme-crash", "scheduler crash"]["detail"]
    assert found["acme-far", "scheduler far"]["detail"] == "answers"


def test_version_needs_no_plugin(torchx: Cli, site: Site) -> None:
    site.add("acme-bad", modules={"acme_bad": FOREVER}, entry_points={"torchx.plugins": {"acme-bad": "acme_bad"}})
    assert torchx("--version").out.startswith("torchx ")


def test_interrupt_names_the_plugin_that_is_being_imported(cli: Cli, site: Site) -> None:
    interrupt = "import signal\nsignal.raise_signal(signal.SIGINT)"
    site.add("acme-bad", modules={"acme_bad": interrupt}, entry_points={"torchx.plugins": {"acme-bad": "acme_bad"}})
    done = cli("--help")
    assert (done.code, done.err) == (130, "interrupted during the import of plugin `acme-bad`\n")


def test_details_of_several_lines_are_indented(cli: Cli, site: Site) -> None:
    hooks = "".join(f"def torchx_{name}(): ...\n" for name in ("schedulers", "trackers"))
    site.add("acme-bad", modules={"acme_bad": hooks}, entry_points={"torchx.plugins": {"acme-bad": "acme_bad"}})
    lines = cli("doctor", "acme-bad").lines
    assert len(lines) >= 3
    assert all(line.startswith(("failed", " " * 12)) for line in lines)
