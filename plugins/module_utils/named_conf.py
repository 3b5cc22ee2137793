# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""BIND's named.conf: which statements there are, and where in which file each stands.

Only the lexical shape is read: words, strings, braces and comments. What a statement means is up to the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEEPEST_INCLUDE = 16
_TOKEN = re.compile(
    r"""
    (?P<skip>  \s+ | \#[^\n]* | //[^\n]* | /\*.*?\*/ ) |
    (?P<string> "(?:[^"\\]|\\.)*" ) |
    (?P<mark>  [{};] ) |
    (?P<open>  /\* | " ) |
    (?P<word>  (?: [^\s{};"/] | /(?![/*]) )+ )
    """,
    re.VERBOSE | re.DOTALL,
)


class ConfigError(Exception):
    """A config that cannot be followed; the text is ``file:line: what is wrong``."""


@dataclass(frozen=True)
class Statement:
    """What stands up to a semicolon, which belongs to it."""

    file: str
    line: int
    start: int
    end: int
    words: tuple[str, ...]
    """The words outside braces, strings without their quotes."""
    inside: int = -1
    """Where the first brace's inside begins; -1 without a brace."""
    body: tuple[Statement, ...] = ()
    """What stands in the first brace, files that it includes written out."""

    @property
    def keyword(self) -> str:
        """The first word, which says what this is; empty for a list in a list."""
        return self.words[0].lower() if self.words else ""

    @property
    def place(self) -> str:
        """The file and line where it begins."""
        return f"{self.file}:{self.line}"

    def find(self, *keywords: str) -> Iterator[Statement]:
        """Return the statements in the braces that begin with one of the keywords."""
        return (each for each in self.body if each.keyword in keywords)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def load(path: str, read: Callable[[str], str], expand: Callable[[str], list[str]]) -> Statement:
    """Read a config with all that it includes; the result's body holds the statements.

    `read` returns a file's text, `expand` the files that a name with wildcards stands for. Raises `ConfigError`, and
    what `read` raises.
    """
    loader = _Loader(read, expand)
    return Statement(path, 1, 0, 0, (), 0, tuple(loader.file(path, depth=0)))


class _Loader:
    def __init__(self, read: Callable[[str], str], expand: Callable[[str], list[str]]) -> None:
        self._read = read
        self._expand = expand
        # BIND turns to this directory as soon as it has read that option; later names are relative to it.
        self._directory = "/"

    def file(self, path: str, depth: int) -> Iterator[Statement]:
        if depth > _DEEPEST_INCLUDE:
            raise ConfigError(f"{path}:1: it includes itself")
        return self._written_out(parse(self._read(path), path), depth)

    def _written_out(self, statements: list[Statement], depth: int) -> Iterator[Statement]:
        for each in statements:
            if each.keyword == "include" and len(each.words) == 2:
                name = each.words[1]
                whole = name if name.startswith("/") else f"{self._directory.rstrip('/')}/{name}"
                for path in self._expand(whole):
                    yield from self.file(path, depth + 1)
                continue
            if each.keyword == "directory" and len(each.words) == 2:
                self._directory = each.words[1]
            body = tuple(self._written_out(list(each.body), depth))
            yield Statement(each.file, each.line, each.start, each.end, each.words, each.inside, body)


def parse(text: str, file: str) -> list[Statement]:
    """Read one file's statements, those in braces too; raises `ConfigError`."""
    tokens = _tokens(text, file)
    found, last = _statements(text, file, tokens)
    if last is not None:
        raise ConfigError(f"{file}:{_line(text, last.start)}: '}}' closes nothing")
    return found


def _tokens(text: str, file: str) -> Iterator[_Token]:
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None or match.lastgroup == "open":
            raise ConfigError(f"{file}:{_line(text, offset)}: a comment or string has no end")
        if match.lastgroup != "skip":
            yield _Token(str(match.lastgroup), match[0], offset, match.end())
        offset = match.end()


def _statements(text: str, file: str, tokens: Iterator[_Token]) -> tuple[list[Statement], _Token | None]:
    """Read statements up to a closing brace, which is returned, or the end of the file."""
    found: list[Statement] = []
    words: list[str] = []
    start = inside = -1
    body: list[Statement] | None = None
    for token in tokens:
        if token.text == "}" and token.kind == "mark":
            if start >= 0:
                raise ConfigError(f"{file}:{_line(text, start)}: a statement has no ';'")
            return found, token
        start = token.start if start < 0 else start
        if token.kind == "string":
            words.append(token.text[1:-1])
        elif token.kind == "word":
            words.append(token.text)
        elif token.text == "{":
            block, last = _statements(text, file, tokens)
            if last is None:
                raise ConfigError(f"{file}:{_line(text, token.start)}: '{{' is not closed")
            if body is None:
                body, inside = block, token.end
        else:
            line = _line(text, start)
            found.append(Statement(file, line, start, token.end, tuple(words), inside, tuple(body or ())))
            words, start, inside, body = [], -1, -1, None
    if start >= 0:
        raise ConfigError(f"{file}:{_line(text, start)}: a statement has no ';'")
    return found, None


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
