"""Answers that the host makes before our code runs carry the same security headers (`customHeaders` of host.json)."""

import json
from pathlib import Path

import pytest

from shared.web.headers import security_headers

HOST = json.loads((Path(__file__).parents[1] / "host.json").read_text())
CUSTOM = HOST["extensions"]["http"]["customHeaders"]
OURS = security_headers("https://gatehouse.test")


@pytest.mark.parametrize("name", sorted(OURS.keys() - {"Content-Security-Policy"}))
def test_the_host_sends_each_security_header_with_our_value(name: str) -> None:
    """Except the policy below, every header is repeated to the letter."""
    assert CUSTOM[name] == OURS[name]


def test_the_host_policy_allows_nothing_at_all() -> None:
    """Answers of the host have no stylesheet and no form."""
    assert "default-src 'none'" in CUSTOM["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in CUSTOM["Content-Security-Policy"]
    assert "'self'" not in CUSTOM["Content-Security-Policy"]


def test_strict_transport_security_has_one_place() -> None:
    """The host's own setting for it would add a second header of that name to the answers of our code."""
    assert "hsts" not in HOST["extensions"]["http"]


def test_routes_have_no_prefix_and_nothing_is_cached() -> None:
    """Registered redirect URIs have no prefix; host answers are never kept."""
    assert HOST["extensions"]["http"]["routePrefix"] == ""
    assert CUSTOM["Cache-Control"] == "no-store"


def test_no_audit_event_is_sampled_away() -> None:
    """Events are written as traces, and alerts count them: sampling may not choose among them."""
    sampling = HOST["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")
