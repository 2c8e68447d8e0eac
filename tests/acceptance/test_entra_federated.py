"""No client secret anywhere: the managed identity is the credential, by the real SDK in a real host."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.oauth.entra_credentials import FEDERATED_ID
from tests.acceptance.signing_in import rows, stored
from tests.shared.azure_devops.scripted_server import Request, Response, ScriptedServer, answer_json, scripted_server
from tests.site import Browser, Simulator, Site, tick
from tools.simulator.sample.tenants import FABRIKAM

ISSUER, SUBJECT = f"https://login.microsoftonline.com/{FABRIKAM.id}/v2.0", "6e1d2a3c-managed-identity"
AUDIENCE = "api://AzureADTokenExchange"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def identity(key: RSAPrivateKey) -> Iterator[ScriptedServer]:
    """The identity endpoint of App Service: tokens of the identity for whatever resource is asked for."""

    def script(request: Request) -> Response:
        ends = datetime.now(UTC) + HOUR
        claims = {"iss": ISSUER, "sub": SUBJECT, "aud": request.query["resource"], "exp": ends, "nbf": ends - 2 * HOUR}
        body = {"access_token": jwt.encode(claims, key, "RS256"), "expires_on": str(int(ends.timestamp()))}
        return answer_json(body | {"resource": request.query["resource"], "token_type": "Bearer"})

    with scripted_server(script) as server:
        yield server


@pytest.fixture
def trusting(simulator: Simulator, key: RSAPrivateKey) -> Simulator:
    """Entra ID that knows the identity as federated credential of the application, and takes no secret."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    credential = {"issuer": ISSUER, "subject": SUBJECT, "public_key": public}
    simulator.settings(entra_federated=[credential], entra_client_secrets=[])
    return simulator


def test_a_sign_in_and_its_refresh_are_bought_with_tokens_of_the_identity(
    azurite: str, site: Site, trusting: Simulator, identity: ScriptedServer
) -> None:
    """The SDK asks for the audience of the exchange; the connection remembers no secret that could end."""
    settings = {"IDENTITY_ENDPOINT": f"{identity.url}/msi/token", "IDENTITY_HEADER": "proof"}
    host = site.start_host(ENTRA_CLIENT_SECRET=None, **settings)
    browser = Browser(host.url)
    assert browser.sign_in("ada", provider="entra").headers["Location"] == "/dashboard"
    connection = stored(azurite, browser).connection
    assert connection.secret_id == FEDERATED_ID
    assert tick(site.start_host(ENTRA_CLIENT_SECRET=None, clock_offset=50 * 60, **settings))["refreshed"] >= 1
    assert stored(azurite, browser).connection.generation == connection.generation + 1
    assert {(call.query["resource"], call.headers["x-identity-header"]) for call in identity.calls} == {
        (AUDIENCE, "proof")
    }


def test_an_identity_that_does_not_answer_is_our_fault_and_signs_nobody_out(
    azurite: str, site: Site, trusting: Simulator, identity: ScriptedServer
) -> None:
    """The page says so, the event names an application fault, and who is signed in stays so."""
    settings = {"IDENTITY_ENDPOINT": f"{identity.url}/msi/token", "IDENTITY_HEADER": "proof"}
    host = site.start_host(ENTRA_CLIENT_SECRET=None, **settings)
    inside = Browser(host.url)
    inside.sign_in("ada", provider="entra")
    host.child.stop()
    identity.script = lambda _: Response(400, b'{"error":"invalid_request"}')
    again = site.start_host(port=host.port, ENTRA_CLIENT_SECRET=None, **settings)
    before = rows(azurite)["connections"]
    newcomer = Browser(again.url)
    answer = newcomer.sign_in("ada", provider="entra")
    assert (answer.status_code, newcomer.session_cookie) == (503, None)
    assert "our own keys" in answer.text
    assert again.events("sign_in_failed")[-1]["reason"] == "no_secret"
    assert rows(azurite)["connections"] == before
    assert inside.get("/dashboard").status_code == 200
