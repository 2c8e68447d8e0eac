"""What every template keeps: strange text stays text, strange addresses are no links, and nothing is missing unseen."""

import re
from collections import Counter
from html.parser import HTMLParser

import msgspec
import pytest
from jinja2 import UndefinedError

from shared.models.views import (
    Account,
    Build,
    Listing,
    Organization,
    Project,
    Repository,
    SignOutReceipt,
    WorkItem,
)
from shared.readiness import Need
from shared.web import formats
from shared.web.negotiation import Wants
from shared.web.pages import Frame, Pages

AT = "2026-11-24T14:50:54Z"
OUT = "https://dev.azure.com/contoso/"
ORGANIZATION = {"name": "Org", "url": OUT, "projects_page": "/org/a/projects"}
PROJECT = {
    "id": "id-1",
    "name": "Tools (new)!",
    "description": "What it is",
    "visibility": "hidden",
    "updated_at": AT,
    "url": OUT,
    "work_items_page": "/w",
    "builds_page": "/b",
    "repositories_page": "/r",
}
WORK_ITEM = {
    "id": 7,
    "type": "Epic",
    "title": "Heading",
    "state": "Bent",
    "assigned_to": "Björn",
    "changed_at": AT,
    "url": OUT,
}
BUILD = {
    "id": 9,
    "number": "2026.1",
    "definition": "nightly",
    "status": "done-ish",
    "result": "odd",
    "branch": "refs/heads/trunk",
    "requested_for": "Chen",
    "queued_at": AT,
    "started_at": AT,
    "finished_at": AT,
    "url": OUT,
}
REPOSITORY = {
    "id": "id-2",
    "name": "repo-x",
    "default_branch": "refs/heads/stem",
    "size_bytes": 2**31 + 1,
    "disabled": True,
    "url": OUT,
}
IN_PROJECT = {"org": "contoso", "project": "My project"}
VIEWS = {
    "dashboard.html": (Organization, ORGANIZATION, {"limited": False}),
    "projects.html": (Project, PROJECT, {"org": "contoso"}),
    "work_items.html": (WorkItem, WORK_ITEM, IN_PROJECT),
    "builds.html": (Build, BUILD, IN_PROJECT),
    "repositories.html": (Repository, REPOSITORY, IN_PROJECT),
}
TEXTS = {
    "home.html": {"providers": [["entra", "Entra ID"]], "scopes": [["vso.work", "Read work items"]]},
    "setup.html": {
        "needs": [
            {"ok": False, "setting": "PUBLIC_URL", "purpose": "our address", "remedy": "Set it"},
            {"ok": True, "setting": "APP_ID", "purpose": "the app", "remedy": "Nothing"},
        ]
    },
    "logout.html": {},
}
SESSION = {
    "id": "0123456789ab",
    "browser": "Firefox on Linux",
    "started_at": AT,
    "seen_at": AT,
    "ends_at": AT,
    "current": False,
}
ACCOUNT = {
    "name": "Ada",
    "email": "ada@contoso.example",
    "provider": "entra",
    "provider_title": "Microsoft",
    "status": "live",
    "scopes": [{"name": "vso.work", "meaning": "Read work items"}],
    "expires_at": AT,
    "refreshed_at": AT,
    "next_try_at": AT,
    "sessions": [SESSION, SESSION | {"current": True}],
    "receipt_page": "/auth/receipt",
}
RECEIPT = {
    "signed_out_at": AT,
    "sessions_ended": 1,
    "tokens_deleted": True,
    "provider": "entra",
    "revocations": [{"state": state, "next_try_at": AT} for state in ("revoked", "retried", "not_offered", "given_up")],
    "checked": False,
    "access_token_minutes": 90,
    "withdraw_url": "https://identity.example/Profile/View",
    "sign_out_url": "https://identity.example/logout",
}
SINGLES = {
    "account.html": (Account, ACCOUNT, {"sign_in": "/auth/login/entra?return_to=/account"}),
    "receipt.html": (SignOutReceipt, RECEIPT, {}),
}
FIXED = {"status", "state"}
"""Fields of the model whose words are ours."""
ME = {"correlation_id": "c0ffee", "person": "Ada", "csrf": "tok", "path": "/"}
STRANGER = {**ME, "person": None, "csrf": None}
MARKER = "Zebra <b>&amp;</b> \"'"
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)><b a='",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "JAVASCRIPT&colon;alert(1)",
    "</title></textarea></style><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "https://dev.azure.com@evil.example/",
    "//evil.example",
]


NO_MORE = {"next": None, "prev": None}


def leaves(value, path=()):
    """The path of every string inside: the places where an attacker could write."""
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, (*path, key))
    elif isinstance(value, str) and value != AT and path[-1] not in FIXED:
        yield path


def replaced(value, path, text):
    if not path:
        return text
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], text)
    return copy


def render(pages, template, data):
    frame = Frame(**data["frame"])
    if template in TEXTS:
        context = data["context"]
        if "needs" in context:
            context = {"needs": [Need(**need) for need in context["needs"]]}
        return pages.html(template, frame, **context).body.decode()
    model_type = SINGLES[template][0] if template in SINGLES else Listing[VIEWS[template][0]]
    model = msgspec.convert(data["model"], model_type)
    return pages.view(template, frame, Wants.HTML, model, **data["context"]).body.decode()


def sample(template, frame=ME):
    if template in TEXTS:
        return {"frame": frame, "context": TEXTS[template]}
    if template in SINGLES:
        return {"frame": frame, "context": SINGLES[template][2], "model": SINGLES[template][1]}
    _, item, context = VIEWS[template]
    return {"frame": frame, "context": context, "model": {"items": [item], "next": "/n?a=1", "prev": "/p?a=1"}}


SAMPLES = [
    *((template, sample(template)) for template in (*VIEWS, *TEXTS)),
    *((template, sample(template)) for template in SINGLES),
    ("receipt.html", sample("receipt.html", STRANGER)),
    ("home.html", sample("home.html", STRANGER)),
    ("setup.html", sample("setup.html", STRANGER)),
]
NAMED = [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(SAMPLES)]


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = Counter()
        self.attributes = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data

    def addresses(self):
        return [value for name, value in self.attributes if name in ("href", "src", "action", "formaction")]

    def shows(self, text):
        return squeezed(text) in squeezed(self.text)

    def structure(self):
        """Elements but for links, which a refused address turns into text, and `bdi`, which then takes their place."""
        return {tag: count for tag, count in self.tags.items() if tag not in ("a", "bdi", "nav", "time")}


def is_harmless(address):
    return address == "#main" or formats.is_local(address) or formats.is_external(address)


def squeezed(text):
    return re.sub(r"\s", "", text).lower()


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(("template", "data"), NAMED)
def test_hostile_text_in_any_field_adds_no_element_no_handler_and_no_address(pages, template, data, hostile):
    known = Page(render(pages, template, data)).tags.keys() | {"bdi", "span"}
    for path in leaves(data):
        page = Page(render(pages, template, replaced(data, path, hostile)))

        assert page.tags.keys() <= known, path
        assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"], path
        assert all(map(is_harmless, page.addresses())), path


@pytest.mark.parametrize(("template", "data"), NAMED)
def test_text_that_is_shown_is_shown_as_it_is(pages, template, data):
    shown = [
        path for path in leaves(data) if Page(render(pages, template, replaced(data, path, "Zebra"))).shows("Zebra")
    ]

    assert shown or template in ("logout.html", "receipt.html")  # whose text is ours
    for path in shown:
        assert Page(render(pages, template, replaced(data, path, MARKER))).shows(MARKER), path


@pytest.mark.parametrize("name", ["app_name", "support_url"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_settings_shown_to_people_are_escaped_too(statics, name, hostile):
    own = Pages(**{"app_name": "Gate", "support_url": None, "statics": statics, name: hostile})
    page = Page(render(own, "logout.html", sample("logout.html")))

    assert page.structure() == Page(render(own, "logout.html", sample("logout.html"))).structure()
    assert not {"script", "svg", "b"} & page.tags.keys()
    assert all(map(is_harmless, page.addresses()))


@pytest.mark.parametrize(
    ("template", "name"),
    [(template, name) for template, data in SAMPLES[: len(VIEWS) + len(TEXTS)] for name in data["context"]],
)
def test_a_context_that_is_missing_is_an_error_and_no_gap(pages, template, name):
    data = sample(template, STRANGER)
    context = {key: value for key, value in data["context"].items() if key != name}

    with pytest.raises(UndefinedError, match=name):
        render(pages, template, {**data, "context": context})


@pytest.mark.parametrize(("template", "data"), NAMED)
def test_no_page_has_a_script_an_inline_style_or_another_origin_in_it(pages, template, data):
    page = Page(render(pages, template, data))

    assert not {"script", "style", "iframe", "object", "base"} & page.tags.keys()
    loaded = [value for name, value in page.attributes if name in ("src", "action")]
    assert all(value.startswith("/") for value in loaded)


@pytest.mark.parametrize("template", VIEWS)
def test_an_empty_list_says_what_that_may_mean(pages, template):
    data = sample(template)
    page = Page(render(pages, template, {**data, "model": NO_MORE | {"items": []}}))

    assert "table" not in page.tags
    assert page.shows("No ")
    assert not page.shows("on this page")


@pytest.mark.parametrize("template", VIEWS)
def test_an_empty_list_names_the_wrong_account_and_tenant(pages, template):
    page = Page(render(pages, template, {**sample(template), "model": NO_MORE | {"items": []}}))

    assert page.shows("another account or another tenant")


@pytest.mark.parametrize(
    ("limited", "words"), [(True, "names none of those that this site shows"), (False, "names none for")]
)
def test_a_dashboard_without_organizations_says_whether_this_site_leaves_some_out(pages, limited, words):
    data = {**sample("dashboard.html"), "context": {"limited": limited}, "model": NO_MORE | {"items": []}}

    assert Page(render(pages, "dashboard.html", data)).shows(words)


@pytest.mark.parametrize("template", [name for name in VIEWS if name != "dashboard.html"])
@pytest.mark.parametrize("relation", ["next", "prev"])
def test_an_empty_page_of_a_longer_list_says_nothing_of_the_list(pages, template, relation):
    model = NO_MORE | {"items": [], relation: "/p?a=1"}
    page = Page(render(pages, template, {**sample(template), "model": model}))

    assert page.shows("Nothing on this page")
    assert not re.search(r"\bNo\b|another tenant", page.text)
    assert ("rel", relation) in page.attributes


@pytest.mark.parametrize("template", VIEWS)
@pytest.mark.parametrize("relation", ["next", "prev"])
def test_paging_links_only_where_there_is_another_page(pages, template, relation):
    data = sample(template)
    without = {**data, "model": {**data["model"], relation: None}}

    assert ("rel", relation) in Page(render(pages, template, data)).attributes
    assert ("rel", relation) not in Page(render(pages, template, without)).attributes


@pytest.mark.parametrize(("template", "item"), [(name, item) for name, (_, item, _) in VIEWS.items()])
def test_a_page_of_what_is_unknown_still_renders(pages, template, item):
    optional = {
        field.name
        for field in msgspec.structs.fields(VIEWS[template][0])
        if type(None) in getattr(field.type, "__args__", ())
    }
    data = sample(template)
    bare = item | dict.fromkeys(optional)
    page = Page(render(pages, template, {**data, "model": NO_MORE | {"items": [bare]}}))

    assert "None" not in re.findall(r"\w+", page.text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"finished_at": None, "status": "inProgress"}, "running"),
        ({"finished_at": None, "started_at": None, "status": "notStarted"}, "queued"),
        ({}, "24 Nov 2026, 14:50 UTC"),
    ],
)
def test_a_build_is_finished_running_or_queued(pages, change, words):
    data = sample("builds.html")
    page = Page(render(pages, "builds.html", {**data, "model": NO_MORE | {"items": [BUILD | change]}}))

    assert page.shows(words)


def test_a_build_that_is_over_is_not_called_queued_where_its_times_are_missing(pages):
    data = sample("builds.html")
    times = {"status": "completed", "result": "failed", "queued_at": None, "started_at": None, "finished_at": None}
    page = Page(render(pages, "builds.html", {**data, "model": NO_MORE | {"items": [BUILD | times]}}))

    assert page.shows("failed")
    assert "queued" not in page.text


def test_a_work_item_without_a_title_has_a_dash(pages):
    data = sample("work_items.html")
    page = Page(render(pages, "work_items.html", {**data, "model": NO_MORE | {"items": [WORK_ITEM | {"title": ""}]}}))

    assert page.shows("—")


def test_a_work_item_of_nobody_is_unassigned(pages):
    data = sample("work_items.html")
    page = Page(
        render(pages, "work_items.html", {**data, "model": NO_MORE | {"items": [WORK_ITEM | {"assigned_to": None}]}})
    )

    assert page.shows("Unassigned")


def test_a_repository_shows_its_size_its_branch_and_that_it_is_disabled(pages):
    page = Page(render(pages, "repositories.html", sample("repositories.html")))

    assert page.shows("2.1 GB")
    assert page.shows("stem")
    assert page.shows("disabled")
    assert not page.shows("refs/heads")


@pytest.mark.parametrize(("template", "data"), NAMED)
def test_who_is_signed_in_can_sign_out_by_a_form_with_the_token(pages, template, data):
    page = Page(render(pages, template, data))
    signed_in = data["frame"]["csrf"] is not None

    assert (("action", "/auth/logout") in page.attributes) == signed_in
    assert (("value", "tok") in page.attributes) == signed_in


@pytest.mark.parametrize("template", ["work_items.html", "builds.html", "repositories.html"])
def test_lists_of_a_project_lead_to_each_other_by_encoded_addresses(pages, template):
    hrefs = [value for name, value in Page(render(pages, template, sample(template))).attributes if name == "href"]

    base = "/org/contoso/project/My%20project/"
    assert {base + part for part in ("workitems", "builds", "repos")} <= set(hrefs)


def account(pages, sign_in="/auth/login/entra?return_to=/account", **changes):
    data = {**sample("account.html"), "context": {"sign_in": sign_in}, "model": ACCOUNT | changes}
    return Page(render(pages, "account.html", data))


def receipt(pages, **changes):
    return Page(render(pages, "receipt.html", {**sample("receipt.html", STRANGER), "model": RECEIPT | changes}))


@pytest.mark.parametrize(
    ("status", "words", "button"),
    [
        ("live", "is renewed before it ends", False),
        ("suspect", "try again at 24 Nov 2026, 14:50 UTC", False),
        ("reconnect", "Sign in again to go on", True),
    ],
)
def test_an_account_says_what_its_connection_is_good_for_and_what_to_do(pages, status, words, button):
    page = account(pages, status=status)

    assert page.shows(words)
    assert ("/auth/login/entra?return_to=/account" in page.addresses()) == button


def test_an_account_offers_no_sign_in_where_new_ones_are_off(pages):
    page = account(pages, None, status="reconnect")

    assert page.shows("New sign-ins are switched off here")
    assert "Sign in again" not in page.text


def test_every_session_has_a_form_of_its_own_and_one_ends_them_all(pages):
    page = account(pages)

    actions = Counter(value for name, value in page.attributes if name == "action")
    assert actions == {"/auth/logout": 3, "/auth/disconnect": 1}  # the header's own among them
    assert page.attributes.count(("value", "tok")) == 4
    assert page.attributes.count(("value", "0123456789ab")) == 2


def test_an_account_of_what_is_unknown_still_renders(pages):
    page = account(pages, name="", email=None, next_try_at=None, receipt_page=None, status="suspect")

    assert "None" not in re.findall(r"\w+", page.text)
    assert "/auth/receipt" not in page.addresses()


@pytest.mark.parametrize(
    ("sessions", "deleted", "words"),
    [
        (1, True, "It was your last one, so we deleted your tokens"),
        (1, False, "You are still signed in elsewhere"),
        (5, True, "All your 5 sessions have ended"),
        (0, False, "had ended before"),
    ],
)
def test_a_receipt_tells_what_was_destroyed_here(pages, sessions, deleted, words):
    page = receipt(pages, sessions_ended=sessions, tokens_deleted=deleted)

    assert page.shows(words)
    assert page.shows("deleted your tokens") == deleted


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("revoked", "Azure DevOps has revoked both tokens"),
        ("retried", "we go on trying until it does, next at about 24 Nov 2026, 14:50 UTC"),
        ("not_offered", "runs out within the hour"),
        ("given_up", "we stopped trying"),
    ],
)
def test_a_receipt_tells_what_became_of_the_tokens_there(pages, state, words):
    legacy = {"provider": "azure-devops", "sign_out_url": None}
    page = receipt(pages, **legacy, revocations=[{"state": state, "next_try_at": AT}])

    assert page.shows(words)
    assert not page.shows("Microsoft")
    assert page.shows("Withdraw the permission itself")


def test_a_receipt_without_anything_upstream_names_nothing_there(pages):
    page = receipt(pages, revocations=[], withdraw_url=None, sign_out_url=None)

    assert not page.shows("At Microsoft")
    assert not page.shows("Only you")


def test_a_receipt_that_could_not_be_checked_says_so(pages):
    assert receipt(pages).shows("this is how it stood at the sign-out")
    assert not receipt(pages, checked=True).shows("this is how it stood")
