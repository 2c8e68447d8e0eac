"""Keys of id tokens are read once, again for an unknown key id, and personal accounts are told apart."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.errors import PersonalAccount, SignInRefused, Unavailable, WrongTenant
from shared.oauth.id_token import PERSONAL_TENANT, check
from shared.oauth.signing_keys import SigningKeys
from tests.shared.azure_devops.scripted_server import Response, answer_json

TENANT = "308dcda9-f0a2-574b-9aef-1c2753cfb9b7"
KEYS = {name: generate_private_key(public_exponent=65537, key_size=2048) for name in ("one", "two")}


def published(*names, **more):
    return {"keys": [jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True) | {"kid": name} | more
                     for name in names]}  # fmt: skip


@pytest.fixture
def service(serve):
    """A tenant's metadata; `names` of keys, the whole `document` of keys and whether it is `down` can be changed."""

    def script(request):
        server.gate.wait(5)
        if server.down:
            return Response(500)
        if request.path.endswith("/keys"):
            return answer_json(published(*server.names) if server.document is None else server.document)
        return answer_json({"jwks_uri": f"{server.url}/keys"})

    server = serve(script)
    server.names, server.document, server.down, server.gate = ["one"], None, False, threading.Event()
    server.gate.set()
    return server


@pytest.fixture
def keys(service, clock):
    return SigningKeys(f"{service.url}/metadata", clock.now)


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


def test_of_many_callers_one_reads_and_all_share_its_failure_for_ten_seconds(service, keys, clock):
    """Each would else wait in turn for a service that takes its time to fail."""
    service.down = True
    service.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(keys.find, "one") for _ in range(8)]
        service.gate.set()
        assert {type(each.exception(5)) for each in asked} == {Unavailable}
    clock.pass_by(9)
    with pytest.raises(Unavailable):
        keys.find("one")
    assert len(service.calls) == 1
    service.down = False
    clock.pass_by(1)
    assert keys.find("one")


def test_keys_that_are_known_serve_while_others_are_looked_for(service, keys):
    keys.find("one")
    service.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        search = pool.submit(keys.find, "two")
        while len(service.calls) < 3:
            assert not search.done()
        assert keys.find("one")
        assert not search.done()
        service.gate.set()
        assert search.result(5) is None


def test_after_a_day_keys_are_read_again_and_good_ones_go_on_where_that_fails(service, keys, clock):
    keys.find("one")
    service.down = True
    clock.pass_by(timedelta(hours=25).total_seconds())
    assert keys.find("one")
    assert len(service.calls) == 3
    service.down, service.names = False, ["two"]
    clock.pass_by(10)
    assert keys.find("two")
    assert keys.find("one") is None


def test_a_search_that_fails_is_no_verdict_on_the_token(service, keys, clock):
    """503 and not 400, also for the one who comes next; what was found nowhere counts only when there was an answer."""
    keys.find("one")
    service.down = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            judge(token("two"), keys, clock)
    assert len(service.calls) == 3
    service.down, service.names = False, ["one", "two"]
    clock.pass_by(10)
    assert judge(token("two"), keys, clock)


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": 7}, {"keys": {}}, {"keys": []}, {"keys": [None]}])
def test_what_is_no_list_of_keys_is_unavailable(service, keys, document):
    service.document = document
    with pytest.raises(Unavailable):
        keys.find("one")


@pytest.mark.parametrize("change", [{"n": None}, {"n": 7}, {"n": "!"}, {"e": ""}, {"kty": "EC"}, {"kid": 7}])
def test_a_key_that_is_none_spoils_no_other(service, keys, change):
    service.document = published("two")
    service.document["keys"][0] |= change
    service.document["keys"] += published("one")["keys"]
    assert keys.find("one")
    assert keys.find("two") is None


@pytest.mark.parametrize(
    ("issuer", "good"),
    [
        ("https://login.example/{tenantid}/v2.0", True),
        (f"https://login.example/{TENANT}/v2.0", True),
        (f"https://login.example/{PERSONAL_TENANT}/v2.0", False),
        ("https://elsewhere.example/{tenantid}/v2.0", False),
        (7, False),
    ],
)
def test_a_key_of_one_issuer_signs_for_no_other(service, keys, clock, issuer, good):
    """Microsoft publishes the keys of all tenants and of personal accounts in one list, and whose each is."""
    service.document = published("one", issuer=issuer)
    if good:
        assert judge(token(), keys, clock).tenant == TENANT
    else:
        with pytest.raises(SignInRefused):
            judge(token(), keys, clock)
