from __future__ import annotations

import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.specs import CfgVal, InvalidRunConfigException, cases, get_type_name, runopt, runopts
from torchx.specs._runopts_text import format_cfg


@pytest.fixture
def opts() -> runopts:
    return make_opts()


def make_opts() -> runopts:
    opts = runopts()
    opts.add("queue", type_=str, help="queue to submit to", required=True)
    opts.add("comment", type_=str, help="a comment")
    opts.add("priority", type_=int, default=0, help="higher goes first")
    opts.add("scale", type_=float, default=1.5, help="a factor")
    opts.add("privileged", type_=bool, default=False, help="more rights")
    opts.add("copy_env", type_=list[str], help="names of variables")
    opts.add("env", type_=dict[str, str], help="variables\nof the job")
    opts.add("mail-user", type_=str, help="whom to tell")
    return opts


# --- names


@pytest.mark.parametrize(
    ("snake", "camel"),
    [("job_queue", "jobQueue"), ("queue", "queue"), ("_job_queue", "_jobQueue"), ("a_b_c", "aBC"), ("", "")],
)
def test_names_become_camel_case(snake: str, camel: str) -> None:
    assert cases.snake_to_camel(snake) == camel


@pytest.mark.parametrize(
    ("camel", "snake"),
    [
        ("jobQueue", "job_queue"),
        ("jobRoleARN", "job_role_arn"),
        ("ARNOfRole", "arn_of_role"),
        ("memMB", "mem_mb"),
        ("job_queue", "job_queue"),
        ("s3Uri", "s3_uri"),
        ("", ""),
    ],
)
def test_names_become_snake_case(camel: str, snake: str) -> None:
    assert cases.camel_to_snake(camel) == snake


@given(st.from_regex(r"[a-z]{2,5}(_[a-z]{2,5}){0,3}", fullmatch=True))
def test_snake_case_survives_camel_case(name: str) -> None:
    assert cases.camel_to_snake(cases.snake_to_camel(name)) == name


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("copy_env", "copy_env"),
        ("copyEnv", "copy_env"),
        ("copy-env", "copy_env"),
        ("mail_user", "mail-user"),
        ("mailUser", "mail-user"),
        ("mail-user", "mail-user"),
        ("copyenv", None),
        ("", None),
    ],
)
def test_an_option_is_found_by_any_spelling(opts: runopts, spelling: str, key: str | None) -> None:
    assert opts.canonical_key(spelling) == key
    assert opts.get(spelling) == (None if key is None else dict(opts)[key])


@pytest.mark.parametrize(
    ("tp", "name"),
    [
        (str, "str"),
        (bool, "bool"),
        (list[str], "list[str]"),
        (typing.List[str], "list[str]"),  # noqa: UP006
        (dict[str, str], "dict[str, str]"),
        (typing.Dict[str, str], "dict[str, str]"),  # noqa: UP006
    ],
)
def test_types_have_readable_names(tp: object, name: str) -> None:
    assert get_type_name(tp) == name


# --- adding


def test_options_are_counted_iterated_and_replaced(opts: runopts) -> None:
    assert len(opts) == 8
    assert "priority" in {name for name, _ in opts}
    opts.add("priority", type_=str, help="now text")
    assert len(opts) == 8
    assert opts.get("priority") == runopt(None, str, False, "now text")
    opts.add("copyEnv", type_=str, help="another spelling replaces it")
    assert len(opts) == 8
    assert opts.canonical_key("copy_env") == "copyEnv"


def test_options_are_joined(opts: runopts) -> None:
    other = runopts()
    other.add("image_repo", type_=str, help="repo")
    other.add("priority", type_=int, default=7, help="other")
    joined = opts | other
    assert len(joined) == 9
    assert joined.resolve({"queue": "q"})["priority"] == 7
    assert opts.get("image_repo") is None
    opts.update(other)
    assert opts.get("image_repo") is not None


@pytest.mark.parametrize(
    ("type_", "default", "required", "error"),
    [
        pytest.param(str, "x", True, ValueError, id="required-with-default"),
        pytest.param(int, "x", False, TypeError, id="default-of-other-type"),
        pytest.param(list[str], "x", False, TypeError, id="no-list"),
        pytest.param(int, True, False, TypeError, id="bool-is-no-int"),
    ],
)
def test_a_contradiction_is_refused(type_: object, default: CfgVal, required: bool, error: type[Exception]) -> None:
    with pytest.raises(error, match="scheduler option `x`"):
        runopts().add("x", type_=type_, help="", default=default, required=required)


# --- resolving


def test_defaults_are_filled_in(opts: runopts) -> None:
    given_cfg: dict[str, CfgVal] = {"queue": "q", "copyEnv": ["A"], "priority": None}
    assert opts.resolve(given_cfg) == {
        "queue": "q",
        "comment": None,
        "priority": 0,
        "scale": 1.5,
        "privileged": False,
        "copy_env": ["A"],
        "env": None,
        "mail-user": None,
    }
    assert given_cfg == {"queue": "q", "copyEnv": ["A"], "priority": None}


def test_a_default_is_not_shared(opts: runopts) -> None:
    opts.add("tags", type_=list[str], default=["a"], help="")
    tags = opts.resolve({"queue": "q"})["tags"]
    assert isinstance(tags, list)
    tags.append("b")
    assert opts.resolve({"queue": "q"})["tags"] == ["a"]


@pytest.mark.parametrize(
    ("cfg", "message", "hint"),
    [
        pytest.param({}, r"`queue` is required \(str: queue to submit to\)", "-cfg queue=...", id="missing"),
        pytest.param({"queue": None}, "`queue` is required", "-cfg queue=...", id="missing-none"),
        pytest.param({"queue": "q", "priorty": 1}, "`priorty` is unknown", "`priority`", id="unknown"),
        pytest.param({"queue": "q", "zzzzz": 1}, "`zzzzz` is unknown", "valid options: ", id="unknown-far"),
        pytest.param({"queue": 3}, "`queue`: expected str, got int", None, id="type"),
        pytest.param({"queue": "q", "priority": "3"}, "`priority`: expected int, got str", None, id="type-str"),
        pytest.param({"queue": "q", "priority": True}, "`priority`: expected int, got bool", None, id="type-bool"),
        pytest.param({"queue": "q", "env": {"a": 1}}, "`env`: expected dict", None, id="type-dict"),
        pytest.param(
            {"queue": "q", "copy_env": "A"}, r"`copy_env`: expected list\[str\], got str", None, id="type-list"
        ),
        pytest.param({"queue": "q", "copy_env": [], "copyEnv": ["A"]}, "`copyEnv` is given twice", None, id="twice"),
    ],
)
def test_a_wrong_option_is_named(opts: runopts, cfg: dict[str, CfgVal], message: str, hint: str | None) -> None:
    with pytest.raises(InvalidRunConfigException, match=message) as caught:
        opts.resolve(cfg)
    assert isinstance(caught.value, UsageError)
    assert caught.value.cfg is cfg
    assert hint is None or hint in (caught.value.hint or "")


def test_unknown_options_can_be_left_out(opts: runopts) -> None:
    resolved = opts.resolve({"queue": "q", "other": 1}, ignore_unknown=True)
    assert resolved["queue"] == "q"
    assert "other" not in resolved


def test_an_error_does_not_tell_the_other_values(opts: runopts) -> None:
    with pytest.raises(InvalidRunConfigException) as caught:
        opts.resolve({"queue": "s3cr3t", "nope": "s3cr3t"})
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("value", "tp", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (True, bool, True),
        (1, bool, False),
        (1, float, True),
        (1.5, float, True),
        (True, float, False),
        ("a", str, True),
        (None, str, False),
        (["a"], list[str], True),
        ([1], list[str], False),
        ([], typing.List[str], True),  # noqa: UP006
        ({"a": "b"}, dict[str, str], True),
        ({"a": 1}, dict[str, str], False),
        ({1: "a"}, typing.Dict[str, str], False),  # noqa: UP006
    ],
)
def test_values_are_checked_against_types(value: CfgVal, tp: object, expected: bool) -> None:
    assert runopts.is_type(value, tp) is expected


# --- text


@pytest.mark.parametrize(
    ("text", "cfg"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param(" , ", {}, id="blank"),
        pytest.param("queue=q", {"queue": "q"}, id="one"),
        pytest.param("queue=q, priority=3,", {"queue": "q", "priority": 3}, id="two-and-spaces"),
        pytest.param("queue=", {"queue": ""}, id="empty-value"),
        pytest.param("comment=a=b", {"comment": "a=b"}, id="equals"),
        pytest.param("comment=a,b", {"comment": "a,b"}, id="comma"),
        pytest.param("comment=a, b c,queue=q", {"comment": "a, b c", "queue": "q"}, id="comma-then-pair"),
        pytest.param("comment=a;b:c", {"comment": "a;b:c"}, id="semicolon-colon"),
        pytest.param('comment="a,queue=b"', {"comment": "a,queue=b"}, id="quoted"),
        pytest.param('comment="a', {"comment": '"a'}, id="half-quoted"),
        pytest.param('comment=say "a",queue=q', {"comment": 'say "a"', "queue": "q"}, id="quotes-inside"),
        pytest.param("comment=C:\\x\\n", {"comment": "C:\\x\\n"}, id="backslash"),
        pytest.param("scale=2", {"scale": 2.0}, id="float"),
        pytest.param("privileged=True", {"privileged": True}, id="bool"),
        pytest.param("privileged=0", {"privileged": False}, id="bool-0"),
        pytest.param("privileged=y", {"privileged": True}, id="bool-letter"),
        pytest.param("copy_env=A;B;C", {"copy_env": ["A", "B", "C"]}, id="list"),
        pytest.param("copy_env=A,B,queue=q", {"copy_env": ["A", "B"], "queue": "q"}, id="list-by-comma"),
        pytest.param("copy_env=a,b;c=d", {"copy_env": ["a,b", "c=d"]}, id="list-with-commas"),
        pytest.param("copy_env=a,b;", {"copy_env": ["a,b"]}, id="list-of-one-with-comma"),
        pytest.param('copy_env="a;b"', {"copy_env": ["a;b"]}, id="list-quoted"),
        pytest.param("copy_env=", {"copy_env": []}, id="list-empty"),
        pytest.param("copyEnv=A", {"copy_env": ["A"]}, id="list-camel"),
        pytest.param("env=A:1;B:2", {"env": {"A": "1", "B": "2"}}, id="dict"),
        pytest.param("env=A:1,B:2,queue=q", {"env": {"A": "1", "B": "2"}, "queue": "q"}, id="dict-by-comma"),
        pytest.param("env=A:http://x:80/?a=b", {"env": {"A": "http://x:80/?a=b"}}, id="dict-url"),
        pytest.param("env=A:x,y", {"env": {"A": "x,y"}}, id="dict-comma-in-value"),
        pytest.param("env=H:mlx5_0:1,mlx5_1:1;", {"env": {"H": "mlx5_0:1,mlx5_1:1"}}, id="dict-nccl"),
        pytest.param('env=A:"x;y";B:', {"env": {"A": "x;y", "B": ""}}, id="dict-quoted"),
        pytest.param("env=", {"env": {}}, id="dict-empty"),
        pytest.param("mail_user=me@x", {"mail-user": "me@x"}, id="dash"),
    ],
)
def test_options_are_read_from_text(opts: runopts, text: str, cfg: dict[str, CfgVal]) -> None:
    assert opts.cfg_from_str(text) == cfg


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("queue", "`queue`: expected key=value", id="no-value"),
        pytest.param("=q", "expected key=value", id="no-key"),
        pytest.param(",queue=q", "`,queue=q`: expected key=value", id="comma-first"),
        pytest.param(", ,queue=q", "`, ,queue=q`: expected key=value", id="commas-first"),
        pytest.param("1=q", "expected key=value", id="bad-key"),
        pytest.param("que=q", "`que` is unknown", id="unknown"),
        pytest.param("queue=a,priorty=3", "`priorty` is unknown", id="misspelt-second"),
        pytest.param("queue=a,queue=b", "`queue` is given twice", id="twice"),
        pytest.param("copy_env=a,copyEnv=b", "`copyEnv` is given twice", id="twice-by-alias"),
        pytest.param("priority=high", "`priority`: expected int, got 'high'", id="int"),
        pytest.param("scale=", "`scale`: expected float, got ''", id="float"),
        pytest.param("privileged=maybe", "`privileged`: expected true or false, got 'maybe'", id="bool"),
        pytest.param("env=A", "`env`: expected key:value, got 'A'", id="dict"),
        pytest.param("env=A:1;B", "`env`: expected key:value, got 'B'", id="dict-second"),
        pytest.param("env=A:1;A:2", "`env`: key `A` is given twice", id="dict-twice"),
    ],
)
def test_wrong_text_is_named(opts: runopts, text: str, message: str) -> None:
    with pytest.raises(InvalidRunConfigException, match=message):
        opts.cfg_from_str(text)


_TEXT = st.one_of(st.text(), st.text(alphabet=',;:="\\ \nqueue=é'))
_CFG = st.fixed_dictionaries(
    {},
    optional={
        "queue": _TEXT,
        "priority": st.integers(),
        "scale": st.floats(allow_nan=False),
        "privileged": st.booleans(),
        "copy_env": st.lists(_TEXT),
        "env": st.dictionaries(_TEXT, _TEXT),
        "mail-user": _TEXT,
    },
)


@given(_CFG)
def test_what_is_written_is_read_again(cfg: dict[str, CfgVal]) -> None:
    assert make_opts().cfg_from_str(format_cfg(cfg)) == cfg


@given(_CFG)
def test_what_is_written_as_json_is_read_again(cfg: dict[str, CfgVal]) -> None:
    assert make_opts().cfg_from_json_repr(json.dumps(cfg)) == cfg


@given(st.text(alphabet='queueprioitycmnsalv=,;:"\\ \n'))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        make_opts().cfg_from_str(text)
    except InvalidRunConfigException as e:
        assert str(e)


@given(st.text(alphabet='queue={}[]",:1'))
def test_any_json_is_read_or_refused(text: str) -> None:
    try:
        make_opts().cfg_from_json_repr(text)
    except InvalidRunConfigException as e:
        assert str(e)


# --- JSON


def test_options_are_read_from_json(opts: runopts) -> None:
    text = '{"queue": "q", "copyEnv": ["A"], "env": {"a": "b"}, "priority": 2, "comment": null}'
    expected = {"queue": "q", "copy_env": ["A"], "env": {"a": "b"}, "priority": 2, "comment": None}
    assert opts.cfg_from_json_repr(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object, got list"),
        pytest.param('{"queue": ' + "[" * 100_000, "not valid JSON", id="nested without end"),
        ('{"nope": 1}', "`nope` is unknown"),
        ('{"priority": "1"}', "`priority`: expected int, got str"),
        ('{"env": {"a": 1}}', "`env`: expected dict"),
    ],
)
def test_wrong_json_is_named(opts: runopts, text: str, message: str) -> None:
    with pytest.raises(InvalidRunConfigException, match=message):
        opts.cfg_from_json_repr(text)


def test_unknown_options_in_json_can_be_left_out(opts: runopts) -> None:
    assert opts.cfg_from_json_repr('{"nope": 1, "queue": "q"}', ignore_unknown=True) == {"queue": "q"}


# --- a reader's view


def test_options_describe_themselves(opts: runopts) -> None:
    text = repr(opts)
    assert text.startswith("usage:\n    queue=QUEUE,[comment=COMMENT],")
    assert "required arguments:\n    queue=QUEUE (str)\n        queue to submit to\n" in text
    assert "    priority=PRIORITY (int, 0)\n        higher goes first\n" in text
    assert "    env=ENV (dict[str, str], None)\n        variables\n        of the job\n" in text
    assert repr(runopts()) == "usage:\n    (takes no options)"
