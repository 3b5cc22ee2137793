# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Moving a BIND that serves port 53 behind the DNS64 server, by marks in its own config that can be taken back.

Three marks in the file that holds `options`: our include at its top, comments around each `listen-on` that means
port 53, and `localhost` at the head of each list that says who may ask. All else stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.nat64.gateway.plugins.module_utils.named_conf import Statement

_SIGN = "nat64.gateway.resolver"
_INCLUDE = f'\n    include "{{}}"; /* {_SIGN} */'
_HIDDEN = f"/* {_SIGN}: {{}} */"
_LOCALHOST = f" localhost; /* {_SIGN} */"
_OPTIONS = f'\noptions {{{{ include "{{}}"; }}}}; // {_SIGN}\n'
_MARKS = re.compile(
    rf'\noptions \{{ include "[^"\n]*"; \}}; // {_SIGN}\n'
    rf'|\n    include "[^"\n]*"; /\* {_SIGN} \*/'
    rf"|{re.escape(_LOCALHOST)}"
    rf"|/\* {_SIGN}: (?P<hidden>.*?) \*/",
    re.DOTALL,
)
_WHO_MAY_ASK = ("allow-query", "allow-query-cache", "allow-recursion")
# On which of the host's addresses it may be asked.
_WHERE_TO_ASK = tuple(f"{keyword}-on" for keyword in _WHO_MAY_ASK)
_NO = {("no",), ("false",), ("0",)}
_DNS_PORT = "53"
# The words by which configuration management says that it will write the file again.
_AUTOMATION = re.compile(
    r"ansible managed|managed by|(?:auto-?matically|auto-?) ?generated|do(?: not|n't) edit", re.IGNORECASE
)


@dataclass(frozen=True)
class Edit:
    """A piece of text to put in place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


def options_of(config: Statement) -> Statement | None:
    """Return the statement `options`, if there is one."""
    return next(config.find("options"), None)


def adopted(text: str, options: Statement | None, include: str) -> str:
    """Return the text of the file that holds `options`, or of the main file without any, with our marks.

    `options` was read from this very text, which has no marks of ours (see `restored`).
    """
    if options is None:
        return text + _OPTIONS.format(include)
    edits = [Edit(options.inside, options.inside, _INCLUDE.format(include))]
    for each in options.body:
        if each.file != options.file:
            continue
        if _listens_on_dns_port(each, options):
            edits.append(Edit(each.start, each.end, _HIDDEN.format(text[each.start : each.end])))
        elif each.keyword in _WHO_MAY_ASK and each.inside >= 0:
            edits.append(Edit(each.inside, each.inside, _LOCALHOST))
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def restored(text: str) -> str:
    """Return the text without our marks, byte for byte what it was."""
    return _MARKS.sub(lambda mark: mark["hidden"] or "", text)


def obstacles(config: Statement, text: str) -> Iterator[str]:
    """Say why this role cannot move that BIND, each with the lines to change.

    `text` is that of the file that holds `options`.
    """
    options = options_of(config)
    automation = _AUTOMATION.search("\n".join(text.splitlines()[:10]))
    if automation:
        file = options.file if options else config.file
        yield (
            f"{file} says '{automation[0]}', so that something else writes it; have that move BIND to port"
            " 65053 of 127.0.0.1 and ::1, and set resolver_mode to none"
        )
    acls = {each.words[1]: each for each in config.find("acl") if len(each.words) == 2}
    if options is not None:
        yield from _options_obstacles(options, text)
        yield from _keeps_out(options, acls, _WHERE_TO_ASK)
    views = list(config.find("view"))
    for view in views:
        yield from _keeps_out(view, acls, (*_WHO_MAY_ASK, *_WHERE_TO_ASK))
    yield from _answering_obstacles(options, views, acls)
    for zone in (*config.find("zone"), *(zone for view in views for zone in view.find("zone"))):
        yield from _keeps_out(zone, acls, ("allow-query", "allow-query-on"))


def _answering_obstacles(
    options: Statement | None, views: list[Statement], acls: dict[str, Statement]
) -> Iterator[str]:
    """Say why what DNS64 asks, from 127.0.0.1, would not be resolved: the first view that matches answers."""
    answering = next((view for view in views if _is_for_localhost(view, acls)), None)
    if views and answering is None:
        yield (
            f"{views[0].place}: no view is for 127.0.0.1, from where DNS64 asks; add localhost to match-clients of"
            " the view that resolves"
        )
        return
    holders = [each for each in (answering, options) if each is not None]
    recursion = next((each for holder in holders for each in holder.find("recursion")), None)
    if recursion is not None and recursion.words[1:2] in _NO:
        said = f"'{' '.join(recursion.words)}'"
        if answering is None:
            yield f"{recursion.place}: {said} makes a server that does not resolve; remove that line"
        else:
            yield (
                f"{answering.place}: {' '.join(answering.words[:2])} is the first view for 127.0.0.1, from where DNS64"
                f" asks, and does not resolve ({said}, {recursion.place}); put the view that resolves before it, with"
                " localhost in its match-clients"
            )
    limit = next((each for holder in holders for each in holder.find("rate-limit")), None)
    if limit is not None and not any(admits_localhost(each, acls) for each in limit.find("exempt-clients")):
        yield (
            f"{limit.place}: rate-limit would count all of DNS64's clients as one, 127.0.0.1; add there"
            " exempt-clients { localhost; }"
        )


def _options_obstacles(options: Statement, text: str) -> Iterator[str]:
    for each in options.body:
        if not _listens_on_dns_port(each, options) and each.keyword not in _WHO_MAY_ASK:
            continue
        if each.file != options.file:
            yield (
                f"{each.place}: '{each.keyword}' stands in another file than 'options'; move it to {options.file}"
            )
        elif each.keyword not in _WHO_MAY_ASK and "*/" in text[each.start : each.end]:
            yield f"{each.place}: '{each.keyword}' has a comment in it; move the comment out of the statement"


def _listens_on_dns_port(statement: Statement, options: Statement) -> bool:
    """Tell whether this is a `listen-on` for port 53, by itself or by the default that options' `port` sets."""
    if statement.keyword not in {"listen-on", "listen-on-v6"}:
        return False
    words = statement.words
    if "port" in words[:-1]:
        return words[words.index("port") + 1] == _DNS_PORT
    return all(each.words[1:2] == (_DNS_PORT,) for each in options.find("port"))


def _keeps_out(holder: Statement, acls: dict[str, Statement], keywords: tuple[str, ...]) -> Iterator[str]:
    """Say which lists of a view or zone leave out the host itself, from where DNS64 asks."""
    name = " ".join(holder.words[:2])
    for each in holder.find(*keywords):
        if not admits_localhost(each, acls):
            yield f"{each.place}: {each.keyword} of {name} leaves out 127.0.0.1, from where DNS64 asks; add localhost"


def _is_for_localhost(view: Statement, acls: dict[str, Statement]) -> bool:
    return all(admits_localhost(each, acls) for each in view.find("match-clients", "match-destinations"))


def admits_localhost(matching: Statement, acls: dict[str, Statement]) -> bool:
    """Tell whether an address match list has 127.0.0.1 in it; the first element that matches decides."""
    return _matches(matching, acls, 0) is True


def _matches(matching: Statement, acls: dict[str, Statement], depth: int) -> bool | None:
    for element in matching.body:
        words = [word for word in element.words if word != "!"]
        refused = element.words[:1] == ("!",) or (bool(words) and words[0].startswith("!"))
        word = words[0].lstrip("!") if words else ""
        found: bool | None = word in {"any", "localhost", "localnets"} or _holds_localhost(word) or None
        if element.inside >= 0 and not word:
            found = _matches(element, acls, depth)
        elif word in acls and depth < len(acls):
            found = _matches(acls[word], acls, depth + 1)
        if found is not None:
            return found is not refused
    return None


def _holds_localhost(word: str) -> bool:
    """Tell whether a network holds 127.0.0.1; BIND lets its trailing zeros be left out."""
    match = re.fullmatch(r"(\d+(?:\.\d+){0,3})(?:/(\d+))?", word)
    if not match:
        return False
    given = [int(part) for part in match[1].split(".")]
    length = int(match[2] or 32)
    if max(given) > 255 or length > 32:
        return False
    network = int.from_bytes(bytes([*given, 0, 0, 0][:4]), "big")
    return (network ^ 0x7F000001) >> (32 - length) == 0
