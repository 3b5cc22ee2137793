"""Which of the machine's apt sources and settings the lab takes over."""

from lab.debian_sources import of_release, parse_options, parse_targets


def test_the_machines_own_debian_mirror_is_used() -> None:
    targets = (
        "http://mirror.example/debian/|bookworm|main|Debian\n"
        "http://mirror.example/debian/|bookworm-updates|main|Debian\n"
        "http://mirror.example/debian-security/|bookworm-security|main|Debian\n"
    )
    assert parse_targets(targets, "bookworm") == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]


def test_other_vendors_and_other_parts_of_debian_are_left_out() -> None:
    targets = (
        "http://mirror.example/debian/|bookworm|main|Debian\n"
        "http://mirror.example/debian/|bookworm|contrib|Debian\n"
        "http://mirror.example/debian/|bookworm-backports|main|Debian Backports\n"
        "http://vendor.example/apt/|bookworm|main|Vendor\n"
        "http://vendor.example/apt/|bookworm|main|$(ORIGIN)\n"
    )
    assert parse_targets(targets, "bookworm") == ["deb http://mirror.example/debian/ bookworm main"]


def test_sources_that_were_never_fetched_are_known_by_debians_layout() -> None:
    targets = (
        "http://mirror.example/debian|bookworm|main|$(ORIGIN)\n"
        "http://mirror.example/debian-security/|bookworm-security|main|$(ORIGIN)\n"
    )
    assert len(parse_targets(targets, "bookworm")) == 2


def test_without_the_release_itself_no_source_of_the_machine_is_used() -> None:
    assert (
        parse_targets("http://mirror.example/debian-security/|bookworm-security|main|Debian\n", "bookworm")
        == []
    )
    assert parse_targets("", "bookworm") == []


def test_proxy_and_download_settings_are_taken_over_and_nothing_else() -> None:
    dump = (
        'APT::Install-Recommends "1";\n'
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::http::Proxy::mirror.example "DIRECT";\n'
        'Acquire::Retries "3";\n'
        'Acquire::Languages "none";\n'
        'DPkg::Post-Invoke:: "rm -rf /";\n'
    )
    assert parse_options(dump) == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::http::Proxy::mirror.example "DIRECT";',
        'Acquire::Retries "3";',
    ]


def test_another_release_comes_from_the_machines_own_mirror() -> None:
    own = [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]
    assert of_release(own, "bookworm", "trixie") == [line.replace("bookworm", "trixie") for line in own]
    assert of_release(own, "bookworm", "sid") == ["deb http://mirror.example/debian/ sid main"]
    assert of_release([], "bookworm", "sid") == []
