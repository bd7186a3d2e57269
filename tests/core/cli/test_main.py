"""The program itself: finding the command, the global options, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.core.cli.support import TORCHX, Cli, Site, environment
from torchx.cli.cmd_base import SubCommand
from torchx.cli.main import create_parser, get_default_sub_cmds, get_sub_cmds, main, run_main

if TYPE_CHECKING:
    import argparse

BUILTIN = [
    *("run", "status", "describe", "log", "list", "cancel", "delete"),
    *("runopts", "builtins", "plugins", "configure", "tracker", "doctor", "completion"),
]
HELLO = """
    from torchx.cli.cmd_base import SubCommand

    class CmdHello(SubCommand):
        '''Greets.

        More about it.
        '''

        def add_arguments(self, subparser):
            subparser.add_argument("--first_name", default="you")
            subparser.add_argument("--fail", default="")

        def run(self, args):
            if args.fail == "value":
                raise ValueError("bad\\n  value")
            if args.fail == "token":
                raise RuntimeError("refused: API_TOKEN=hunter22 https://me:pa55word@host/")
            if args.fail == "file":
                open("/no/such/file")
            if args.fail == "exit":
                raise SystemExit(7)
            if args.fail == "pipe":
                raise BrokenPipeError(32, "Broken pipe")
            print("hello", args.first_name)
"""


@pytest.fixture
def hello(site: Site) -> Site:
    site.add(
        "acme-hello",
        modules={"acme_hello": HELLO},
        entry_points={"torchx.cli.cmds": {"hello": "acme_hello:CmdHello"}},
    )
    return site


def test_help_lists_every_command_with_a_summary(cli: Cli) -> None:
    done = cli("--help")
    assert done.code == 0
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.lines if line.startswith("  ")}
    assert set(BUILTIN) <= set(rows)
    assert all(rows.values())


@pytest.mark.parametrize("flag", ["-h", "--help", "--hel"])
def test_help_imports_no_command_and_no_parser(flag: str) -> None:
    code = (
        "import sys\nfrom torchx.cli.main import main\n"
        f"main([{flag!r}])\n"
        "print(*sorted(m for m in sys.modules if m.startswith('torchx.cli.cmd_') or m in "
        "('argparse', 'torchx.specs', 'torchx.runner', 'rich', 'yaml', 'fsspec', 'asyncio', 'json', 'logging')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "torchx.cli.cmd_base"


def test_help_of_a_command_shows_its_docstring_and_options(hello: Site, cli: Cli) -> None:
    done = cli("hello", "--help")
    assert done.code == 0
    assert "More about it." in done.out
    assert "--first_name" in done.out


@pytest.mark.parametrize("command", BUILTIN)
def test_every_command_has_help(cli: Cli, command: str) -> None:
    done = cli(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"torchx {command}" in done.out


def test_version(cli: Cli) -> None:
    from torchx.version import __version__

    assert cli("--version").out == f"torchx {__version__}\n"


def test_no_command_shows_help_and_is_a_usage_error(cli: Cli) -> None:
    done = cli()
    assert (done.code, done.out) == (2, "")
    assert "commands:" in done.err


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["rnu"], "unknown command `rnu`", "did you mean `run`?"),
        (["xyzzy"], "unknown command `xyzzy`", "see `torchx --help`"),
        (["--lgo_level", "DEBUG", "list"], "unknown option `--lgo_level` ahead of the command", "--log-level"),
        (["-x"], "unknown option `-x` ahead of the command", "see `torchx --help`"),
        (["--log_level", "DEBGU", "list"], "unknown log level `DEBGU`", "did you mean `DEBUG`?"),
        (["--log_level"], "the option `--log_level` needs a value", "one of"),
        (["--version=3"], "the option `--version` takes no value", ""),
        (["list", "--schduler", "x"], "unknown option `--schduler` of `torchx list`", "--scheduler"),
        (["list", "job"], "unexpected argument `job`", "see `torchx list --help`"),
        (["status"], "the following arguments are required: APP_HANDLE", "see `torchx status --help`"),
        (["list", "-s"], "the option `-s/--scheduler` needs a value", "see `torchx list --help`"),
        (["run", "--wait=maybe", "utils.echo"], "takes no value", "see `torchx run --help`"),
        (["run", "--bogus", "utils.echo"], "unknown option `--bogus` of `torchx run`", "see `torchx run --help`"),
        (["run", "--log-level", "DEBUG"], "`--log-level` goes ahead", "`torchx --log-level ... run ...`"),
        (["status", "--log_level=DEBUG", "x"], "`--log_level` goes ahead", "`torchx --log_level=DEBUG status ...`"),
        (["list", "--no-plugins"], "`--no-plugins` goes ahead", "`torchx --no-plugins list ...`"),
        (["list", "-s", "a", "-s", "b"], "argument -s/--scheduler: given more than once", "see `torchx list --help`"),
        (["log", "x", "--streams", "stdou"], "unknown stream `stdou` (did you mean `stdout`", ""),
        (["completion", "fish"], "unknown shell `fish`", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_with_a_hint_and_status_2(cli: Cli, argv: list[str], error: str, hint: str) -> None:
    done = cli(*argv)
    assert (done.code, done.out) == (2, "")
    assert error in done.error
    assert hint in done.hint
    assert len(done.err.splitlines()) <= 2


@pytest.mark.parametrize("option", ["--first_name", "--first-name", "--first", "--fi"])
def test_long_options_take_dashes_underscores_and_abbreviations(hello: Site, cli: Cli, option: str) -> None:
    assert cli("hello", option, "Ada").out == "hello Ada\n"
    assert cli("hello", f"{option}=Ada").out == "hello Ada\n"


def test_global_options_take_dashes_and_underscores(hello: Site, cli: Cli) -> None:
    for option in ("--log_level", "--log-level", "--log"):
        assert cli(option, "error", "hello").out == "hello you\n"


def test_an_unexpected_error_is_one_line_and_status_1(hello: Site, cli: Cli) -> None:
    done = cli("hello", "--fail", "value")
    assert (done.code, done.error) == (1, "ValueError: bad value")
    assert "--log_level DEBUG" in done.hint


def test_the_traceback_is_shown_when_asked_for(hello: Site, torchx: Cli) -> None:
    done = torchx("--log_level", "DEBUG", "hello", "--fail", "value")
    assert done.code == 1
    assert "Traceback" in done.err
    assert "acme_hello.py" in done.err


def test_an_error_of_the_system_is_told_plainly(hello: Site, cli: Cli) -> None:
    assert cli("hello", "--fail", "file").error == "No such file or directory: '/no/such/file'"


def test_secrets_in_errors_are_masked(hello: Site, torchx: Cli) -> None:
    for argv in (["hello"], ["--log_level", "DEBUG", "hello"]):
        done = torchx(*argv[:-1], argv[-1], "--fail", "token")
        assert done.code == 1
        assert "refused" in done.err
        assert "hunter22" not in done.err
        assert "pa55word" not in done.err


def test_the_status_that_a_command_chooses_is_kept(hello: Site, cli: Cli) -> None:
    assert cli("hello", "--fail", "exit").code == 7


def test_a_broken_pipe_of_something_else_is_an_ordinary_error(hello: Site, cli: Cli) -> None:
    done = cli("hello", "--fail", "pipe")
    assert (done.code, done.error) == (1, "Broken pipe")


def test_a_broken_command_plugin_spoils_only_itself(site: Site, hello: Site, cli: Cli) -> None:
    site.add(
        "acme-broken",
        modules={"acme_broken": "import no_such_module"},
        entry_points={"torchx.cli.cmds": {"broken": "acme_broken:Cmd"}},
    )
    assert "(from acme-broken)" in cli("--help").out
    assert cli("hello").out == "hello you\n"
    done = cli("broken")
    assert done.code == 1
    assert "acme-broken 1.0" in done.error
    assert "no_such_module" in done.error


def test_what_a_plugin_prints_at_import_is_no_output_of_a_command(site: Site, cli: Cli) -> None:
    site.add(
        "acme-noisy",
        modules={"acme_noisy": "print('noise')"},
        entry_points={"torchx.plugins": {"noisy": "acme_noisy"}},
    )
    done = cli("runopts", "local_cwd", "--json")
    assert "log_dir" in json.loads(done.out)["local_cwd"]
    assert done.err == "noise\n"


def test_a_command_that_cannot_be_made_names_its_plugin(site: Site, cli: Cli) -> None:
    site.add(
        "acme-odd",
        modules={"acme_odd": "class Cmd:\n    def __init__(self):\n        raise RuntimeError('boom')\n"},
        entry_points={"torchx.cli.cmds": {"odd": "acme_odd:Cmd"}},
    )
    done = cli("odd")
    assert done.code == 1
    assert "plugin `acme-odd 1.0` does not work: command `odd` (`acme_odd:Cmd`): RuntimeError: boom" in done.error


def test_a_command_that_two_plugins_provide_names_both(site: Site, hello: Site, cli: Cli) -> None:
    site.add("acme-other", entry_points={"torchx.cli.cmds": {"hello": "acme_other:Cmd"}})
    assert cli("--help").code == 0
    done = cli("hello")
    assert done.code == 2
    assert "acme-hello" in done.error
    assert "acme-other" in done.error


def test_without_plugins_only_the_built_in_commands_are_there(hello: Site, cli: Cli) -> None:
    assert cli("--no-plugins", "hello").error == "unknown command `hello`"
    assert cli("--no-plugins", "--version").code == 0


def test_default_commands_leave_out_those_of_plugins(hello: Site) -> None:
    assert list(get_default_sub_cmds()) == BUILTIN
    assert list(get_sub_cmds()) == [*BUILTIN, "hello"]


class CmdEcho(SubCommand):
    """Says what it was given."""

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        subparser.add_argument("word")

    def run(self, args: argparse.Namespace) -> None:
        print(args.word)


def test_a_program_may_bring_its_own_commands(capsys: pytest.CaptureFixture[str]) -> None:
    run_main({"echo": CmdEcho()}, ["echo", "hi"])
    assert capsys.readouterr().out == "hi\n"
    with pytest.raises(SystemExit, match=r"^(0|None)$"):
        run_main({"echo": CmdEcho()}, ["echo", "--help"])
    run_main({"echo": CmdEcho()}, ["--help"])
    assert "Says what it was given." in capsys.readouterr().out


def test_the_whole_parser_runs_commands(capsys: pytest.CaptureFixture[str]) -> None:
    args = create_parser({"echo": CmdEcho()}).parse_args(["echo", "hi"])
    args.func(args)
    assert capsys.readouterr().out == "hi\n"
    with pytest.raises(SystemExit) as ended:
        create_parser({"echo": CmdEcho()}).parse_args(["ehco", "hi"])
    assert ended.value.code == 2


def test_success_returns_normally(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out


def test_a_reader_that_leaves_ends_the_program_quietly() -> None:
    pipeline = f"{sys.executable} -m torchx builtins --json | head -c 1; echo ${{PIPESTATUS[0]}}"
    big = f'{sys.executable} -c "{BIG_OUTPUT}" | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}'
    assert subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True, check=True).stderr == ""
    done = subprocess.run(["bash", "-c", big], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("141\n", "")


BIG_OUTPUT = (
    "from torchx.cli.cmd_base import SubCommand as S; from torchx.cli.main import run_main as m; "
    "m({'big': type('Big', (S,), {'add_arguments': lambda s, p: None, "
    "'run': lambda s, a: print('x' * 10_000_000)})()}, ['big'])"
)


def test_a_closed_standard_output_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m torchx --help >&-"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*TORCHX, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


def test_errors_are_coloured_on_a_terminal_only() -> None:
    def shown(**env: str) -> str:
        child = pexpect.spawn(TORCHX[0], [*TORCHX[1:], "rnu"], env=environment(**env), encoding="utf-8", timeout=30)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 2
        return str(child.before)

    assert "\x1b[31merror:\x1b[0m" in shown()
    assert "\x1b" not in shown(NO_COLOR="1")
    assert "\x1b" not in shown(TERM="dumb")


def test_output_survives_an_encoding_that_cannot_express_it(hello: Site, torchx: Cli) -> None:
    done = torchx("hello", "--first_name", "Zoë", env=environment(PYTHONIOENCODING="ascii"))
    assert done.code == 1  # print() of the plugin itself: its error, in one line
    assert "UnicodeEncodeError" in done.error


@pytest.mark.parametrize("name", ["BLUE", "ENDC", "GRAY"])
def test_colours_are_empty_away_from_a_terminal(name: str) -> None:
    import torchx.cli.colors
    import torchx.cli.main
    import torchx.util.colors

    for module in (torchx.cli.main, torchx.cli.colors, torchx.util.colors):
        assert getattr(module, name) == ""


LOSES_INTERRUPTS = """
import os, signal, sys, time, weakref
from torchx.cli.guard import run_guarded

class Thing: pass

def lose(ref):
    os.kill(os.getpid(), signal.SIGINT)

def body(options):
    thing = Thing()
    ref = weakref.ref(thing, lose)
    del thing
    time.sleep(60)

run_guarded(body, ["list"])
"""


def test_ctrl_c_where_python_can_raise_nothing_is_repeated() -> None:
    done = subprocess.run([sys.executable, "-c", LOSES_INTERRUPTS], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

from torchx._start import main
sys.meta_path.insert(0, Interrupt())
main()
"""


@pytest.mark.parametrize("module", ["torchx.cli", "torchx.cli.main", "torchx.cli.guard", "torchx.errors"])
def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_traceback(module: str) -> None:
    code = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, module]
    done = subprocess.run(code, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)" + INTERRUPTED_WHILE_LOADING
    done = subprocess.run([sys.executable, "-c", code, "torchx.errors"], capture_output=True, text=True, timeout=30)
    assert "unknown command `torchx.errors`" in done.stderr
    assert done.returncode == 2


def test_a_program_that_calls_main_keeps_its_handler(cli: Cli) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert cli("--version").code == 0
    assert signal.getsignal(signal.SIGINT) is before
