"""What role dns64 writes on a host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ruamel.yaml import YAML

from tests.unit.roles.rendering import PROJECT, checked, render, value

if TYPE_CHECKING:
    from pathlib import Path


EVERYTHING: dict[str, Any] = {
    "dns64_prefixes": [
        "64:ff9b::/96",
        {"prefix": "3fff:65::/96", "for": ["192.0.2.0/24", "198.51.100.7"]},
        {"prefix": "3fff:66::/96"},
    ],
    "dns64_forwarders": [
        {"address": "127.0.0.1", "port": 65053, "validating": True},
        {"address": "2001:db8::53", "tls": "dns.example", "port": None},
        {"address": "192.0.2.53", "tls": "", "validating": False},
    ],
    "dns64_domains": [
        {
            "name": "corp.example",
            "synthesis": "never",
            "forwarders": [{"address": "192.0.2.10"}, {"address": "192.0.2.11", "port": 5353}],
        },
        {"name": "lab.corp.example", "synthesis": "always"},
    ],
    "dns64_allow_query": ["2001:db8::/32"],
    "dns64_extra_directives": ["retry 60"],
    "dns64_views": [
        {"name": "guests", "networks": ["2001:db8:2::/48"], "prefixes": []},
        {
            "name": "lab",
            "networks": ["2001:db8:3::/48", "192.0.2.0/24"],
            "forwarders": [{"address": "192.0.2.54", "tls": "ns.example", "validating": "yes"}],
            "prefixes": ["3fff:3::/96", {"prefix": "3fff:4::/96", "for": ["192.0.2.0/24"]}],
            "exclude": ["2001:db8:bad::/48", "2001:db8:bae::/48"],
            "mapped": ["192.0.2.0/24"],
            "unmapped": ["192.0.2.1"],
            "domains": [{"name": "lab.example", "forwarders": [{"address": "192.0.2.12"}]}],
            "on_aaaa_failure": "servfail",
            "stf": True,
        },
        {"name": "plain", "networks": ["2001:db8:4::/48"], "prefixes": None, "stf": False, "domains": None},
    ],
}
WRITTEN = """\
forwarder 127.0.0.1 port 65053 validating
forwarder 2001:db8::53 port 853 tls dns.example
forwarder 192.0.2.53 port 53
prefix 64:ff9b::/96
prefix 3fff:65::/96 for 192.0.2.0/24 198.51.100.7
prefix 3fff:66::/96
domain corp.example never
domain corp.example forward 192.0.2.10 port 53
domain corp.example forward 192.0.2.11 port 5353
domain lab.corp.example always
port 53
interfaces lan0
allow-query 2001:db8::/32
retry 60
view guests 2001:db8:2::/48
prefix none
view lab 2001:db8:3::/48 192.0.2.0/24
forwarder 192.0.2.54 port 853 tls ns.example validating
prefix 3fff:3::/96
prefix 3fff:4::/96 for 192.0.2.0/24
domain lab.example forward 192.0.2.12 port 53
exclude 2001:db8:bad::/48 2001:db8:bae::/48
mapped 192.0.2.0/24
unmapped 192.0.2.1
on-aaaa-failure servfail
stf
view plain 2001:db8:4::/48
"""


def test_each_variable_becomes_its_directives_and_views_come_last() -> None:
    lines = render("dns64/dns64.conf.j2", **EVERYTHING).splitlines()
    assert "\n".join(line for line in lines if line and not line.startswith("#")) + "\n" == WRITTEN


def test_the_roles_specs_take_every_variable_that_is_written() -> None:
    specs = YAML(typ="safe").load(PROJECT / "roles/dns64/meta/argument_specs.yml")
    options = specs["argument_specs"]["main"]["options"]
    assert ArgumentSpecValidator(options).validate(EVERYTHING).error_messages == []
    assert EVERYTHING.keys() <= options.keys()
    keys = {key for view in EVERYTHING["dns64_views"] for key in view}
    assert keys == options["dns64_views"]["options"].keys()


@pytest.mark.parametrize(
    ("variables", "prefixes"),
    [
        ({}, ["64:ff9b::/96"]),
        (EVERYTHING, ["64:ff9b::/96", "3fff:3::/96", "3fff:65::/96", "3fff:66::/96", "3fff:4::/96"]),
    ],
)
def test_the_prefixes_of_all_clients_are_known_to_who_verifies(
    variables: dict[str, Any], prefixes: list[str]
) -> None:
    assert value("dns64", "__dns64_prefixes", **variables) == prefixes


@pytest.mark.parametrize(
    "variables",
    [
        {},
        EVERYTHING,
        {
            "dns64_interfaces": [],
            "dns64_listen": [{"address": "2001:db8:1::53"}, {"address": "192.0.2.53", "port": 5353}],
            "dns64_allow_query": ["2001:db8::/32", "192.0.2.0/24"],
        },
    ],
)
def test_dns64d_accepts_the_config(variables: dict[str, Any], tmp_path: Path) -> None:
    assert checked("dns64d", render("dns64/dns64.conf.j2", **variables), tmp_path) == (0, "")


@pytest.mark.parametrize("template", ["dns64/dns64d.service.j2", "dns64/dns64d.openrc.j2"])
@pytest.mark.parametrize("resolver", ["named", "unbound"])
def test_the_server_starts_after_the_resolver_that_it_may_ask(template: str, resolver: str) -> None:
    (after,) = re.findall(r"^\s*[Aa]fter[ =](.*)$", render(template), re.MULTILINE)
    assert resolver in after.replace(".service", "").split()
