"""What a callback may say: judged in process where HTTP can't reach, on custody with fakes (acceptance A5)."""

from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from shared.custody import sign_in
from shared.errors import (
    AppError,
    AppFault,
    BadRequest,
    CodeRefused,
    GrantEnded,
    PersonalAccount,
    Policy,
    Remedy,
    ScopeMissing,
    SignInDenied,
    SignInError,
    SignInExpired,
    SignInRefused,
    SignInUsed,
    StoreError,
    Suspect,
    VaultError,
)
from shared.web import callbacks
from shared.web.cookies import Cookies
from shared.web.requests import Request
from shared.web.visit import Visit
from tests.fakes import World

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"


class Site:
    """A browser with a sign-in under way, and the site that it comes back to."""

    def __init__(self):
        self.world, self.cookies = World(), Cookies(secure=True)
        _, self.login = sign_in.begin(self.world.custody, "azure-devops", "/org/fabrikam/projects")
        self.cookie = self.cookies.sign_in(self.login, self.world.keyring).partition(";")[0]
        self.code = self.world.code()

    def receive(self, query, cookie=None, **headers):
        request = Request("GET", "/auth/callback", query, {"cookie": cookie or self.cookie, **headers}, b"")
        services = SimpleNamespace(custody=self.world.custody, cookies=self.cookies)
        return callbacks.receive(Visit(request, {}, services, "0" * 16))

    def good(self, **changes):
        return urlencode({"code": self.code, "state": self.login.state} | changes)

    @property
    def touched(self):
        """Whether anything was burnt, redeemed or stored."""
        return self.world.journal.count("logins.burn") + self.world.journal.count("provider.redeem")


@pytest.fixture
def site():
    return Site()


def test_a_good_callback_sets_the_session_and_leaves_its_address(site):
    """To the page that was wanted; the sign-in's cookie is removed."""
    answer = site.receive(site.good())
    names = [line.partition("=")[0] for line in answer.cookies]
    assert (answer.status, answer.headers["Location"]) == (303, "/org/fabrikam/projects")
    assert names == ["__Host-session", site.cookies.sign_in_name(site.login.state)]
    assert "Max-Age=0" in answer.cookies[1]


@pytest.mark.parametrize("code", ["a" * 8193, "a b", "a\n", "\x00", "ü", "a\x7f"], ids=["long", *"bnzüd"])
def test_a_malformed_code_burns_nothing(site, code):
    """Over 8 KiB, or not visible ASCII (RFC 6749 appendix A.11)."""
    with pytest.raises(BadRequest):
        site.receive(site.good(code=code))
    assert site.touched == 0


def test_a_code_of_eight_kibibytes_is_taken_to_the_service(site):
    """Codes of the legacy service are long (facts 1.3)."""
    site.world.journal.before("provider.redeem", SignInExpired("as told"))
    with pytest.raises(SignInExpired):
        site.receive(site.good(code="a" * 8192))
    assert site.world.journal.count("provider.redeem") == 1


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        ("access_denied", SignInDenied, "grant access"),
        ("AccessDenied", SignInDenied, "grant access"),
        ("InvalidScope", SignInRefused, "AZURE_DEVOPS_SCOPES"),
        ("invalid_scope", SignInRefused, "AZURE_DEVOPS_SCOPES"),
        ("server_error", SignInRefused, "Start the sign-in again"),
        ("<script>", SignInRefused, "Start the sign-in again"),
        ("", SignInRefused, "Start the sign-in again"),
    ],
)
def test_an_error_wins_over_everything_and_is_not_repeated(site, error, expected, says):
    """By its word alone, in either spelling; before state and code are looked at."""
    for query in (urlencode({"error": error}), site.good(error=error), urlencode({"error": error}) + "&" + site.good()):
        with pytest.raises(SignInError) as caught:
            site.receive(query)
        assert type(caught.value) is expected
        assert says in caught.value.advice
        assert "<script>" not in f"{caught.value} {caught.value.title} {caught.value.advice}"
    assert site.touched == 0


def test_the_state_is_burnt_before_the_code_is_redeemed(site):
    """And the second callback is told that the state was used, without a call."""
    site.receive(site.good())
    calls = [call for call in site.world.journal.since(0) if call in ("logins.burn", "provider.redeem")]
    assert calls == ["logins.burn", "provider.redeem"]
    with pytest.raises(SignInUsed):
        site.receive(site.good())
    assert site.world.journal.count("provider.redeem") == 1


@pytest.mark.parametrize("refusal", [GrantEnded("invalid_grant"), Suspect("invalid_request")])
def test_a_refused_code_is_told_also_to_who_is_signed_in(site, refusal):
    """Sent home without a word, who has to sign in again would go round in circles."""
    key = site.world.sign_in()
    session = site.cookies.session(key).partition(";")[0]
    site.world.journal.before("provider.redeem", refusal)
    with pytest.raises(CodeRefused):
        site.receive(site.good(), cookie=f"{site.cookie}; {session}")
    assert [told["reason"] for told in site.world.told("sign_in_failed")] == ["code_refused"]


def test_who_pressed_back_while_signed_in_goes_home(site):
    site.receive(site.good())
    session = site.cookies.session(site.world.sign_in()).partition(";")[0]
    answer = site.receive(site.good(), cookie=f"{site.cookie}; {session}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert site.world.told("sign_in_failed") == []


@pytest.mark.parametrize(
    ("error", "changes", "label", "page"),
    [
        (SignInRefused(), {}, "Sign in", True),
        (PersonalAccount(), {}, "Choose another account", True),
        (None, {"error": "access_denied"}, "Sign in", True),
        (None, {"code": "\n"}, "Sign in", True),
        (None, {"code": ""}, "Sign in", True),
        (StoreError("gone"), {}, "Sign in", True),
        (None, {"state": "A" * 43}, "Sign in", False),
        (None, {"state": ""}, "Sign in", False),
    ],
)
def test_a_sign_in_that_failed_starts_again_where_it_was_and_for_the_page_it_was_for(site, error, changes, label, page):
    """With the provider of the callback, which need not be the one that `/auth/login` takes."""
    site.world.journal.before("provider.redeem", error)
    with pytest.raises(AppError) as caught:
        site.receive(site.good(**changes))
    query = "?return_to=/org/fabrikam/projects" if page else ""
    assert caught.value.remedy == Remedy(label, f"/auth/login/azure-devops{query}")


def test_the_page_that_everybody_comes_to_is_not_named(site):
    _, site.login = sign_in.begin(site.world.custody, "azure-devops", "/dashboard")
    site.cookie = site.cookies.sign_in(site.login, site.world.keyring).partition(";")[0]
    with pytest.raises(SignInDenied) as caught:
        site.receive(site.good(error="access_denied"))
    assert caught.value.remedy == Remedy("Sign in", "/auth/login/azure-devops")


@pytest.mark.parametrize("error", [AppFault("invalid_client"), Policy("conditional access")])
def test_what_no_new_sign_in_cures_offers_none(site, error):
    site.world.journal.before("provider.redeem", error)
    with pytest.raises(type(error)) as caught:
        site.receive(site.good())
    assert caught.value.remedy is None


def test_where_new_sign_ins_are_off_none_is_offered(site):
    site.world.provider.offers_sign_in = False
    with pytest.raises(SignInDenied) as caught:
        site.receive(site.good(error="access_denied"))
    assert caught.value.remedy is None


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("", "A browser"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/130.0", "Edge on Windows"),
        (f"{CHROME} OPR/100", "Opera on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) Version/18.0 Safari/605.1", "Safari on macOS"),
        ("<script>alert(1)</script>" * 100, "A browser"),
    ],
)
def test_a_browser_is_described_in_fixed_words(site, agent, shown):
    """Nothing of the header itself is stored."""
    site.receive(site.good(), **{"user-agent": agent})
    (user_id,) = site.world.connections._users
    assert [session.browser for session in site.world.record(user_id).sessions] == [shown]


@pytest.mark.parametrize(
    ("call", "error", "reason"),
    [
        ("logins.burn", StoreError("gone"), "store_unavailable"),
        ("connections.load", StoreError("gone"), "store_unavailable"),
        ("provider.redeem", ScopeMissing("vso.profile"), "scope_missing"),
        ("provider.redeem", AppFault("invalid_client"), "app_fault"),
        ("provider.redeem", VaultError("away", reason="missing"), "vault_unavailable"),
        ("provider.redeem", SignInRefused("no token"), "refused"),
        ("provider.redeem", ZeroDivisionError(), "unexpected"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_whatever_ends_a_sign_in_is_told_once_with_its_provider(site, call, error, reason):
    """In a fixed word, also for what is no error of the sign-in itself."""
    site.world.journal.before(call, error)
    with pytest.raises(type(error)):
        site.receive(site.good())
    assert site.world.told("sign_in_failed") == [{"provider": "azure-devops", "reason": reason}]
    assert site.world.told("sign_in_completed") == []


def test_a_callback_that_only_comes_twice_is_no_failure(site):
    """The browser that is signed in goes home."""
    visit = site.receive(site.good())
    session = visit.cookies[0].partition(";")[0]
    assert site.receive(site.good(), cookie=f"{site.cookie}; {session}").headers["Location"] == "/"
    assert site.world.told("sign_in_failed") == []
