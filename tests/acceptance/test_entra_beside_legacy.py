"""Both providers beside each other: legacy drains, and nobody who is signed in notices."""

from tests.acceptance.signing_in import rows, stored
from tests.conftest import empty_tables
from tests.site import Browser, Simulator, Site, tick

PEOPLE = 200


def test_live_legacy_sessions_outlast_the_end_of_new_legacy_sign_ins(
    azurite: str, site: Site, simulator: Simulator
) -> None:
    """200 people, AZURE_DEVOPS_SIGN_IN=off, the app restarted: 0 sign-outs, and the refreshes go on."""
    simulator.settings(people_count=PEOPLE)
    on = site.start_host()
    browsers = []
    for number in range(PEOPLE):
        browser = Browser(on.url)
        simulator.settings(auto_consent=f"user{number + 1:04d}")
        assert browser.sign_in().status_code == 303
        browsers.append(browser)
    on.child.stop()
    off = site.start_host(port=on.port, AZURE_DEVOPS_SIGN_IN="off", clock_offset=50 * 60)
    assert Browser(off.url).get("/auth/login/azure-devops").status_code == 404
    report = tick(off)
    assert (report["refreshed"], report["ended"], report["failed"]) == (PEOPLE, 0, {})
    assert report["by_provider"] == {"azure-devops": PEOPLE}
    assert [browser.get("/").text.count("You are signed in") for browser in browsers] == [1] * PEOPLE
    assert {stored(azurite, browser).connection.generation for browser in browsers} == {2}


def test_a_run_counts_what_is_left_by_provider_and_legacy_drains(
    azurite: str, site: Site, simulator: Simulator
) -> None:
    """Three came by the legacy service and one by Entra ID; as they sign in anew, its number falls to none."""
    empty_tables(azurite)
    host = site.start_host()
    later = site.start_host(clock_offset=50 * 60)
    simulator.settings(people_count=3)
    people = [(Browser(host.url), f"user{number:04d}") for number in (1, 2, 3)]
    for browser, user in people:
        browser.sign_in(user)
    Browser(host.url).sign_in("ada", provider="entra")
    assert tick(later)["by_provider"] == {"azure-devops": 3, "entra": 1}
    for browser, _ in people:
        browser.sign_in("ada", provider="entra")
    assert tick(site.start_host(clock_offset=100 * 60))["by_provider"] == {"entra": 1}


def test_a_provider_that_is_taken_away_takes_its_rows_along(azurite: str, site: Site, simulator: Simulator) -> None:
    """At the next look of the timer connection and sessions are gone, as the page of those people says."""
    empty_tables(azurite)
    Browser(site.start_host().url).sign_in("ada")
    assert rows(azurite)["connections"] > 0
    without = {"AZURE_DEVOPS_APP_ID": None, "AZURE_DEVOPS_CLIENT_SECRET": None}
    after = site.start_host(clock_offset=50 * 60, **without)
    assert tick(after)["ended"] == 1
    assert rows(azurite)["connections"] == 0
    assert [event["reason"] for event in after.events("connection_ended")] == ["provider_gone"]
