"""Which names of environment variables, options and settings promise a secret value.

Names are looked at word by word: ``HF_TOKEN``, ``hf-token`` and ``hfToken`` are alike, while ``TOKENIZERS_PARALLELISM``
and ``KEYBOARD`` hold none of the words.
"""

from __future__ import annotations

from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that mean a secret wherever they stand in a name.
_SECRET_WORDS = _words(
    "password passwords passwd passphrase passcode secret secrets credential credentials creds apikey apikeys "
    "authtoken accesstoken accesskey secretkey privatekey bearer authorization cookie cookies dsn"
)
# Words run together that end like this (PGPASSWORD, GITHUBTOKEN).
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "secret", "apikey", "token")
# What makes a `key` a secret one: most keys name a thing (a primary key, a sort key).
_SECRET_KEYS = _words(
    "api access private secret encryption signing ssh gpg pgp ssl tls account storage service auth shared master "
    "hmac license webhook deploy"
)
# In machine learning a token is mostly a piece of text.
_TEXT_TOKENS = _words(
    "max min num n count len length size limit budget total avg mean per batch new prompt input output context "
    "pad padding eos bos unk sep mask cls start end stop special image audio video text vocab added extra ignore "
    "type types dim index idx ids embedding embeddings embed logits dropout ratio rate loss level shift mixing"
)
_AUTH_WORDS = _words("auth oauth auths")
# The secret itself is elsewhere: this tells where, or how.
_ABOUT = _words(
    "file files path dir sock socket url uri host port type mode method provider enabled enable required disabled "
    "timeout ttl expiry retries name names ref refs user username server endpoint scope audience realm version "
    "policy py json yaml yml toml ini cfg txt sh log"
)
_PASS_BEFORE = _words("db database smtp mysql postgres pg redis mongo ftp mail email root admin user login")

_HINTS = ("pass", "pwd", "secret", "cred", "key", "token", "bearer", "auth", "cookie", "dsn")
"""Every secret name holds one of these; most names hold none, which is quickly told."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is likely a secret.

    Args:
        name: of an environment variable, an option (with or without dashes), a setting or a header.

    >>> [is_secret_name(n) for n in ("HF_TOKEN", "--api-key", "dbPassword", "MAX_TOKENS", "TOKENIZERS_PARALLELISM")]
    [True, True, True, False, False]
    """
    if not may_name_secret(name):
        return False
    words = _split(name)
    return not is_reference(name) and any(_is_secret_word(words, i) for i in range(len(words)))


def may_name_secret(text: str) -> bool:
    """Whether a text may hold the name of a secret; False is certain."""
    folded = text.lower()
    return any(hint in folded for hint in _HINTS)


def is_reference(name: str) -> bool:
    """Whether what goes by this name tells where something is, or how to use it: a file, a user, an object's name.

    >>> [is_reference(n) for n in ("TOKEN_FILE", "secretName", "AUTH_TYPE", "TOKEN")]
    [True, True, True, False]
    """
    return bool(words := _split(name)) and words[-1] in _ABOUT


def _split(name: str) -> list[str]:
    import re

    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def _is_secret_word(words: list[str], i: int) -> bool:
    word = words[i]
    before = words[i - 1] if i else ""
    if word in ("token", "tokens"):
        return before in _SECRET_KEYS or (word == "token" and _TEXT_TOKENS.isdisjoint(words))
    if word in ("secret", "secrets") and before in ("image", "pull"):
        return False  # The name of a Kubernetes object.
    if word in _AUTH_WORDS:
        return i == len(words) - 1 or words[i + 1] in ("key", "code", "header", "data", "value", "string")
    if word in ("key", "keys"):
        return before in _SECRET_KEYS
    if word in ("pass", "pwd"):  # Alone, PWD is the working directory.
        return before in _PASS_BEFORE and i == len(words) - 1
    return word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS)
