"""Secrets in code, however often it is quoted: of a shell in a shell, of Python, of JSON."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from torchx.components import utils
from torchx.util.masking import MASK, data_secrets, job_secrets, mask_args, mask_data, mask_text

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "CANARY77xyz"

CODE = {
    "variable": ["WANDB_API_KEY='CANARY77xyz' python t.py"],
    "export": ["sh", "-c", "export WANDB_API_KEY='CANARY77xyz'; x"],
    "double quotes": ["sh", "-c", 'export WANDB_API_KEY="CANARY77xyz"; x'],
    "option": ["mysql --password='CANARY77xyz' -e x"],
    "option and value": ["mysql --password 'CANARY77xyz' -e x"],
    "hydra": ["prog", "++trainer.api_key='CANARY77xyz'"],
    "quote in the value": ["python", "t.py", "--password", "it'sCANARY77xyz"],
    "quotes and blanks": ["python", "t.py", "--password", """it's "CANARY77xyz" and 'CANARY77xyz'"""],
    "three shells": ["sh", "-c", shlex.join(["sh", "-c", shlex.join(["run", "--token", "a CANARY77xyz"])])],
    "curl": ["curl -u me:CANARY77xyz u"],
    "curl in words": ["/usr/bin/curl", "-s", "--user", "me:CANARY77xyz", "u"],
    "curl with equals": ["curl", "--proxy-user=me:CANARY77xyz", "u"],
    "header": ["curl", "-H", "Authorization: Bearer CANARY77xyz"],
    "json": ["prog", "--config", '{"api_key": "CANARY77xyz", "lr": 1}'],
    "json in json": ["prog", json.dumps({"body": json.dumps({"api_key": 'a "CANARY77xyz', "b": 1})})],
    "url": ["prog", "--db='pg://me:CANARY77xyz@h/x'"],
    "never closed": ["sh", "-c", "export WANDB_API_KEY='CANARY77xyz and CANARY77xyz"],
    "never closed before": ["sh", "-c", "echo it's; export WANDB_API_KEY='CANARY77xyz'"],
    "ansi": ["sh", "-c", "export WANDB_API_KEY=$'a\\'CANARY77xyz'"],
    "backslash": ["sh", "-c", "export WANDB_API_KEY=a\\'\\ CANARY77xyz"],
    "continued line": ["sh", "-c", "run --api-key \\\n  'CANARY77xyz'"],
    "python": ["python", "-c", "import os; os.environ['API_TOKEN']='CANARY77xyz'"],
    "python collections": ["python", "-c", "f(passwords=['a', 'CANARY77xyz'], secrets={'hf': 'CANARY77xyz'}); x"],
    "python call": ["python", "-c", "import os; os.environ.setdefault('API_TOKEN', 'CANARY77xyz')"],
    "python list": ["python", "-c", "main(['--token', 'CANARY77xyz', '--lr', '1'])"],
}


@pytest.mark.parametrize("args", CODE.values(), ids=CODE)
@pytest.mark.parametrize("through", ["utils.sh", "utils.binary"])
def test_code_is_shown_without_its_secrets(args: list[str], through: str) -> None:
    app = utils.sh(*args) if through == "utils.sh" else utils.binary(*args[1:], entrypoint=args[0])
    role = app.roles[0]
    assert CANARY not in repr(app)
    assert CANARY not in str(mask_data({"args": [role.entrypoint, *role.args]}))
    assert CANARY not in mask_text(shlex.join([role.entrypoint, *role.args]))
    assert MASK in repr(app)
    assert any(CANARY in secret for secret in job_secrets(app))


def test_only_the_value_is_hidden() -> None:
    code = """WANDB_API_KEY='it is' python t.py --lr '1'; x --password "a'b" 'c d'"""
    masked = f"""WANDB_API_KEY='{MASK}' python t.py --lr '1'; x --password "{MASK}" 'c d'"""
    assert mask_args(["sh", "-c", code]) == ["sh", "-c", masked]
    assert mask_args(["x", shlex.quote(code)])[1] == shlex.quote(masked).replace("a'\"'\"'b", MASK)
    quoted = mask_text("sh -c " + shlex.quote("export API_KEY='abc'; x --lr 'it'"))
    assert shlex.split(quoted)[2] == f"export API_KEY='{MASK}'; x --lr 'it'"


def test_what_the_code_means_is_what_is_looked_for_elsewhere() -> None:
    args = ["-c", shlex.quote("run --password " + shlex.quote('it\'s a "secret"'))]
    assert 'it\'s a "secret"' in data_secrets(args)


UNCHANGED = [
    "echo 'it'\"'\"'s' \"$HOME\" \\\n  a\\ b",
    "cannot find 'key' in \"x\": it's not there",
    "TOKEN='' python x",
    "'TOKEN='\"'\"''\"'\"' x'",
    'echo "TOKEN=" next',
    '{"token": "", "tokens": ["a"], "lr": 1}',
    "unknown option '--token' of the program\nhint: it's missing",
    "docker run -u 1000:1000 image",
    "sort -u a:b; curl x; tar -u a:b",
]


@pytest.mark.parametrize("text", UNCHANGED)
def test_without_a_secret_nothing_changes(text: str) -> None:
    assert mask_text(text) == text
    assert mask_args(["-c", text]) == ["-c", text]
    assert mask_args(["-c", shlex.quote(text)]) == ["-c", shlex.quote(text)]


PIECES = ("QXZ90", "WVJ71", "KHG52")
# Between the pieces: what quoting is there for.
SEPARATORS = st.text(alphabet="'\"\\ $`;,é\n", max_size=3)
VALUES = st.tuples(SEPARATORS, SEPARATORS).map(lambda between: between[0].join(PIECES[:2]) + between[1] + PIECES[2])


def in_double_quotes(code: str) -> str:
    for char in '\\"$`':
        code = code.replace(char, f"\\{char}")
    return f'"{code}"'


QUOTINGS: list[Callable[[str], str]] = [shlex.quote, in_double_quotes, repr, json.dumps]
SECRETS: list[Callable[[str], str]] = [
    lambda value: f"WANDB_API_KEY={shlex.quote(value)} python t.py",
    lambda value: f"cd x && export WANDB_API_KEY={in_double_quotes(value)}; python 't.py'",
    lambda value: f"mysql --password={shlex.quote(value)} -e x",
    lambda value: f"mysql --password {in_double_quotes(value)} -e 'x y'",
    lambda value: shlex.join(["prog", f"++a.api_key={value}", "it's"]),
    lambda value: f"import os; os.environ['API_TOKEN'] = {value!r}; print('x')",
    lambda value: json.dumps({"lr": 1, "api_key": value, "text": "it's"}),
]


@given(VALUES, st.sampled_from(SECRETS), st.lists(st.sampled_from(QUOTINGS), max_size=3), st.booleans())
@example("QXZ90'WVJ71\"KHG52", SECRETS[0], [shlex.quote, shlex.quote, shlex.quote], True)
def test_no_piece_of_a_secret_shows_however_it_is_quoted(
    value: str, secret: Callable[[str], str], quotings: list[Callable[[str], str]], command: bool
) -> None:
    code = secret(value)
    for quoting in quotings:
        code = f"sh -c {quoting(code)} 'and then'" if command else quoting(code)
    shown = [mask_text(code), *mask_args(["sh", "-c", code]), str(mask_data({"command": ["-c", code], "code": code}))]
    assert [text for text in shown if any(piece[i : i + 4] in text for piece in PIECES for i in (0, 1))] == []


WORDS = st.lists(
    st.sampled_from(
        ["python", "it's", '"a b"', "'x'\"'\"'y'", "--lr=1", "tokenizer='bert'", "\\", "MAX_TOKENS=5", "é\n"]
    )
)


@given(st.one_of(WORDS.map(" ".join), st.text()), st.lists(st.sampled_from(QUOTINGS), max_size=3))
def test_texts_without_secrets_stay_as_they_are(text: str, quotings: list[Callable[[str], str]]) -> None:
    text = text.replace("://", "").replace("earer", "")
    for quoting in quotings:
        text = quoting(text)
    assert mask_text(text) == text
    assert mask_args(["sh", "-c", text]) == ["sh", "-c", text]


@pytest.mark.parametrize(
    "piece", ["token='\"", "token\\'", "token=\\\\\"'", "'token ' ", "curl -u ", "token=$'", "\"'token=x ", "token='\n"]
)
def test_hostile_code_takes_no_time(piece: str) -> None:
    # 200 kB; anything quadratic would take minutes.
    assert mask_text(piece * (200_000 // len(piece))) is not None
