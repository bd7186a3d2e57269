from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.util.masking import MASK, is_secret_name, mask_args, mask_data, mask_env, mask_text, secret_values

CANARY = "c4n4ry-Xy7"


def names(table: str) -> list[str]:
    return table.split()


SECRET_NAMES = [
    "HF_TOKEN",
    "TOKEN",
    "GITHUB_TOKEN",
    "api_token",
    "hfToken",
    "auth-token",
    "--token",
    "SECRET",
    "CLIENT_SECRET",
    "clientSecret",
    "PASSWORD",
    "DB_PASSWORD",
    "dbPassword",
    "PGPASSWORD",
    "MYSQL_PWD",
    "passwd",
    "API_KEY",
    "apiKey",
    "APIKey",
    "apikey",
    "WANDB_API_KEY",
    "OPENAI_API_KEY",
    "--api-key",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "PRIVATE_KEY",
    "SSH_PRIVATE_KEY",
    "ssh-key",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "PROXY_AUTH",
    "AUTHORIZATION",
    "DB_PASS",
    "Authorization",
    "db.password",
    "AUTH_KEY",
    "MASTER_KEY2",
    "API_TOKENS",
    "GITHUBTOKEN",
]
PLAIN_NAMES = [
    "TOKENIZERS_PARALLELISM",
    "MAX_TOKENS",
    "max_new_tokens",
    "KEYBOARD",
    "KEY",
    "PRIMARY_KEY",
    "PUBLIC_KEY",
    "sort-key",
    "monkey",
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "AUTHOR",
    "AUTHORS",
    "SSH_AUTH_SOCK",
    "AUTH_TYPE",
    "pad_token_id",
    "bos_token",
    "num_tokens",
    "tokenizer",
    "--tokenizer",
    "TOKEN_FILE",
    "PASSWORD_FILE",
    "secretName",
    "secretKeyRef",
    "imagePullSecrets",
    "image_secret",
    "COMPASS",
    "BYPASS",
    "single_pass",
    "NCCL_DEBUG",
    "secretary",
    "LOGLEVEL",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_that_only_look_alike(name: str) -> None:
    assert not is_secret_name(name)


@given(st.text())
def test_any_text_may_be_asked_for(name: str) -> None:
    assert is_secret_name(name) in (True, False)


def test_an_environment_is_copied_with_its_secrets_hidden() -> None:
    env = {"HF_TOKEN": CANARY, "EMPTY_TOKEN": "", "MAX_TOKENS": "512", "DSN_URL": f"postgres://me:{CANARY}@db/x"}
    masked = mask_env(env)
    assert masked == {"HF_TOKEN": MASK, "EMPTY_TOKEN": "", "MAX_TOKENS": "512", "DSN_URL": f"postgres://me:{MASK}@db/x"}
    assert env["HF_TOKEN"] == CANARY


@pytest.mark.parametrize(
    ("args", "masked"),
    [
        (["--token", CANARY, "x"], ["--token", MASK, "x"]),
        ([f"--token={CANARY}", "x"], [f"--token={MASK}", "x"]),
        (["--token", "--lr", "1"], ["--token", "--lr", "1"]),
        (["--token", "-" + CANARY], ["--token", MASK]),
        (["--token", "-v", CANARY], ["--token", "-v", CANARY]),
        (["--token"], ["--token"]),
        (["--token="], ["--token="]),
        ([f"+db.password={CANARY}=,; x"], [f"+db.password={MASK}"]),
        (["-c", f"export HF_TOKEN={CANARY}; run"], ["-c", f"export HF_TOKEN={MASK} run"]),
        (["-c", f"run --api-key '{CANARY} x' --lr 1"], ["-c", f"run --api-key '{MASK}' --lr 1"]),
        (["--max_tokens", "5", "--tokenizer=bert"], ["--max_tokens", "5", "--tokenizer=bert"]),
        ([f"--args=--token={CANARY}"], [f"--args=--token={MASK}"]),
        ([f"https://me:{CANARY}@example.org"], [f"https://me:{MASK}@example.org"]),
    ],
    ids=lambda value: " ".join(value)[:30],
)
def test_arguments_are_copied_with_their_secrets_hidden(args: list[str], masked: list[str]) -> None:
    assert mask_args(args) == masked


@pytest.mark.parametrize(
    "text",
    [
        f"API_KEY={CANARY}",
        f"API_KEY: {CANARY}",
        f'{{"api_key": "{CANARY}", "lr": 1}}',
        f'{{"api_key":"a \\" {CANARY}"}}',
        json.dumps(json.dumps({"api_key": CANARY, "b": 1})),
        f"{{'password': '{CANARY} with blanks'}}",
        f"run --token {CANARY} --lr 1",
        f"run --token '{CANARY}'",
        f"args: --token={CANARY}",
        f"env=TOKEN={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization: Basic {CANARY}",
        f"https://user:{CANARY}@host/path",
        f"https://user:p@{CANARY}@host/path",
        f"https://{CANARY}{CANARY}{CANARY}@github.com/a/b",
        f"password={CANARY},{CANARY};{CANARY}",
        f"- name: API_KEY\n  value: {CANARY}\n",
        f'{{"name": "API_KEY", "value": "a {CANARY}"}}',
        json.dumps(json.dumps({"Name": "API_KEY", "Value": CANARY})),
        f"{{'a': {{'token': b'{CANARY}'}}}}",
        f"token: |\n  a\n  {CANARY}\nlr: 1",
        f"TOKEN=`echo {CANARY}` x",
        f"TOKEN=$(echo {CANARY}) x",
    ],
)
def test_texts_lose_their_secrets(text: str) -> None:
    masked = mask_text(text)
    assert CANARY not in masked
    assert MASK in masked
    assert mask_text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "the token is invalid",
        "TOKENIZERS_PARALLELISM=false MAX_TOKENS=5",
        "ssh://git@github.com/a/b",
        "http://host:8080/a@b",
        "key: value, keyboard=us",
        '{"name": "LR", "value": "0.1"}, {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db"}}}',
        "basic training of 6 epochs",
        "it costs $5, an e-mail: a@b.c",
        "",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert mask_text(text) == text


@given(st.text(alphabet="aB\"'\\ é$%\n", min_size=4), st.text(alphabet="xyz"), st.text(alphabet="xyz"))
def test_a_known_secret_is_found_in_any_spelling(secret: str, before: str, after: str) -> None:
    in_shell = "'" + secret.replace("'", "'\"'\"'") + "'"
    for spelling in (secret, json.dumps(secret), repr(secret), quote(secret), quote_plus(secret), in_shell):
        masked = mask_text(f"{before}{spelling}{after}", [secret])
        assert re.fullmatch(rf"{before}[\"']*\*{{6}}[\"']*{after}", masked)


@given(st.text(max_size=300))
def test_any_text_can_be_masked(text: str) -> None:
    assert isinstance(mask_text(text), str)


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "-",
        "--a ",
        "a=",
        'token="',
        "token='\\",
        "http://",
        "a:b@",
        " \t",
        "token ",
        "name:",
        "token: |\n ",
        "token=`",
        "token=$(",
    ],
)
def test_hostile_texts_take_no_time(piece: str) -> None:
    # 200 kB; anything quadratic would take minutes.
    assert mask_text(piece * (200_000 // len(piece))) is not None


def test_native_requests_are_masked_in_depth() -> None:
    request = {
        "containers": [
            {
                "command": ["sh", "-c", f"TOKEN={CANARY} run", "--token", CANARY],
                "env": [
                    {"name": "HF_TOKEN", "value": CANARY},
                    {"name": "LR", "value": "0.1"},
                    {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                ],
                "environment": {"API_KEY": CANARY, "N": 3, "PIN_SECRET": 1234},
            }
        ],
        "imagePullSecrets": [{"name": "regcred"}],
        "note": f"see {CANARY}",
        "privileged": False,
        "passwords": [CANARY, CANARY],
        "secret": {"secretName": "db"},
        "secrets": {"hf": {"value": CANARY}},
        "automount_token": True,
    }
    assert mask_data(request, [CANARY]) == {
        "containers": [
            {
                "command": ["sh", "-c", f"TOKEN={MASK} run", "--token", MASK],
                "env": [
                    {"name": "HF_TOKEN", "value": MASK},
                    {"name": "LR", "value": "0.1"},
                    {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                ],
                "environment": {"API_KEY": MASK, "N": 3, "PIN_SECRET": MASK},
            }
        ],
        "imagePullSecrets": [{"name": "regcred"}],
        "note": f"see {MASK}",
        "privileged": False,
        "passwords": [MASK, MASK],
        "secret": {"secretName": "db"},
        "secrets": {"hf": {"value": MASK}},
        "automount_token": True,
    }


def test_secrets_are_collected_to_be_looked_for_elsewhere() -> None:
    env = {"HF_TOKEN": CANARY, "A_TOKEN": "x", "LR": "0.1"}
    args = ["--api-key", "0123456", "--lr", "0.1", "--password=hunter2"]
    assert secret_values(env, args) == {CANARY, "0123456", "hunter2"}
