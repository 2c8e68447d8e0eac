"""One person, one Chromium, both providers: through Entra ID, through the legacy service, and back."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from azure.data.tables import TableServiceClient
from playwright.sync_api import Page, expect

from tests.browser.watch import Watch
from tools.screenshots.scenes import ADA, press
from tools.screenshots.stage import Stage

ENTRA, LEGACY = "Microsoft", "Azure DevOps"
TABLES = {"Work items": "Work items", "Builds": "Builds", "Repositories": "Git repositories"}


def stands_before(page: Page, headline: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(headline)


def enter(page: Page) -> None:
    """At the provider, as Ada."""
    page.get_by_role("radio", name=ADA).check()
    press(page, "Accept")
    stands_before(page, "Your organizations")


def look_at_everything(page: Page, provider: str, organizations: Iterable[str]) -> None:
    """Each view by its link, the lists with rows in them; the account names the provider."""
    cards = page.get_by_role("main").get_by_role("link", name=re.compile("^(fabrikam|contoso|northwind)"))
    assert {text.split()[0] for text in cards.all_inner_texts()} == set(organizations)
    page.get_by_role("link", name="fabrikam").first.click()
    stands_before(page, "Projects in fabrikam")
    page.get_by_role("link", name="Work items of Payments Platform").click()
    for view, table in TABLES.items():
        page.get_by_role("link", name=view, exact=True).first.click()
        assert page.get_by_role("table", name=table).get_by_role("row").count() > 1
    page.get_by_role("link", name="Account").click()
    stands_before(page, "Your account")
    expect(page.get_by_role("definition").filter(has_text=provider).first).to_have_text(provider)


def user_of(page: Page) -> str:
    (value,) = [it["value"] for it in page.context.cookies() if it["name"] == "gatehouse-session"]
    return value[:32]


def rows_of(storage: str, user_id: str) -> list[str]:
    with TableServiceClient.from_connection_string(storage) as service:
        found = service.get_table_client("connections").query_entities(f"PartitionKey eq '{user_id}'")
        return [row["RowKey"].partition(":")[0] for row in found]


def receipt_of_the_last(page: Page) -> str:
    """From the account page to the receipt of what the sign-in just ended."""
    page.get_by_role("link", name="Receipt of the last sign-out in this browser").click()
    stands_before(page, "Receipt of your sign-out")
    return page.get_by_role("main").inner_text()


def test_through_entra_through_legacy_and_back_in_one_browser(
    azurite: str, stage: Stage, page: Page, watch: Watch
) -> None:
    """Each sign-in ends the other provider's session, and with it a connection that has no other; nothing is odd."""
    page.goto(stage.both)
    buttons = page.get_by_role("main").get_by_role("link", name="Sign in with")
    assert buttons.all_inner_texts() == [f"Sign in with {ENTRA}", f"Sign in with {LEGACY}"]
    buttons.first.click()
    enter(page)
    look_at_everything(page, ENTRA, ["fabrikam"])
    entra = user_of(page)
    assert sorted(rows_of(azurite, entra)) == ["connection", "session", "sessions"]

    page.goto(f"{stage.both}/auth/login/azure-devops")
    enter(page)
    look_at_everything(page, LEGACY, ["contoso-labs", "fabrikam"])
    legacy = user_of(page)
    assert (rows_of(azurite, entra), "connection" in rows_of(azurite, legacy)) == ([], True)
    assert "up to 90 minutes" in receipt_of_the_last(page)

    page.goto(f"{stage.both}/auth/login/entra")
    enter(page)
    look_at_everything(page, ENTRA, ["fabrikam"])
    assert user_of(page) == entra
    assert "connection" not in rows_of(azurite, legacy)
    assert f"At {LEGACY}" in receipt_of_the_last(page)

    press(page, "Sign out")
    stands_before(page, "You are signed out")
    assert page.url == f"{stage.both}/auth/receipt"
    assert "up to 90 minutes" in page.get_by_role("main").inner_text()
    assert rows_of(azurite, entra) == []
    page.get_by_role("link", name="sign out of Microsoft").click()
    page.wait_for_url(f"{stage.both}/")
    assert watch.complaints == []
    assert_nothing_foreign(watch, stage)


def assert_nothing_foreign(watch: Watch, stage: Stage) -> None:
    """A page of ours loads nothing from elsewhere; the provider is gone to as a page, and asked for nothing else."""
    elsewhere = [request for request in watch.requests if not request.url.startswith(f"{stage.both}/")]
    assert {"{0.scheme}://{0.netloc}".format(urlsplit(request.url)) for request in elsewhere} == {stage.simulator}
    assert {request.resource_type for request in elsewhere} == {"document"}
