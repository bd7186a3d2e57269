"""Where the secrets are in a text and in a command's arguments: what is hidden, and what is looked for elsewhere."""

from __future__ import annotations

from torchx.util.secret_names import is_secret_name, may_name_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Span = tuple[int, int, str]
    """Where a secret begins and ends in a text, and the secret itself, without the text's ways of quoting."""

_DEEPEST = 6
"""How often code within code is read: ``ssh host "sh -c 'python -c \\"...\\"'"``."""
_LONGEST = 20_000
"""Code longer than that many characters holds no code of its own: the time to read it stays bearable."""
_LOGIN_OPTIONS = ("-u", "-U", "--user", "--proxy-user")
"""Options of ``curl`` whose value is ``user:password``."""


def text_spans(text: str, depth: int = 0) -> Iterator[Span]:
    """The secrets of a text, some of them more than once: in URLs, headers, assignments and options, however quoted.

    Args:
        text: anything; code of a shell is read as the shell does, as are the strings in it.
        depth: how many texts it was inside of.
    """
    if "@" in text:
        from torchx.util.secret_patterns import URL_SECRET

        for match in URL_SECRET.finditer(text):
            group = "password" if match["password"] is not None else "token"
            yield match.start(group), match.end(group), match[group]
    if may_name_secret(text):
        from torchx.util.secret_patterns import BEARER, assignments

        for match in BEARER.finditer(text):
            yield match.start("value"), match.end("value"), match["value"]
        for start, end in assignments(text):
            yield start, end, text[start:end]
        if depth < _DEEPEST and ("'" in text or '"' in text or "\\" in text):
            yield from _code_spans(text, depth)
            return
    if depth < _DEEPEST and "curl" in text:
        yield from _code_spans(text, depth)


def argument_spans(args: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """The secrets of a command: the argument's index, and where in it the secret is."""
    yield from _named_spans(args)
    for i, arg in enumerate(args):
        for span in text_spans(arg):
            yield i, span


def _code_spans(code: str, depth: int) -> Iterator[Span]:
    from torchx.util.masking_shell import commands

    deeper = depth + 1 if len(code) <= _LONGEST else _DEEPEST
    for words in commands(code):
        texts = [word.text for word in words]
        for i, span in _named_spans(texts):
            # A quoted option before a plain word is prose: no option '--token' here
            if span[0] or words[i].quoted or not words[i - 1].quoted:
                yield words[i].in_code(span)
        for word, text in zip(words, texts, strict=True):
            if word.quoted and text != code:
                for span in text_spans(text, deeper):
                    yield word.in_code(span)


def _named_spans(args: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """The arguments that are secrets, or hold one behind ``=``, for the name before them."""
    expected = False
    for i, arg in enumerate(args):
        if expected and not _looks_like_option(arg):
            expected = False
            yield i, (0, len(arg), arg)
            continue
        name, equals, value = arg.partition("=")
        secret = is_secret_name(name) and _is_one_name(name)
        expected = secret and not equals and arg.startswith("-")
        if secret and equals and not _is_code(args, i, value):
            yield i, (len(name) + 1, len(arg), value)
    yield from _logins(args)


def _is_code(args: Sequence[str], i: int, value: str) -> bool:
    """Whether an argument is a shell's code that begins with an assignment: there, the value ends before the rest."""
    from torchx.util.secret_patterns import CODE_VALUE

    after_c = i > 0 and args[i - 1] == "-c" and (i == 1 or args[i - 2].endswith("sh"))
    return after_c or CODE_VALUE.match(value) is not None


def _logins(args: Sequence[str]) -> Iterator[tuple[int, Span]]:
    of_curl = False
    for i, arg in enumerate(args):
        if of_curl and (arg.startswith(_LOGIN_OPTIONS) or args[i - 1] in _LOGIN_OPTIONS):
            colon = arg.find(":")
        else:
            of_curl = (of_curl and not arg.endswith((";", "|", "&"))) or arg.rpartition("/")[2] == "curl"
            continue
        if colon >= 0:
            yield i, (colon + 1, len(arg), arg[colon + 1 :])


def _looks_like_option(arg: str) -> bool:
    # "-hunter2" is rather a password than a cluster of short options.
    return _is_one_name(arg.partition("=")[0]) and (arg.startswith("--") or arg[:-1] == "-")


def _is_one_name(text: str) -> bool:
    from torchx.util.secret_patterns import ONE_NAME

    return ONE_NAME.fullmatch(text) is not None
