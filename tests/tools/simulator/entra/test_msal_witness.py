"""Microsoft's own client library, unmodified, signs in against the simulator: an outside witness of the dialect."""

import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import msal
import pytest

from tests.tools.simulator.driver import Answer, Driver
from tests.tools.simulator.entra.entra_client import RESOURCE
from tools.simulator import defaults
from tools.simulator.sample.tenants import FABRIKAM, NORTHWIND

AUTHORITY = "https://login.microsoftonline.com"
# The application under test uses the query too: form_post would need a SameSite=None cookie (facts 3.3).
pytestmark = pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended")
SCOPES = [f"{RESOURCE}/vso.work", f"{RESOURCE}/vso.build"]


class Reply:
    """An answer as MSAL reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status_code, self.text, self.headers = answer.status, answer.text, answer.headers

    def raise_for_status(self) -> None:
        assert self.status_code < 400, self.text


class Wire:
    """MSAL's transport: calls for Microsoft's host go to the simulator in this process, others nowhere."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def get(self, url: str, params: dict | None = None, headers: dict | None = None, **_: Any) -> Reply:
        target = _target(url) + (f"?{urlencode(params)}" if params else "")
        return Reply(self.driver.call("GET", target, x_forwarded_host="login.microsoftonline.com"))

    def post(
        self, url: str, params: dict | None = None, data: Any = None, headers: dict | None = None, **_: Any
    ) -> Reply:
        fields = dict(parse_qsl(data)) if isinstance(data, str) else data
        return Reply(self.driver.form(_target(url), fields, x_forwarded_host="login.microsoftonline.com"))

    def close(self) -> None:
        """Nothing is open."""


def _target(url: str) -> str:
    assert url.startswith(AUTHORITY + "/"), url
    return url.removeprefix(AUTHORITY)


@pytest.fixture
def driver() -> Driver:
    driver = Driver()
    driver.now = time.time()  # MSAL compares the id token's times with the machine's clock
    driver.settings(public_url=AUTHORITY)
    return driver


def application(driver: Driver, tenant: str = FABRIKAM.id, **options: Any) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        defaults.ENTRA_CLIENT_ID,
        authority=f"{AUTHORITY}/{tenant}",
        client_credential=options.pop("credential", defaults.ENTRA_CLIENT_SECRET),
        http_client=Wire(driver),
        instance_discovery=False,
        **options,
    )


def sign_in(driver: Driver, client: msal.ConfidentialClientApplication, **options: Any) -> dict[str, Any]:
    """MSAL's code flow (state, PKCE, nonce) with Ada at the page."""
    flow = client.initiate_auth_code_flow(SCOPES, redirect_uri=defaults.ENTRA_REDIRECT_URI, **options)
    address = urlsplit(flow["auth_uri"])
    asked = dict(parse_qsl(address.query))
    assert asked["code_challenge_method"] == "S256"
    answer = driver.form(address.path, {**asked, "user": "ada", "decision": "accept"})
    return client.acquire_token_by_auth_code_flow(flow, answer.callback)


def test_msal_signs_in_and_refreshes(driver: Driver) -> None:
    client = application(driver)
    result = sign_in(driver, client, prompt="select_account")
    assert result["id_token_claims"]["preferred_username"] == "ada@fabrikam.example"
    assert driver.works(result["access_token"])
    (account,) = client.get_accounts()
    renewed = client.acquire_token_silent(SCOPES, account, force_refresh=True)
    assert renewed["access_token"] != result["access_token"]
    assert driver.works(renewed["access_token"])


def test_msal_finds_the_issuer_of_the_tenant_that_signed_in(driver: Driver) -> None:
    claims = sign_in(driver, application(driver, "organizations"))["id_token_claims"]
    assert claims["iss"] == f"{AUTHORITY}/{FABRIKAM.id}/v2.0"


def test_msal_gets_a_guests_token_for_another_tenant(driver: Driver) -> None:
    refresh_token = sign_in(driver, application(driver))["refresh_token"]
    abroad = application(driver, NORTHWIND.id).acquire_token_by_refresh_token(refresh_token, SCOPES)
    assert abroad["id_token_claims"]["tid"] == NORTHWIND.id


def test_msal_reads_the_errors(driver: Driver) -> None:
    wrong = sign_in(driver, application(driver, credential="wrong"))
    assert (wrong["error"], wrong["error_codes"]) == ("invalid_client", [7000215])


def test_msal_sends_its_capabilities_and_answers_a_challenge(driver: Driver) -> None:
    challenge = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
    client = application(driver, client_capabilities=["cp1"])
    driver.settings(claims_challenge={"ada": challenge})
    assert not driver.works(sign_in(driver, client)["access_token"])
    assert driver.works(sign_in(driver, client, claims_challenge=json.dumps(challenge))["access_token"])


def test_msal_takes_a_federated_assertion_for_a_credential(driver: Driver) -> None:
    claims = {"iss": "https://issuer.example", "sub": "identity", "aud": "api://AzureADTokenExchange"}
    assertion = jwt.encode({**claims, "exp": int(driver.now) + 600}, "k" * 32, algorithm="HS256")
    driver.settings(entra_client_secrets=[], entra_federated=[{"issuer": claims["iss"], "subject": "identity"}])
    client = application(driver, credential={"client_assertion": lambda: assertion})
    assert driver.works(sign_in(driver, client)["access_token"])
