"""The REST side with Entra's tokens: the token's tenant and scopes decide (facts 3.7, 3.8, 4.8)."""

import pytest

from tests.tools.simulator.entra.entra_client import RESOURCE, EntraClient, challenge_of
from tools.simulator.sample.tenants import CONTOSO, FABRIKAM, NORTHWIND, Tenant

CHALLENGE = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
PROFILE = "/_apis/profile/profiles/me"


def organizations(entra: EntraClient, token: str) -> list[str]:
    person = entra.driver.get(PROFILE, token).json["id"]
    found = entra.driver.get(f"/_apis/accounts?memberId={person}", token).json["value"]
    return [each["accountName"] for each in found]


@pytest.mark.parametrize(
    ("user", "tenant", "expected"),
    [
        ("ada", FABRIKAM.id, ["fabrikam"]),
        ("ada", NORTHWIND.id, ["northwind-lab"]),
        ("bjorn", CONTOSO.id, ["contoso-labs"]),
        ("chen", "consumers", []),
    ],
)
def test_the_account_list_shows_the_tokens_tenant_only(
    entra: EntraClient, user: str, tenant: str, expected: list[str]
) -> None:
    assert organizations(entra, entra.sign_in(user, tenant)["access_token"]) == expected


def test_the_other_tenants_organizations_come_with_its_token(entra: EntraClient) -> None:
    tokens = entra.sign_in()
    abroad = entra.refresh(tokens["refresh_token"], NORTHWIND.id).json["access_token"]
    assert organizations(entra, abroad) == ["northwind-lab"]
    assert entra.driver.get("/northwind-lab/_apis/projects", abroad).json["count"] == 1
    assert entra.driver.get("/fabrikam/_apis/projects", tokens["access_token"]).json["count"] == 4


@pytest.mark.parametrize(
    ("organization", "tenant"), [("northwind-lab", NORTHWIND), ("contoso-labs", CONTOSO)], ids=lambda each: str(each)
)
def test_an_organization_of_another_tenant_names_it_in_a_401(
    entra: EntraClient, organization: str, tenant: Tenant
) -> None:
    answer = entra.driver.get(f"/{organization}/_apis/projects", entra.sign_in()["access_token"])
    assert (answer.status, answer.json["message"][:9]) == (401, "TF400813:")
    assert answer.headers["x-vss-resourcetenant"] == tenant.id
    hint = f"Bearer authorization_uri=https://login.microsoftonline.com/{tenant.id}"
    assert ("WWW-Authenticate", hint) in answer.header_pairs


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_a_token_an_organizations_address_names_its_tenant(entra: EntraClient, method: str) -> None:
    answer = entra.driver.call(method, "/northwind-lab")
    assert (answer.status, answer.headers["x-vss-resourcetenant"]) == (401, NORTHWIND.id)
    assert entra.driver.call(method, "/nowhere").status == 404


def test_the_legacy_token_sees_what_it_always_did(entra: EntraClient) -> None:
    assert organizations(entra, entra.driver.sign_in()["access_token"]) == ["fabrikam", "contoso-labs"]


def test_a_missing_scope_is_403(entra: EntraClient) -> None:
    token = entra.sign_in(scope=f"{RESOURCE}/vso.work")["access_token"]
    assert entra.driver.get("/fabrikam/_apis/wit/workitems?ids=1001", token).status == 200
    assert entra.driver.get("/fabrikam/_apis/git/repositories", token).status == 403


@pytest.mark.parametrize(("seconds", "status"), [(3599, 200), (3600, 203)])
def test_an_access_token_lives_an_hour(entra: EntraClient, seconds: int, status: int) -> None:
    token = entra.sign_in()["access_token"]
    entra.driver.now += seconds
    assert entra.driver.get(PROFILE, token).status == status


class TestClaimsChallenge:
    """A 401 with insufficient_claims until somebody has authorized the claims."""

    def test_it_ends_with_one_authorization_of_these_claims(self, entra: EntraClient) -> None:
        tokens = entra.sign_in()
        entra.driver.settings(claims_challenge={"ada": CHALLENGE})
        challenged = entra.driver.get(PROFILE, tokens["access_token"])
        assert (challenged.status, 'error="insufficient_claims"' in challenged.headers["www-authenticate"]) == (
            401,
            True,
        )
        assert challenge_of(challenged) == CHALLENGE
        assert not entra.driver.works(entra.refresh(tokens["refresh_token"]).json["access_token"])
        assert not entra.driver.works(entra.sign_in()["access_token"])
        claims = '{"access_token":{"acrs":{"value":"c1","essential":true},"xms_cc":{"values":["cp1"]}}}'
        answered = entra.sign_in(claims=claims)
        assert entra.driver.works(answered["access_token"])
        assert entra.driver.works(entra.refresh(answered["refresh_token"]).json["access_token"])

    def test_other_claims_do_not_answer_it(self, entra: EntraClient) -> None:
        entra.driver.settings(claims_challenge={"ada": CHALLENGE})
        other = '{"access_token":{"acrs":{"essential":true,"value":"c2"}}}'
        assert not entra.driver.works(entra.sign_in(claims=other)["access_token"])

    def test_it_is_for_the_named_user_and_for_entra_only(self, entra: EntraClient) -> None:
        entra.driver.settings(claims_challenge={"ada": CHALLENGE})
        assert entra.driver.works(entra.sign_in("bjorn", CONTOSO.id)["access_token"])
        assert entra.driver.works(entra.driver.sign_in("ada")["access_token"])
