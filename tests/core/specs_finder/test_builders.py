"""Reading a component's arguments and making its app."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchx.components import dist, utils
from torchx.errors import UsageError
from torchx.specs import AppDef, Role, builders
from torchx.specs.builders import ComponentArgsError, component_args_from_str, materialize_appdef, parse_args

if TYPE_CHECKING:
    from collections.abc import Callable


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


def _app(*args: object, **kwargs: object) -> AppDef:
    return AppDef("app", [Role("role", "", entrypoint="echo", args=[repr(args), repr(kwargs)])])


def plain(
    name: str,
    count: int = 1,
    ratio: float = 0.5,
    debug: bool = False,
    items: Optional[list[str]] = None,
    env: Optional[dict[str, str]] = None,
    mode: Mode = Mode.FAST,
    j: str = "1",
) -> AppDef:
    """A component.

    Args:
        name: the name
        count: 100% of them
    """
    return _app(name, count, ratio, debug, items, env, mode, j)


def variadic(*args: str, image: str = "img", h: Optional[str] = None, debug: bool = False, e: str = "") -> AppDef:
    return _app(*args, image=image, h=h, debug=debug, e=e)


def mixed(first: str, second: int = 2, *rest: int, last: str = "z") -> AppDef:
    return _app(first, second, *rest, last=last)


def extra_flags(*, config_name: Annotated[str, "-cn"], config_dir: Annotated[str, "-cd"] = ".") -> AppDef:
    return _app(config_name=config_name, config_dir=config_dir)


def _values(fn: Callable[..., AppDef], *argv: str, **given: Any) -> dict[str, Any]:
    return vars(parse_args(fn, list(argv), **given))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param(["--name", "x"], {"name": "x", "count": 1}, id="two-words"),
        pytest.param(["--name=x=y"], {"name": "x=y"}, id="one-word"),
        pytest.param(["--name="], {"name": ""}, id="empty-value"),
        pytest.param(["--na", "x"], {"name": "x"}, id="abbreviated"),
        pytest.param(["--name", "x", "-j", "2x2"], {"j": "2x2"}, id="short"),
        pytest.param(["--name", "x", "-j2x2"], {"j": "2x2"}, id="short-attached"),
        pytest.param(["--name", "x", "-j=2x2"], {"j": "2x2"}, id="short-equals"),
        pytest.param(["--name", "x", "--j", "2x2"], {"j": "2x2"}, id="one-letter-long"),
        pytest.param(["--name", "-1"], {"name": "-1"}, id="negative-number-as-value"),
        pytest.param(["--name", "-la"], {"name": "-la"}, id="dash-as-value"),
        pytest.param(["--name", "--other"], {"name": "--other"}, id="dashes-as-value"),
        pytest.param(["--name", "x", "--ratio", "-1"], {"ratio": -1.0}, id="negative-number"),
        pytest.param(["--name", "x", "--ratio", "-1e-3"], {"ratio": -0.001}, id="negative-exponent"),
        pytest.param(["--name", "a", "--name", "b"], {"name": "b"}, id="last-wins"),
        pytest.param(["--name", "x", "--debug", "1"], {"debug": True}, id="bool-1"),
        pytest.param(["--name", "x", "--debug", "True"], {"debug": True}, id="bool-word"),
        pytest.param(["--name", "x", "--debug=no"], {"debug": False}, id="bool-equals"),
        pytest.param(["--debug", "--name", "x"], {"debug": True, "name": "x"}, id="bool-alone-before-option"),
        pytest.param(["--name", "x", "--debug"], {"debug": True}, id="bool-alone-at-end"),
        pytest.param(["--name", "x", "--items", "a,b"], {"items": ["a", "b"]}, id="list"),
        pytest.param(["--name", "x", "--env", "A=1,B=2,3"], {"env": {"A": "1", "B": "2,3"}}, id="dict"),
        pytest.param(["--name", "x", "--mode", "slow"], {"mode": Mode.SLOW}, id="enum"),
        pytest.param(["--name", "x", "--"], {"name": "x"}, id="dashes-at-end"),
    ],
)
def test_options(argv: list[str], expected: dict[str, Any]) -> None:
    values = _values(plain, *argv)
    assert {name: values[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("argv", "rest"),
    [
        pytest.param(["ls", "-la"], ["ls", "-la"], id="first-word-starts-the-rest"),
        pytest.param(["--", "grep", "-e", "a", "-e", "b"], ["grep", "-e", "a", "-e", "b"], id="dashes"),
        pytest.param(["grep", "-e", "a", "-e", "b"], ["grep", "-e", "a", "-e", "b"], id="options-of-the-program"),
        pytest.param(["--image", "i", "ls", "--image", "j"], ["ls", "--image", "j"], id="own-option-in-the-rest"),
        pytest.param(["--", "--", "x"], ["--", "x"], id="second-dashes-are-data"),
        pytest.param(["a", "--", "x"], ["a", "--", "x"], id="later-dashes-are-data"),
        pytest.param(["-1", "x"], ["-1", "x"], id="number"),
        pytest.param(["-", "x"], ["-", "x"], id="single-dash"),
        pytest.param(["", "x"], ["", "x"], id="empty-word"),
        pytest.param(["--debug", "--", "x"], ["x"], id="bool-before-dashes"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_goes_to_the_program(argv: list[str], rest: list[str]) -> None:
    assert _values(variadic, *argv)["args"] == rest


def test_values_reach_parameters_of_all_kinds() -> None:
    args = component_args_from_str(mixed, ["--first", "a", "--last", "c", "3", "4"])
    assert args == ({"first": "a", "second": 2}, [3, 4], {"last": "c"})
    app = materialize_appdef(mixed, ["--first", "a", "3"])
    assert app.roles[0].args == ["('a', 2, 3)", "{'last': 'z'}"]


def test_option_strings_of_annotated_types() -> None:
    assert _values(extra_flags, "-cn", "x", "-cd=y") == {"config_name": "x", "config_dir": "y"}


def test_dashes_and_underscores_are_the_same() -> None:
    assert _values(utils.echo, "--num-replicas", "3")["num_replicas"] == 3


def test_a_parameter_called_h_takes_the_place_of_short_help() -> None:
    assert _values(variadic, "-h", "gpu.small")["h"] == "gpu.small"


@pytest.mark.parametrize(
    ("fn", "argv", "message", "hint"),
    [
        pytest.param(plain, [], "missing `--name`", "--name ...", id="missing"),
        pytest.param(plain, ["--name"], "`--name` needs a value", None, id="no-value"),
        pytest.param(
            plain, ["--name", "--count", "1"], "`--name` needs a value", "--name=--count", id="option-as-value"
        ),
        pytest.param(plain, ["--name", "x", "--coutn", "1"], "no option '--coutn'", "--count", id="misspelt"),
        pytest.param(plain, ["--name", "x", "extra"], "'extra'", "--name", id="extra-word"),
        pytest.param(plain, ["--name", "x", "--", "extra"], "'extra'", "--name", id="extra-word-after-dashes"),
        pytest.param(plain, ["--name", "x", "--count", "two"], "'two'", None, id="not-an-int"),
        pytest.param(plain, ["--name", "x", "--debug", "maybe"], "'maybe'", None, id="not-a-bool"),
        pytest.param(plain, ["--name", "x", "--env", "A"], "'A'", None, id="not-a-dict"),
        pytest.param(plain, ["--name", "x", "--mode", "warp"], "'warp'", None, id="not-a-member"),
        pytest.param(plain, ["--name", "x", "-x", "1"], "'-x'", None, id="unknown-short"),
        pytest.param(variadic, ["--imag", "x", "--foo"], "'--foo'", "`--`", id="unknown-before-rest"),
        pytest.param(mixed, ["--first", "a", "x"], "'x'", None, id="rest-of-wrong-type"),
        pytest.param(dist.ddp, ["--rdzv", "x"], "ambiguous: --rdzv_port", None, id="ambiguous"),
    ],
)
def test_errors_name_the_input_and_the_fix(
    fn: Callable[..., AppDef], argv: list[str], message: str, hint: Optional[str]
) -> None:
    with pytest.raises(ComponentArgsError) as caught:
        parse_args(fn, argv)
    assert message in caught.value.message
    assert fn.__name__ in caught.value.message
    assert "\n" not in caught.value.message
    if hint is not None:
        assert hint in (caught.value.hint or "")


def test_the_command_line_wins_over_config_and_config_over_defaults() -> None:
    defaults = {"name": "default", "count": "1", "ratio": "0.1"}
    config = {"name": "config", "count": 2}
    assert _values(plain, cmpnt_defaults=defaults)["name"] == "default"
    values = _values(plain, "--name", "argv", cmpnt_defaults=defaults, config=config)
    assert (values["name"], values["count"], values["ratio"]) == ("argv", 2, 0.1)


def test_config_takes_values_as_json_has_them() -> None:
    config = {"name": 5, "ratio": 1, "debug": True, "items": ["a"], "env": {"A": "1"}, "mode": "slow"}
    values = _values(plain, config=config)
    assert values["name"] == "5"
    assert values["ratio"] == 1.0
    assert values["items"] == ["a"]
    assert values["env"] == {"A": "1"}
    assert values["mode"] is Mode.SLOW


def test_names_in_config_may_have_dashes_and_set_the_rest() -> None:
    assert _values(utils.echo, config={"num-replicas": 2})["num_replicas"] == 2
    assert _values(variadic, config={"args": ["a", "b"]})["args"] == ["a", "b"]
    assert _values(variadic, cmpnt_defaults={"args": "a 'b c'"})["args"] == ["a", "b c"]
    assert _values(variadic, "x", config={"args": ["a"]})["args"] == ["x"]


@pytest.mark.parametrize(
    ("config", "named"),
    [({"nmae": "x"}, "'nmae'"), ({"name": None}, "name"), ({"name": "x", "count": "y"}, "'y'")],
    ids=["unknown", "none", "wrong-type"],
)
def test_config_that_does_not_fit_is_refused_by_name(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ComponentArgsError) as caught:
        parse_args(plain, [], config=config)
    assert named in caught.value.message


def test_none_is_a_value_where_the_default_is_none() -> None:
    assert _values(plain, "--name", "x", config={"items": None})["items"] is None


def test_help_is_printed_and_exits_with_success(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_args(plain, ["--name", "x", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "A component." in out
    assert "--count int" in out
    assert "100% of them (default: 1)" in out


def test_help_shows_configured_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        materialize_appdef(plain, ["--help"], {"name": "preset"})
    assert "default: preset" in capsys.readouterr().out


def test_help_among_the_programs_arguments_is_the_programs() -> None:
    assert _values(variadic, "prog", "--help")["args"] == ["prog", "--help"]


class Bound:
    """Made by a class method."""

    @classmethod
    def build(cls, msg: str = "x") -> AppDef:
        return _app(cls.__name__, msg)


class Unbound:
    @staticmethod
    def build(msg: str, *rest: str) -> AppDef:
        return _app(msg, *rest)


@dataclass
class Job:
    """A job."""

    msg: str
    count: int = 1

    def build(self, *rest: str, debug: bool = False) -> AppDef:
        return _app(self.msg, self.count, *rest, debug=debug)


@pytest.mark.parametrize(
    ("cls", "argv", "args"),
    [
        pytest.param(Bound, ["--msg", "y"], "('Bound', 'y')", id="class-method"),
        pytest.param(Unbound, ["--msg", "y", "a"], "('y', 'a')", id="static-method"),
        pytest.param(Job, ["--msg", "y", "--count", "2", "--debug", "--", "-a"], "('y', 2, '-a')", id="instance"),
    ],
)
def test_a_class_with_build_is_a_component(cls: Any, argv: list[str], args: str) -> None:
    assert materialize_appdef(cls, argv).roles[0].args[0] == args


def test_a_class_without_build_is_refused() -> None:
    class Nothing: ...

    with pytest.raises(UsageError, match="`Nothing` is not a component"):
        materialize_appdef(Nothing, [])  # type: ignore[arg-type]  # that is the point


def test_a_component_that_returns_something_else_is_refused() -> None:
    def wrong() -> AppDef:
        return "app"  # type: ignore[return-value]  # that is the point

    with pytest.raises(UsageError, match="`wrong` returned str, not an AppDef"):
        materialize_appdef(wrong, [])


def test_a_type_that_is_imported_for_type_checkers_only_is_told() -> None:
    def fn(x: NotThere) -> AppDef:  # type: ignore[name-defined]  # noqa: F821  # that is the point
        raise AssertionError

    with pytest.raises(UsageError, match="the type of parameter `x` cannot be resolved"):
        parse_args(fn, [])


def test_documented_names_are_in_one_place() -> None:
    assert builders.make_app_handle("s", "n", "a") == "s://n/a"
    assert builders.parse_mounts([]) == []


WORDS = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            [
                "--",
                "-",
                "--name",
                "--name=",
                "--count",
                "-j",
                "-j1",
                "--debug",
                "--env",
                "--items",
                "--mode",
                "--r",
                "-h",
            ]
        ),
        st.sampled_from(["1", "-1", "true", "A=1", "a,b", "fast", "{", "[1]", '{"a": 1}', "--no", "-x"]),
    ),
    max_size=8,
)


@settings(max_examples=150)
@given(st.sampled_from([plain, variadic, mixed, extra_flags, dist.ddp, utils.sh, utils.booth]), WORDS)
def test_any_words_are_read_or_refused_by_name(fn: Callable[..., AppDef], words: list[str]) -> None:
    try:
        parse_args(fn, words)
    except ComponentArgsError as error:
        assert error.message.startswith(f"component `{fn.__name__}`: ")
    except SystemExit as exit:
        assert exit.code == 0
        assert any(word.startswith(("-h", "--h")) for word in words)


@given(st.lists(st.text()))
def test_any_words_after_dashes_reach_the_program_unchanged(words: list[str]) -> None:
    assert parse_args(utils.sh, ["--cpu", "2", "--", *words]).args == words


@given(st.text())
def test_any_text_is_a_value(text: str) -> None:
    assert parse_args(utils.echo, [f"--msg={text}"]).msg == text
