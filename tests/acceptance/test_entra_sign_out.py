"""V3: Entra ID offers no revocation: what is ours is erased, Microsoft is asked nothing, and the page says so."""

import ast
import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.data.tables import TableServiceClient

from tests.evidence import Report
from tests.site import ROOT, Browser, Host, Simulator, tick
from tools.simulator import defaults


def rows_of(storage: str, user_id: str) -> list[str]:
    with TableServiceClient.from_connection_string(storage) as service:
        found = service.get_table_client("connections").query_entities(f"PartitionKey eq '{user_id}'")
        return [row["RowKey"] for row in found]


@pytest.mark.acceptance("V3")
@pytest.mark.parametrize("browsers", [1, 2])
def test_signing_out_of_the_last_session_erases_and_asks_nothing_of_microsoft(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, browsers: int
) -> None:
    """0 calls to a revocation endpoint or to Graph, then or by the timer; 0 rows, so 0 ciphertext."""
    people = [Browser(host.url) for _ in range(browsers)]
    for browser in people:
        browser.sign_in("ada", provider="entra")
    user_id = people[0].session_cookie[:32]
    assert "connection" in rows_of(azurite, user_id)
    simulator.clear_calls()
    pages = [browser.sign_out().text for browser in people]
    assert rows_of(azurite, user_id) == []
    tick(host)
    assert simulator.calls("revoke") == simulator.calls("Revoke") == []
    assert [call for call in simulator.calls() if "/logout" in call["target"] or "graph" in call["host"]] == []
    assert "up to 90 minutes" in html.unescape(pages[-1])
    assert all("up to 90 minutes" not in page for page in pages[:-1])  # their access goes on, so nothing to say
    evidence(cases=1)


@pytest.mark.acceptance("V3")
def test_the_way_out_of_microsoft_itself_is_a_link_and_no_redirect(
    simulator: Simulator, host: Host, browser: Browser, evidence: Report
) -> None:
    """It names our home page as the way back; once that is registered, Microsoft leads there."""
    simulator.settings(entra_redirect_uris=[*simulator.settings()["entra_redirect_uris"], f"{host.url}/"])
    browser.sign_in("ada", provider="entra")
    answer = browser.sign_out()
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    (link,) = re.findall(r'href="([^"]*/logout\?[^"]*)"', answer.text)
    address = html.unescape(link)
    assert urlsplit(address).path == f"/{defaults.ENTRA_TENANT_ID}/oauth2/v2.0/logout"
    assert parse_qs(urlsplit(address).query)["post_logout_redirect_uri"] == [f"{host.url}/"]
    assert browser.get(address).headers["Location"] == f"{host.url}/"
    evidence(cases=1)


def test_no_line_of_the_application_could_end_a_persons_sessions_elsewhere() -> None:
    """Neither Graph nor its revokeSignInSessions is named in any string that could be sent."""
    sources = [*(ROOT / "shared").rglob("*.py"), *(ROOT / "functions").rglob("*.py"), ROOT / "function_app.py"]
    assert len(sources) > 60
    for source in sources:
        sent = [text.lower() for text in strings(ast.parse(source.read_text("utf-8")))]
        assert not [text for text in sent if "graph.microsoft" in text or "revokesigninsessions" in text], source


def strings(tree: ast.AST) -> Iterator[str]:
    """Every text of the source but for docstrings, which stand alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield from strings(node)


def test_the_legacy_provider_has_no_such_link(simulator: Simulator, browser: Browser) -> None:
    browser.sign_in("ada")
    assert "post_logout_redirect_uri" not in browser.sign_out().text
