"""What role dns64 writes on a host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ruamel.yaml import YAML

from nat64.config.totd import parse
from tests.unit.roles.rendering import PROJECT, checked, render, value

if TYPE_CHECKING:
    from pathlib import Path


PIN = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
OTHER_PIN = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
EVERYTHING: dict[str, Any] = {
    "dns64_prefixes": [
        "64:ff9b::/96",
        {"prefix": "3fff:65::/96", "for": ["192.0.2.0/24", "198.51.100.7"]},
        {"prefix": "3fff:66::/96"},
    ],
    "dns64_forwarders": [
        {"address": "127.0.0.1", "port": 65053, "validating": True},
        {"address": "2001:db8::53", "tls": "dns.example", "port": None, "tls_pins": [PIN, OTHER_PIN]},
        {"address": "2001:db8::54", "port": 8853, "tls_pins": [PIN], "https": ""},
        {"address": "2001:db8::55", "https": "https://dns.example/dns-query", "tls_pins": None},
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
    "dns64_listen_tls": [
        {"address": "2001:db8:1::53", "certificate": "/etc/nat64/tls/c", "key": "/etc/nat64/tls/k"},
        {"address": "192.0.2.1", "port": 8853, "certificate": "/c", "key": "/k"},
    ],
    "dns64_exclude": ["2001:db8:bad::/48"],
    "dns64_mapped": ["192.0.2.0/24", "198.51.100.0/24"],
    "dns64_unmapped": ["192.0.2.1"],
    "dns64_on_aaaa_failure": "servfail",
    "dns64_stf": True,
    "dns64_workers": 3,
    "dns64_cache_size": "128M",
    "dns64_prefetch": False,
    "dns64_serve_stale": 0,
    "dns64_forwarder_order": "fastest",
    "dns64_randomize_case": True,
    "dns64_cookies": True,
    "dns64_cookie_secret": "0123456789abcdef0123456789abcdef",
    "dns64_rate_limit": 200,
    "dns64_rate_limit_slip": 3,
    "dns64_tcp_connections": 1000,
    "dns64_tcp_connections_per_host": 20,
    "dns64_tcp_idle": 30,
    "dns64_query_log": "/var/log/dns64d/queries.log",
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
forwarder 2001:db8::53 tls dns.example tls-pin 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= tls-pin AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
forwarder 2001:db8::54 port 8853 tls-pin 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
forwarder 2001:db8::55 https https://dns.example/dns-query
forwarder 192.0.2.53
prefix 64:ff9b::/96
prefix 3fff:65::/96 for 192.0.2.0/24 198.51.100.7
prefix 3fff:66::/96
domain corp.example never
domain corp.example forward 192.0.2.10
domain corp.example forward 192.0.2.11 port 5353
domain lab.corp.example always
exclude 2001:db8:bad::/48
mapped 192.0.2.0/24 198.51.100.0/24
unmapped 192.0.2.1
on-aaaa-failure servfail
stf
port 53
interfaces lan0
listen-tls 2001:db8:1::53 certificate /etc/nat64/tls/c key /etc/nat64/tls/k
listen-tls 192.0.2.1 port 8853 certificate /c key /k
allow-query 2001:db8::/32
workers 3
cache-size 128M
prefetch no
serve-stale no
forwarder-order fastest
randomize-case yes
cookies yes
cookie-secret 0123456789abcdef0123456789abcdef
rate-limit 200 slip 3
tcp-connections 1000 per-host 20
tcp-idle 30
query-log /var/log/dns64d/queries.log
retry 60
view guests 2001:db8:2::/48
prefix none
view lab 2001:db8:3::/48 192.0.2.0/24
forwarder 192.0.2.54 tls ns.example validating
prefix 3fff:3::/96
prefix 3fff:4::/96 for 192.0.2.0/24
domain lab.example forward 192.0.2.12
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
    others = {"dns64_interfaces", "dns64_listen", "dns64_port", "dns64_manage_packages"}
    assert EVERYTHING.keys() == options.keys() - others
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
    status, said = checked("dns64d", render("dns64/dns64.conf.j2", **variables), tmp_path)
    assert (status, [line for line in said.splitlines() if "only some are 'validating'" not in line]) == (
        0,
        [],
    )


def test_without_a_word_the_config_has_the_servers_own_defaults() -> None:
    config = parse(render("dns64/dns64.conf.j2"), "dns64.conf")
    ours = parse("forwarder 127.0.0.1 port 65053\nprefix 64:ff9b::/96\ninterfaces lan0", "dns64.conf")
    assert config == ours


@pytest.mark.parametrize("template", ["dns64/dns64d.service.j2", "dns64/dns64d.openrc.j2"])
@pytest.mark.parametrize("resolver", ["named", "unbound"])
def test_the_server_starts_after_the_resolver_that_it_may_ask(template: str, resolver: str) -> None:
    (after,) = re.findall(r"^\s*[Aa]fter[ =](.*)$", render(template), re.MULTILINE)
    assert resolver in after.replace(".service", "").split()


@pytest.mark.parametrize("template", ["dns64/dns64d.service.j2", "dns64/dns64d.openrc.j2"])
def test_a_query_log_elsewhere_may_be_written_there(template: str) -> None:
    place = "/srv/logs/dns64"
    assert place not in render(template)
    (line,) = (
        line for line in render(template, dns64_query_log=f"{place}/queries").splitlines() if place in line
    )
    assert re.fullmatch(rf'ReadWritePaths={place}|\tcheckpath .*--owner dns64:dns64 .*"{place}" .*', line)


def test_the_unit_lets_the_server_do_what_its_workers_need() -> None:
    unit = dict(
        line.split("=", 1) for line in render("dns64/dns64d.service.j2").splitlines() if "=" in line[1:]
    )
    assert {"AF_NETLINK", "AF_UNIX"} <= set(unit["RestrictAddressFamilies"].split())
    assert unit["KillMode"] == "mixed"
    assert unit["LogsDirectory"] == "dns64d"
    assert "MemoryMax" not in unit


LISTED = {"address": "192.0.2.53"}


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, []),
        ({"dns64_forwarders": [{"address": "192.0.2.53", "tls_pins": [PIN]}]}, []),
        ({"dns64_forwarders": [LISTED | {"tls": ""}, LISTED | {"tls": None, "https": None}]}, []),
        ({"dns64_forwarders": [LISTED | {"tls": "a.example", "tls_pins": [PIN]}]}, ["a.example"]),
        (
            {"dns64_domains": [{"name": ".", "forwarders": [LISTED | {"https": "https://b.example/"}]}]},
            ["https://b.example/"],
        ),
        ({"dns64_domains": [{"name": ".", "forwarders": None}]}, []),
        (
            {"dns64_views": [{"name": "v", "networks": [], "forwarders": [LISTED | {"tls": "c.example"}]}]},
            ["c.example"],
        ),
        (
            {
                "dns64_views": [
                    {
                        "name": "v",
                        "networks": [],
                        "domains": [{"name": ".", "forwarders": [LISTED | {"tls": "d.example"}]}],
                    }
                ]
            },
            ["d.example"],
        ),
    ],
)
def test_authorities_are_needed_where_a_name_server_is_asked_by_its_name(
    variables: dict[str, Any], names: list[str]
) -> None:
    assert value("dns64", "__dns64_by_name", **variables) == names
