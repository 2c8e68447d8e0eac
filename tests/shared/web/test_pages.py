"""Errors and views, as pages and as problem documents."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from shared import errors
from shared.models.views import Listing, Organization, WorkItem
from shared.web.negotiation import Wants
from shared.web.pages import Frame
from tests.every_error import EVERY_ERROR, OWN_ARGUMENTS, SECRET, children


def kind(error):
    return type(error).__name__


class Links(HTMLParser):
    def __init__(self, body):
        super().__init__()
        self.found = {}
        self.text = ""
        self._href = None
        self.feed(body.decode())

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self._href = dict(attrs)["href"]

    def handle_endtag(self, tag):
        if tag == "a":
            self._href = None

    def handle_data(self, data):
        self.text += data
        if self._href is not None and data.strip():
            self.found[data.strip()] = self._href


@pytest.mark.parametrize("error", EVERY_ERROR, ids=kind)
def test_every_error_has_a_page(pages, frame, error):
    answer = pages.error(error, frame, Wants.HTML)
    page = Links(answer.body)

    assert (answer.status, answer.content_type) == (error.status, "text/html; charset=utf-8")
    assert all(text in page.text for text in (error.title, error.advice, frame.correlation_id, str(error.status)))
    assert page.found["Help and contact"] == "https://support.example/help"
    assert answer.headers["Vary"] == "Accept, Cookie"
    assert not answer.cacheable


@pytest.mark.parametrize("error", EVERY_ERROR, ids=kind)
def test_every_error_has_a_problem_document(pages, frame, error):
    answer = pages.error(error, frame, Wants.JSON)
    problem = json.loads(answer.body)

    assert (answer.status, answer.content_type) == (error.status, "application/problem+json; charset=utf-8")
    assert problem.pop("problems", None) == (list(error.problems) if isinstance(error, errors.NotConfigured) else None)
    assert problem.pop("parameter", None) == (error.parameter if isinstance(error, errors.BadParameter) else None)
    assert problem == {
        "type": f"urn:gatehouse:problem:{error.kind}",
        "title": error.title,
        "status": error.status,
        "detail": error.advice,
        "correlation_id": frame.correlation_id,
    }


@pytest.mark.parametrize("form", Wants)
@pytest.mark.parametrize(
    "error_class",
    [child for child in children(errors.AppError) if child not in OWN_ARGUMENTS],
    ids=lambda c: c.__name__,
)
def test_the_text_for_the_log_is_never_shown(pages, frame, form, error_class):
    answer = pages.error(error_class(SECRET), frame, form)

    assert SECRET not in answer.body.decode() + str(dict(answer.headers))


@pytest.mark.parametrize("form", Wants)
@pytest.mark.parametrize(("seconds", "header"), [(0, "1"), (0.2, "1"), (5, "5"), (5.01, "6"), (120, "120")])
def test_retry_after_is_whole_seconds_rounded_up(pages, frame, form, seconds, header):
    answer = pages.error(errors.Throttled(retry_after=seconds), frame, form)

    assert answer.headers["Retry-After"] == header


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "Wait 1 second before"), (4.2, "Wait 5 seconds before"), (120, "Wait 120 seconds before")],
)
def test_a_person_reads_how_long_to_wait(pages, frame, seconds, words):
    page = Links(pages.error(errors.ApiThrottled(retry_after=seconds), frame, Wants.HTML).body)

    assert words in page.text
    assert "Wait" not in Links(pages.error(errors.NotFound(), frame, Wants.HTML).body).text


TROUBLES = [error for error in EVERY_ERROR if error.status >= 500]


@pytest.mark.parametrize("error", TROUBLES, ids=kind)
def test_a_trouble_is_laid_at_the_right_door(pages, frame, error):
    """The visitor is told whose it is: ours, the service's, or that of the people who run the site."""
    text = Links(pages.error(error, frame, Wants.HTML).body).text

    assert re.search(
        r"our fault|our own|Your access|Azure DevOps (gave|asks|does|refuses)|service of Azure|set up", text
    )


def test_an_error_that_does_not_pass_names_no_retry_after(pages, frame):
    assert "Retry-After" not in pages.error(errors.NotFound(), frame, Wants.HTML).headers


@pytest.mark.parametrize("form", Wants)
def test_405_names_the_allowed_methods(pages, frame, form):
    assert pages.error(errors.MethodNotAllowed(["GET", "HEAD"]), frame, form).headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("error", EVERY_ERROR, ids=kind)
def test_401_and_nothing_else_is_a_challenge_that_no_browser_asks_a_password_for(pages, frame, error):
    challenge = pages.error(error, frame, Wants.JSON).headers.get("WWW-Authenticate")

    assert challenge == ('Session realm="Gatehouse"' if error.status == 401 else None)


@pytest.mark.parametrize(
    "error",
    [errors.NotSignedIn(), errors.SignInAgain(), errors.TokenRejected(), errors.SignInExpired(), errors.Unreadable()],
    ids=kind,
)
def test_what_a_sign_in_cures_offers_one_that_comes_back_here(pages, stranger, error):
    links = Links(pages.error(error, stranger, Wants.HTML).body).found

    assert links["Sign in"] == "/auth/login?return_to=/org/contoso/projects%3Ftop%3D5"
    assert "Try again" not in links


def test_a_sign_in_from_deep_in_a_list_leads_back_to_the_list(pages):
    frame = Frame("id", path="/org/contoso/projects?continuation=" + "x" * 2000)
    signed_in = Links(pages.error(errors.SignInAgain(), frame, Wants.HTML).body).found
    retried = Links(pages.error(errors.StoreError(), frame, Wants.HTML).body).found

    assert signed_in["Sign in"] == "/auth/login?return_to=/org/contoso/projects"
    assert retried["Try again"] == frame.path


@pytest.mark.parametrize(
    "error", [errors.StoreError(), errors.Unavailable(), errors.ApiUnavailable(), errors.UnknownKey()], ids=kind
)
def test_what_time_cures_offers_to_try_again(pages, frame, error):
    links = Links(pages.error(error, frame, Wants.HTML).body).found

    assert links["Try again"] == "/org/contoso/projects?top=5"
    assert "Sign in" not in links


@pytest.mark.parametrize(
    "path", ["/auth/callback?code=x", "/auth/logout", "//evil.example", "/\\evil", "javascript:x", ""]
)
def test_no_page_leads_back_to_a_spent_step_or_away(pages, path):
    frame = Frame("id", path=path)
    retried = Links(pages.error(errors.StoreError(), frame, Wants.HTML).body).found
    signed_in = Links(pages.error(errors.SignInUsed(), frame, Wants.HTML).body).found

    assert "Try again" not in retried
    assert signed_in["Sign in"] == "/auth/login"


ADVISED = {
    r"[Ss]ign in (again|once more)|[Ss]tart (the sign-in )?again(?! from)": "/auth/login",
    r"Try again in": "/org/contoso/projects?top=5",
    r"home page": "/",
}
"""What a sentence tells a person to do, and the beginning of the address by which they can."""


@pytest.mark.parametrize("error", EVERY_ERROR, ids=kind)
def test_what_a_page_advises_can_be_done_on_it(pages, frame, error):
    links = Links(pages.error(error, frame, Wants.HTML).body).found.values()

    for words, address in ADVISED.items():
        if re.search(words, error.advice):
            assert any(link.startswith(address) for link in links), words


@pytest.mark.parametrize("error", [errors.NotFound(), errors.Forbidden(), errors.AccessDenied()], ids=kind)
def test_every_other_error_leads_home(pages, frame, error):
    assert Links(pages.error(error, frame, Wants.HTML).body).found["Home page"] == "/"


def test_home_of_a_request_to_the_wrong_host_is_the_right_one(pages, frame):
    links = Links(pages.error(errors.WrongHost("https://gate.example"), frame, Wants.HTML).body).found

    assert links["Open https://gate.example"] == "https://gate.example"


def test_a_view_is_json_under_the_names_of_its_model(pages, frame):
    item = WorkItem(7, "Bug", "Fix", "New", None, datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "https://dev.azure.com/x")
    answer = pages.view("work_items.html", frame, Wants.JSON, Listing([item], next="/a?continuation=b", prev=None))

    assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8")
    assert answer.headers["Vary"] == "Accept, Cookie"
    assert json.loads(answer.body) == {
        "items": [
            {
                "id": 7,
                "type": "Bug",
                "title": "Fix",
                "state": "New",
                "assigned_to": None,
                "changed_at": "2026-01-02T03:04:00Z",
                "url": "https://dev.azure.com/x",
            }
        ],
        "next": "/a?continuation=b",
        "prev": None,
    }


def test_a_view_is_a_page_with_the_same_vary(pages, frame):
    listing = Listing([Organization("contoso", "https://dev.azure.com/contoso", "/org/contoso/projects")], None, None)
    answer = pages.view("dashboard.html", frame, Wants.HTML, listing, limited=False)

    assert (answer.status, answer.headers["Vary"]) == (200, "Accept, Cookie")
    assert Links(answer.body).found["contoso"] == "/org/contoso/projects"
