"""A2: state is random, of one use, of ten minutes, and bound to the browser and the provider that began it."""

import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.models.custody import Login, new_secret, sha256_hex
from tests.acceptance.signing_in import (
    SIGN_IN,
    Attempt,
    pending,
    plant,
    rows,
    seal,
    seal_under_the_name_of,
    token_calls,
    under_way,
    wire,
)
from tests.evidence import Report
from tests.site import Browser, Host, Simulator, Site

LONG_LIVED_CODES = 3600
"""So that only our own check can refuse a late callback."""


@dataclass
class Scene:
    """Where misuse happens: `attempt` is a sign-in under way in a browser of its own."""

    site: Site
    host: Host
    attempt: Attempt
    twins: list[Host] = field(default_factory=list)

    def twin(self, **options: object) -> Host:
        """Another process under the same name, on the same store."""
        self.twins.append(self.site.start_host(public_url=self.host.url, **options))
        return self.twins[-1]

    def login(self, **changes: object) -> Login:
        """The pending sign-in of the attempt as it would stand in its cookie."""
        genuine = Login(
            provider="azure-devops",
            state=self.attempt.state,
            verifier=new_secret(),
            nonce=new_secret(),
            return_to="/dashboard",
            started_at=datetime.now(UTC),
        )
        return replace(genuine, **changes)


@dataclass
class Last:
    """The last step of a misuse, which the site must refuse."""

    browser: Browser
    url: str
    headers: dict[str, str] | None = None


def at(host: Host, scene: Scene, attempt: Attempt) -> Last:
    """The callback of `attempt`, sent to another process that answers under the same name."""
    target = urlsplit(attempt.url)
    return Last(attempt.browser, f"{host.url}{target.path}?{target.query}", {"Host": urlsplit(scene.host.url).netloc})


def with_state(attempt: Attempt, state: str) -> str:
    return attempt.url.replace(attempt.state, state)


def a_browser_without_a_sign_in(scene: Scene) -> Last:
    return Last(Browser(scene.host.url), scene.attempt.url)


def a_browser_with_a_sign_in_of_its_own(scene: Scene) -> Last:
    other = under_way(Browser(scene.host.url), "bjorn")
    return Last(other.browser, scene.attempt.url)


def a_code_and_a_state_of_two_browsers(scene: Scene) -> Last:
    other = under_way(Browser(scene.host.url), "bjorn")
    return Last(other.browser, with_state(other, scene.attempt.state))


def a_second_use_after_signing_out(scene: Scene) -> Last:
    kept = pending(scene.attempt.browser)
    assert scene.attempt.visit().status_code == 303
    scene.attempt.browser.sign_out()
    for name, value in kept.items():
        plant(scene.attempt.browser, name, value)
    return Last(scene.attempt.browser, scene.attempt.url)


def a_second_use_with_a_fresh_code(scene: Scene) -> Last:
    """The service would accept this code: only the burnt state stands in the way."""
    authorization = scene.attempt.browser.begin()
    kept = pending(scene.attempt.browser)
    first = Attempt(scene.attempt.browser, scene.attempt.browser.consent(authorization))
    assert first.visit().status_code == 303
    scene.attempt.browser.sign_out()
    for name, value in kept.items():
        plant(scene.attempt.browser, name, value)
    return Last(scene.attempt.browser, scene.attempt.browser.consent(authorization))


def a_second_use_at_another_process(scene: Scene) -> Last:
    kept = pending(scene.attempt.browser)
    assert scene.attempt.visit().status_code == 303
    scene.attempt.browser.http.cookies.clear()
    for name, value in kept.items():
        plant(scene.attempt.browser, name, value)
    return at(scene.twin(), scene, scene.attempt)


def ten_minutes_and_a_second_later(scene: Scene) -> Last:
    return at(scene.twin(clock_offset=601), scene, scene.attempt)


def begun_in_the_future(scene: Scene) -> Last:
    return at(scene.twin(clock_offset=-60), scene, scene.attempt)


def a_sealed_start_of_eleven_minutes_ago(scene: Scene) -> Last:
    plant(scene.attempt.browser, *seal(scene.login(started_at=datetime.now(UTC) - timedelta(minutes=11))))
    return Last(scene.attempt.browser, scene.attempt.url)


def one_character_changed(scene: Scene) -> Last:
    state = scene.attempt.state
    return Last(scene.attempt.browser, with_state(scene.attempt, ("B" if state[0] == "A" else "A") + state[1:]))


def the_case_of_letters_changed(scene: Scene) -> Last:
    return Last(scene.attempt.browser, with_state(scene.attempt, scene.attempt.state.swapcase()))


def one_character_missing(scene: Scene) -> Last:
    return Last(scene.attempt.browser, with_state(scene.attempt, scene.attempt.state[:-1]))


def one_character_more(scene: Scene) -> Last:
    return Last(scene.attempt.browser, with_state(scene.attempt, scene.attempt.state + "A"))


def the_hash_in_place_of_the_state(scene: Scene) -> Last:
    return Last(scene.attempt.browser, with_state(scene.attempt, sha256_hex(scene.attempt.state)))


def no_state(scene: Scene) -> Last:
    return Last(scene.attempt.browser, scene.attempt.url.replace(f"&state={scene.attempt.state}", ""))


def an_empty_state(scene: Scene) -> Last:
    return Last(scene.attempt.browser, with_state(scene.attempt, ""))


def the_cookie_of_another_state_under_this_name(scene: Scene) -> Last:
    name = next(iter(pending(scene.attempt.browser)))
    other = Browser(scene.host.url)
    other.begin()
    plant(scene.attempt.browser, name, next(iter(pending(other).values())))
    return Last(scene.attempt.browser, scene.attempt.url)


def a_cookie_that_was_begun_for_another_state(scene: Scene) -> Last:
    """As after a collision of the 32 bits that name the cookie: it opens, but holds another state."""
    cookie = seal_under_the_name_of(scene.attempt.state, scene.login(state=new_secret()))
    plant(scene.attempt.browser, *cookie)
    return Last(scene.attempt.browser, scene.attempt.url)


def a_cookie_with_one_character_changed(scene: Scene) -> Last:
    (name, value), *_ = pending(scene.attempt.browser).items()
    plant(scene.attempt.browser, name, value[:60] + ("B" if value[60] == "A" else "A") + value[61:])
    return Last(scene.attempt.browser, scene.attempt.url)


def a_cookie_that_is_not_sealed(scene: Scene) -> Last:
    plant(scene.attempt.browser, next(iter(pending(scene.attempt.browser))), "eyJwcm92aWRlciI6ImF6dXJlLWRldm9wcyJ9")
    return Last(scene.attempt.browser, scene.attempt.url)


def a_cookie_of_another_key(scene: Scene) -> Last:
    return at(scene.twin(TOKEN_ENCRYPTION_KEY="ab" * 32), scene, scene.attempt)


def the_same_cookie_twice(scene: Scene) -> Last:
    (name, value), *_ = pending(scene.attempt.browser).items()
    return Last(scene.attempt.browser, scene.attempt.url, {"Cookie": f"{name}={value}; {name}={value}"})


def the_cookie_of_another_provider(scene: Scene) -> Last:
    plant(scene.attempt.browser, *seal(scene.login(provider="entra")))
    return Last(scene.attempt.browser, scene.attempt.url)


MISUSES: tuple[Callable[[Scene], Last], ...] = (
    a_browser_without_a_sign_in,
    a_browser_with_a_sign_in_of_its_own,
    a_code_and_a_state_of_two_browsers,
    a_second_use_after_signing_out,
    a_second_use_with_a_fresh_code,
    a_second_use_at_another_process,
    ten_minutes_and_a_second_later,
    begun_in_the_future,
    a_sealed_start_of_eleven_minutes_ago,
    one_character_changed,
    the_case_of_letters_changed,
    one_character_missing,
    one_character_more,
    the_hash_in_place_of_the_state,
    no_state,
    an_empty_state,
    the_cookie_of_another_state_under_this_name,
    a_cookie_that_was_begun_for_another_state,
    a_cookie_with_one_character_changed,
    a_cookie_that_is_not_sealed,
    a_cookie_of_another_key,
    the_same_cookie_twice,
    the_cookie_of_another_provider,
)


@pytest.fixture
def scene(site: Site, simulator: Simulator, host: Host) -> Iterator[Scene]:
    simulator.settings(code_lifetime=LONG_LIVED_CODES)
    started = Scene(site, host, under_way(Browser(host.url)))
    yield started
    for twin in started.twins:
        twin.child.stop()


@pytest.mark.acceptance("A2")
@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: misuse.__name__)
def test_a_state_is_of_one_use_of_ten_minutes_and_of_one_browser(
    simulator: Simulator, scene: Scene, evidence: Report, misuse: Callable[[Scene], Last]
) -> None:
    """Anything else is refused before the code is sent anywhere, and makes no session."""
    last = misuse(scene)
    simulator.clear_calls()
    answer = last.browser.get(last.url, headers=last.headers)
    assert answer.status_code == 400
    assert "Start" in answer.text
    assert last.browser.session_cookie is None
    assert token_calls(simulator) == 0
    evidence(cases=1)


@pytest.mark.acceptance("A2")
def test_the_same_steps_without_misuse_sign_in(site: Site, scene: Scene, evidence: Report) -> None:
    """At another process, nine minutes later, with a cookie sealed here: what the misuses share is not what fails."""
    late = at(scene.twin(clock_offset=9 * 60), scene, scene.attempt)
    assert late.browser.get(late.url, headers=late.headers).status_code == 303
    for make in (seal, lambda login: seal_under_the_name_of(login.state, login)):
        again = under_way(Browser(scene.host.url))
        again.browser.http.cookies.clear()
        plant(again.browser, *make(replace(scene.login(), state=again.state)))
        assert again.visit().status_code == 303
        assert again.browser.session_cookie
        evidence(cases=1)


@pytest.mark.acceptance("A2")
def test_a_stranger_can_not_burn_somebodys_state(
    simulator: Simulator, host: Host, scene: Scene, evidence: Report
) -> None:
    """After strangers tried state and code, the browser that began still signs in."""
    strangers = (Browser(host.url), under_way(Browser(host.url), "bjorn").browser)
    for stranger in strangers:
        assert stranger.get(scene.attempt.url).status_code == 400
        assert stranger.get(scene.attempt.url.replace("code=", "error=access_denied&code=")).status_code == 400
    assert token_calls(simulator) == 0
    assert scene.attempt.visit().status_code == 303
    evidence(cases=1)


@pytest.mark.acceptance("A2")
def test_every_start_has_a_state_of_its_own_and_writes_nothing(
    azurite: str, simulator: Simulator, host: Host, evidence: Report, amount: Callable[[str], int]
) -> None:
    """Any number of starts: 256 random bits each, a sealed cookie each, no row and no call."""
    before, count = rows(azurite), amount("A2")
    states, cookies = [], []
    with wire(host) as line:
        for _ in range(count):
            answer = line.send("/auth/login")
            assert answer.status == 303
            states.append(parse_qs(urlsplit(answer.header("Location")).query)["state"][0])
            cookies.append(answer.cookie(SIGN_IN))
    assert rows(azurite) == before
    assert simulator.calls() == []
    assert len(set(states)) == len(set(cookies)) == count
    assert not any(state in value for state, (_, value) in zip(states, cookies, strict=True))
    _assert_random(states)
    evidence(cases=count)


def _assert_random(states: list[str]) -> None:
    """256 bits, each set in about half of all: a constant, counting or timed part would show."""
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", state) for state in states)
    numbers = [int.from_bytes(urlsafe_b64decode(state + "=")) for state in states]
    ones = Counter(bit for number in numbers for bit in range(256) if number >> bit & 1)
    share = [ones[bit] / len(numbers) for bit in range(256)]
    assert min(share) > 0.35
    assert max(share) < 0.65
    for half in (lambda number: number >> 128, lambda number: number & (1 << 128) - 1):
        assert len({half(number) for number in numbers}) == len(numbers)
