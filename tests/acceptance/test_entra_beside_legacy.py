"""Both providers beside each other: legacy drains, and nobody who is signed in notices."""

from tests.acceptance.signing_in import stored
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
