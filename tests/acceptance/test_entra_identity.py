"""A8 and A9: issuer, tenant and oid of a checked id token decide who somebody is and who may come in."""

from urllib.parse import parse_qs, urlsplit

import pytest
from azure.data.tables import TableServiceClient

from shared.config import DEFAULT_SCOPES
from tests.acceptance.signing_in import rows, stored
from tests.evidence import Report
from tests.html_page import Page
from tests.site import Browser, Host, Simulator, Site
from tools.simulator.sample.tenants import CONTOSO, FABRIKAM, NORTHWIND

RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
BAD_ID_TOKENS = {
    "alg-none": 400,
    "hs256": 400,
    "wrong-key": 400,
    "unknown-kid": 400,
    "wrong-audience": 400,
    "wrong-issuer": 400,
    "wrong-nonce": 400,
    "no-nonce": 400,
    "expired": 400,
    "not-yet-valid": 400,
    "no-oid": 400,
    "other-tenant": 403,
    "personal-account": 403,
    "absent": 400,
    "garbage": 400,
}


@pytest.fixture(scope="module")
def northwind(site: Site) -> Host:
    """A host of the same store whose tenant knows Ada as a guest."""
    return site.start_host(ENTRA_TENANT_ID=NORTHWIND.id)


@pytest.fixture(scope="module")
def several(site: Site) -> Host:
    """A host that takes two tenants."""
    return site.start_host(ENTRA_TENANT_ID=FABRIKAM.id, ALLOWED_TENANTS=CONTOSO.id)


@pytest.fixture(scope="module")
def other_two(site: Site) -> Host:
    """A host that takes two tenants, none of them Björn's."""
    return site.start_host(ENTRA_TENANT_ID=FABRIKAM.id, ALLOWED_TENANTS=NORTHWIND.id)


def enter(host: Host, user: str) -> Browser:
    browser = Browser(host.url)
    assert browser.sign_in(user, provider="entra").status_code == 303
    return browser


def connections(storage: str) -> int:
    with TableServiceClient.from_connection_string(storage) as service:
        table = service.get_table_client("connections")
        return sum(1 for row in table.list_entities(select="RowKey") if row["RowKey"] == "connection")


@pytest.mark.acceptance("A8")
@pytest.mark.parametrize("fault", BAD_ID_TOKENS)
def test_a_bad_id_token_signs_nobody_in(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, fault: str
) -> None:
    """The tokens beside it are good all the same: nothing of them is stored, and no session begins."""
    simulator.settings(id_token_mutation=fault)
    browser, before = Browser(host.url), connections(azurite)
    answer = browser.sign_in("ada", provider="entra")
    assert answer.status_code == BAD_ID_TOKENS[fault]
    assert browser.session_cookie is None
    assert connections(azurite) == before
    assert browser.get("/dashboard").status_code == 303
    evidence(cases=1)


@pytest.mark.acceptance("A8")
def test_the_same_address_in_another_tenant_is_another_person(
    azurite: str, simulator: Simulator, host: Host, northwind: Host, evidence: Report
) -> None:
    """Ada at home and Ada as a guest share name and e-mail; neither sees, nor ends, what the other has."""
    at_home, as_guest = enter(host, "ada"), enter(northwind, "ada")
    records = [stored(azurite, browser).connection for browser in (at_home, as_guest)]
    assert records[0].profile == records[1].profile
    assert records[0].user_id != records[1].user_id
    assert [record.issuer.split("/")[-2] for record in records] == [FABRIKAM.id, NORTHWIND.id]
    assert "ada" not in records[0].subject
    as_guest.sign_out()
    assert at_home.get("/dashboard").status_code == 200
    evidence(cases=1)


@pytest.mark.acceptance("A8")
def test_the_same_person_with_the_legacy_provider_is_another_user(
    azurite: str, simulator: Simulator, host: Host, evidence: Report
) -> None:
    legacy, entra = Browser(host.url), enter(host, "ada")
    legacy.sign_in("ada")
    records = [stored(azurite, browser).connection for browser in (legacy, entra)]
    assert records[0].user_id != records[1].user_id
    evidence(cases=1)


@pytest.mark.acceptance("A8")
def test_a_person_who_comes_back_is_the_same_user(
    azurite: str, simulator: Simulator, host: Host, evidence: Report
) -> None:
    """Two browsers of one person share a connection."""
    first, second = enter(host, "ada"), enter(host, "ada")
    assert stored(azurite, first).connection.user_id == stored(azurite, second).connection.user_id
    evidence(cases=1)


@pytest.mark.acceptance("A8")
def test_exactly_the_configured_scopes_are_asked_for(
    site: Site, simulator: Simulator, host: Host, evidence: Report
) -> None:
    """Each with the resource in front, or it would be asked of Microsoft Graph; and what OpenID Connect needs."""
    narrow = site.start_host(AZURE_DEVOPS_SCOPES="vso.project vso.profile")
    for asked_by, scopes in ((host, DEFAULT_SCOPES), (narrow, "vso.project vso.profile")):
        query = parse_qs(urlsplit(Browser(asked_by.url).begin(provider="entra")).query)
        wanted = [f"{RESOURCE}/{scope}" for scope in scopes.split()] + ["openid", "profile", "offline_access"]
        assert query["scope"] == [" ".join(wanted)]
        evidence(cases=1)


@pytest.mark.acceptance("A9")
def test_a_foreign_tenant_is_refused_with_a_page_that_says_who_is_signed_in(
    azurite: str, simulator: Simulator, other_two: Host, evidence: Report
) -> None:
    """Björn's token is genuine, but Contoso is not on the list: a reason, another account to choose, 0 rows."""
    browser, before = Browser(other_two.url), rows(azurite)
    answer = browser.sign_in("bjorn", provider="entra")
    assert answer.status_code == 403
    assert "bjorn@contoso.example" in answer.text
    assert "not for your organization" in answer.text
    other = Page(answer.text).address("Choose another account")
    assert "prompt=select_account" in browser.get(other).headers["Location"]
    assert browser.session_cookie is None
    after = rows(azurite)
    assert (after["connections"], after["due"]) == (before["connections"], before["due"])
    assert other_two.events("sign_in_failed")[-1]["reason"] == "wrong_tenant"
    evidence(cases=1)


@pytest.mark.acceptance("A9")
def test_an_allowed_second_tenant_signs_in(azurite: str, simulator: Simulator, several: Host, evidence: Report) -> None:
    """With ALLOWED_TENANTS the authority is `organizations`, and each token's issuer is that of its own tenant."""
    browser = Browser(several.url)
    assert "/organizations/oauth2/v2.0/authorize" in browser.begin(provider="entra")
    for user, tenant in (("bjorn", CONTOSO), ("ada", FABRIKAM)):
        entered = enter(several, user)
        assert stored(azurite, entered).connection.issuer == f"{simulator.url}/{tenant.id}/v2.0"
        assert entered.get("/dashboard").status_code == 200
        evidence(cases=1)


@pytest.mark.acceptance("A9")
def test_a_guest_counts_by_the_tenant_that_signed_them_in(
    azurite: str, simulator: Simulator, northwind: Host, evidence: Report
) -> None:
    """Ada's home is not on the list, but Northwind is, and Northwind signed her in; only its organizations appear."""
    page = enter(northwind, "ada").get("/dashboard").text
    assert "northwind-lab" in page
    assert "fabrikam/" not in page
    evidence(cases=1)


@pytest.mark.acceptance("A9")
def test_a_token_of_a_personal_account_is_told_so(simulator: Simulator, several: Host, evidence: Report) -> None:
    """However it came: the page says whose it is and which account to take instead."""
    simulator.settings(id_token_mutation="personal-account")
    answer = Browser(several.url).sign_in("ada", provider="entra")
    assert answer.status_code == 403
    assert "You signed in as ada@fabrikam.example with a personal account" in answer.text
    assert Page(answer.text).address("Choose another account") == "/auth/login/entra"
    assert several.events("sign_in_failed")[-1]["reason"] == "personal_account"
    evidence(cases=1)


@pytest.mark.acceptance("A9")
def test_a_personal_account_is_told_so(azurite: str, simulator: Simulator, several: Host, evidence: Report) -> None:
    """Microsoft refuses it on a page of its own; where it sends the person back, ours says which account to take."""
    browser, before = Browser(several.url), rows(azurite)
    with pytest.raises(AssertionError, match="500208"):
        browser.consent(browser.begin(provider="entra"), "chen")
    simulator.faults({"match": {"path": "/authorize"}, "action": {"aadsts": {"code": 500208, "page": False}}})
    answer = browser.get(browser.get(browser.begin(provider="entra")).headers["Location"])
    assert answer.status_code == 400
    assert "work or school account" in answer.text
    assert Page(answer.text).address("Choose another account") == "/auth/login/entra"
    assert rows(azurite) == before
    assert several.events("sign_in_failed")[-1]["reason"] == "wrong_account"
    evidence(cases=1)


@pytest.mark.acceptance("A9")
def test_with_one_tenant_only_its_own_sign_in_page_is_ever_opened(
    simulator: Simulator, host: Host, evidence: Report
) -> None:
    """A stranger to that tenant is refused there; a token of another one, however it came, is refused here."""
    browser = Browser(host.url)
    assert f"/{FABRIKAM.id}/oauth2/v2.0/authorize" in browser.begin(provider="entra")
    with pytest.raises(AssertionError, match="50020"):
        browser.consent(browser.begin(provider="entra"), "bjorn")
    assert browser.session_cookie is None
    evidence(cases=1)
