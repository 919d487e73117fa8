from __future__ import annotations

import pytest

from reflectree.models.http.hosts import Address

HERE, OPEN = Address("127.0.0.1"), Address("0.0.0.0", ["reason.example.com"])


@pytest.mark.parametrize(
    "authority", ["localhost", "LocalHost:8765", "localhost.", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80"]
)
def test_this_machine_is_always_one_of_its_names(authority: str) -> None:
    assert HERE.serves(authority)
    assert OPEN.serves(authority)


@pytest.mark.parametrize(
    "authority", ["10.0.0.7", "10.0.0.7:8765", "[fe80::1]:9", "reason.example.com:443", "REASON.example.com"]
)
def test_on_a_network_literal_addresses_and_allowed_names(authority: str) -> None:
    assert OPEN.serves(authority)
    assert not HERE.serves(authority)


@pytest.mark.parametrize(
    "authority",
    [
        *("", ":80", "evil.example.com", "localhost.evil.example.com", "evil@localhost", "localhost@evil.example.com"),
        *(
            "localhost/evil",
            "localhost?evil",
            "localhost:99999",
            "localhost:x",
            "[::1",
            "127.0.0.1.nip.io",
            "localhost:0",
        ),
        *("xreason.example.com", "reason.example.com.evil", "0x7f.1", "2130706433"),
    ],
)
def test_everything_else_is_refused(authority: str) -> None:
    assert not HERE.serves(authority)
    assert not OPEN.serves(authority)
