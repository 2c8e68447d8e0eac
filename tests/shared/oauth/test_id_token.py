"""Keys of id tokens are read once, again for an unknown key id, and personal accounts are told apart."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.errors import PersonalAccount, SignInRefused, Unavailable, WrongTenant
from shared.oauth.id_token import PERSONAL_TENANT, SigningKeys, check
from tests.shared.azure_devops.scripted_server import Response, answer_json

TENANT = "308dcda9-f0a2-574b-9aef-1c2753cfb9b7"
KEYS = {name: generate_private_key(public_exponent=65537, key_size=2048) for name in ("one", "two")}


def published(*names):
    return {"keys": [jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True) | {"kid": name}
                     for name in names]}  # fmt: skip


@pytest.fixture
def service(serve):
    """A tenant's metadata; `names` of keys can be changed."""
    names = ["one"]

    def script(request):
        if request.path.endswith("/keys"):
            return answer_json(published(*names))
        return answer_json({"jwks_uri": f"{server.url}/keys"})

    server = serve(script)
    server.names = names
    return server


def token(key="one", **changes):
    now = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp())
    claims = {"iss": f"https://login.example/{TENANT}/v2.0", "aud": "app", "tid": TENANT, "oid": "O-1", "nonce": "n",
              "iat": now, "nbf": now, "exp": now + 3600, "preferred_username": "ada@fabrikam.example"}  # fmt: skip
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(kept, KEYS[key], "RS256", headers={"kid": key})


def judge(given, keys, clock, tenants=(TENANT,)):
    return check(
        given,
        keys=keys,
        issuer_of=lambda tenant: f"https://login.example/{tenant}/v2.0",
        tenants=frozenset(tenants),
        audience="app",
        nonce="n",
        now=clock.now(),
    )


def test_a_good_token_says_who_it_is(service, clock):
    claims = judge(token(), SigningKeys(f"{service.url}/metadata", clock.now), clock)
    assert (claims.tenant, claims.subject, claims.name) == (TENANT, "o-1", "Microsoft user")
    assert "ada" not in repr(claims)


def test_a_key_rotated_right_after_the_last_read_is_found_at_once(service, clock):
    keys = SigningKeys(f"{service.url}/metadata", clock.now)
    judge(token(), keys, clock)
    service.names.append("two")
    assert judge(token("two"), keys, clock).tenant == TENANT


def test_unknown_key_ids_make_us_read_once_a_minute_at_most(service, clock):
    keys = SigningKeys(f"{service.url}/metadata", clock.now)
    judge(token(), keys, clock)
    for _ in range(5):
        with pytest.raises(SignInRefused):
            judge(token("two"), keys, clock)
    service.names.append("two")
    with pytest.raises(SignInRefused):
        judge(token("two"), keys, clock)
    clock.pass_by(61)
    assert judge(token("two"), keys, clock).tenant == TENANT


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "other"}, SignInRefused),
        ({"aud": None}, SignInRefused),
        ({"exp": None}, SignInRefused),
        ({"nonce": None}, SignInRefused),
        ({"oid": ""}, SignInRefused),
        ({"tid": None}, SignInRefused),
        ({"iss": "https://login.example/other/v2.0"}, SignInRefused),
        ({"tid": "other", "iss": "https://login.example/other/v2.0"}, WrongTenant),
        ({"tid": PERSONAL_TENANT, "iss": f"https://login.example/{PERSONAL_TENANT}/v2.0"}, PersonalAccount),
    ],
    ids=repr,
)
def test_a_token_that_is_not_for_us_is_refused(service, clock, changes, error):
    keys = SigningKeys(f"{service.url}/metadata", clock.now)
    with pytest.raises(SignInRefused if error is SignInRefused else error) as refused:
        judge(token(**changes), keys, clock)
    assert type(refused.value) is error


def test_five_minutes_of_skew_are_allowed_and_no_more(service, clock):
    keys = SigningKeys(f"{service.url}/metadata", clock.now)
    given = token()
    clock.pass_by(timedelta(hours=1, minutes=4).total_seconds())
    judge(given, keys, clock)
    clock.pass_by(61)
    with pytest.raises(SignInRefused):
        judge(given, keys, clock)


def test_keys_at_another_origin_are_not_read(serve, clock):
    server = serve(lambda request: answer_json({"jwks_uri": "http://127.0.0.1:1/keys"}))
    with pytest.raises(Unavailable):
        judge(token(), SigningKeys(f"{server.url}/metadata", clock.now), clock)


def test_metadata_that_fails_is_unavailable_and_no_verdict(serve, clock):
    server = serve(lambda request: Response(500))
    with pytest.raises(Unavailable):
        judge(token(), SigningKeys(f"{server.url}/metadata", clock.now), clock)
