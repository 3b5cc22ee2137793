"""What tayga.conf and totd.conf have in common: lines of blank-separated words, and how mistakes are told.

A parser built on this module collects every mistake of a file before it gives up, so that one run shows
them all. A mistake is one line: ``file:line: what is wrong; what would be right``.
"""

from __future__ import annotations

import difflib
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_TRUE: Final = frozenset({"yes", "true", "on", "1"})
_FALSE: Final = frozenset({"no", "false", "off", "0"})
_MOST_DIGITS: Final = 20
_Value = TypeVar("_Value")
_Network = TypeVar("_Network", ipaddress.IPv4Network, ipaddress.IPv6Network)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file's name as the user gave it, and a line counted from 1.

    Line 0 means the file as a whole (something is missing from it, or it cannot be read).
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Placed(Generic[_Value]):
    """A value and the place where it stands."""

    value: _Value
    place: Place


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a config: where, what, and what would be right."""

    place: Place
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}; {self.remedy}"


class ConfigError(Exception):
    """A config cannot be used. ``mistakes`` holds every reason found, in the order of the lines."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


class Refused(Exception):  # noqa: N818 - it reads as what happened to the word: ``raise Refused(problem, remedy)``
    """A directive cannot be accepted; the parser adds the place. Raised by the word readers below."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Directive:
    """One meaningful line: its place, its keyword in lower case, and the words after it as written."""

    place: Place
    keyword: str
    words: tuple[str, ...]

    def count(self, at_least: int, at_most: int | None, usage: str) -> None:
        """Raise `Refused` unless the number of words lies within the bounds (``None``: no upper bound)."""
        found = len(self.words)
        if found < at_least or (at_most is not None and found > at_most):
            raise Refused(f"'{self.keyword}' has {found} argument{'s' * (found != 1)}", f"write: {usage}")


@dataclass(slots=True)
class Findings:
    """What a parser gathers while it reads: mistakes stop the config, warnings are logged."""

    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)

    def refuse(self, place: Place, problem: str, remedy: str) -> None:
        """Record a mistake."""
        self.mistakes.append(Mistake(place, problem, remedy))

    def warn(self, place: Place, problem: str, remedy: str) -> None:
        """Record a warning."""
        self.warnings.append(Mistake(place, problem, remedy))

    def warn_of_repetition(self, place: Place, what: str) -> None:
        """Record that an entry of a list stands there twice."""
        self.warn(place, f"{what} stands here a second time", "remove one of the two")

    def warn_that_the_last_counts(self, directive: Directive) -> None:
        """Record that a directive which can hold but once stands there again."""
        self.warn(
            directive.place,
            f"'{directive.keyword}' stands here a second time",
            "the last one counts, remove the others",
        )

    def read_each(
        self,
        found: Iterable[Directive],
        readers: Mapping[str, Callable[[Directive], None]],
        later: Iterable[str],
        places: dict[str, Place],
    ) -> None:
        """Give each directive to the reader of its keyword, and note in `places` where a keyword stood first.

        A reader thus finds its own keyword in `places` only when it stands there a second time. A keyword that
        has no reader becomes a mistake; `later` are those that a later version will know.
        """
        for directive in found:
            reader = readers.get(directive.keyword)
            if reader is None:
                self._refuse_unknown(directive, readers, later)
            else:
                self.attempt(directive, reader)
                places.setdefault(directive.keyword, directive.place)

    def _refuse_unknown(self, directive: Directive, known: Iterable[str], later: Iterable[str]) -> None:
        keyword = directive.keyword
        if keyword in later:
            self.refuse(directive.place, f"'{keyword}' is not supported by this version", "remove the line")
            return
        close = difflib.get_close_matches(keyword, known, n=1)
        remedy = f"did you mean '{close[0]}'?" if close else f"known are: {' '.join(sorted(known))}"
        self.refuse(directive.place, f"unknown directive '{keyword}'", remedy)

    def attempt(self, directive: Directive, read: Callable[[Directive], None]) -> None:
        """Run `read` on the directive; a `Refused` becomes a mistake at the directive's place."""
        try:
            read(directive)
        except Refused as refused:
            self.refuse(directive.place, refused.problem, refused.remedy)

    def raise_if_any(self) -> None:
        """Raise `ConfigError` when a mistake was recorded."""
        if self.mistakes:
            raise ConfigError(sorted(self.mistakes, key=lambda mistake: mistake.place.line))


def directives(text: str, file: str, *, inline_comment: str) -> Iterator[Directive]:
    """Split a config into directives.

    `inline_comment` holds the characters that begin a comment anywhere in a line (totd: ``#;``). With an
    empty string a ``#`` begins a comment only at the start of a word (TAYGA).
    """
    for number, line in enumerate(text.split("\n"), start=1):
        for mark in inline_comment:
            line = line.partition(mark)[0]  # noqa: PLW2901 - the line without its comment is the line
        words: list[str] = []
        for word in line.split():
            if not inline_comment and word.startswith("#"):
                break
            words.append(word)
        if words:
            yield Directive(Place(file, number), words[0].lower(), tuple(words[1:]))


def read_flag(word: str, keyword: str) -> bool:
    """Read ``yes|true|on|1`` or ``no|false|off|0``, any case. Raises `Refused`."""
    lowered = word.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise Refused(f"'{word}' is neither yes nor no", f"write: {keyword} yes|no")


def read_number(word: str, what: str, lowest: int, highest: int) -> int:
    """Read a decimal number within the bounds, both included. Raises `Refused`."""
    digits = word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS
    if not digits or not lowest <= int(word) <= highest:
        raise Refused(f"'{word}' is not a valid {what}", f"give a number from {lowest} to {highest}")
    return int(word)


def read_ipv4(word: str) -> ipaddress.IPv4Address:
    """Read an IPv4 address. Raises `Refused`."""
    try:
        return ipaddress.IPv4Address(word)
    except ValueError:
        _refuse_address(word, "IPv4 address", "192.0.2.1")


def read_ipv6(word: str) -> ipaddress.IPv6Address:
    """Read an IPv6 address without a zone. Raises `Refused`."""
    try:
        address = ipaddress.IPv6Address(word)
    except ValueError:
        _refuse_address(word, "IPv6 address", "2001:db8::1")
    if address.scope_id is not None:
        raise Refused(f"'{word}' names an interface", "give the address without '%'")
    return address


def read_ipv4_network(word: str) -> ipaddress.IPv4Network:
    """Read ``address/length`` with no host bits set. Raises `Refused`."""
    return _read_network(ipaddress.IPv4Network, word, "IPv4 network", "192.0.2.0/24")


def read_ipv6_network(word: str) -> ipaddress.IPv6Network:
    """Read ``address/length`` with no host bits set. Raises `Refused`."""
    return _read_network(ipaddress.IPv6Network, word, "IPv6 prefix", "2001:db8::/96")


def _read_network(kind: type[_Network], word: str, what: str, example: str) -> _Network:
    if "/" not in word or not word.rpartition("/")[2].isdigit():
        raise Refused(f"'{word}' is not an {what} with a length", f"write it as {example}")
    try:
        return kind(word)
    except ValueError:
        pass
    try:
        network = kind(word, strict=False)
    except ValueError:
        _refuse_address(word, what, example)
    raise Refused(f"'{word}' has bits set after its length", f"did you mean {network}?")


def _refuse_address(word: str, what: str, example: str) -> NoReturn:
    raise Refused(f"'{word}' is not an {what}", f"write it as {example}")
