"""Every page in each of its states: who sees it, where it is, and what Azure DevOps does meanwhile."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from playwright.sync_api import Page, Response

from tools.screenshots import lists
from tools.screenshots.stage import Stage

ADA = "Ada Lovelace"
BJORN = "Björn Åkesson"
CHEN = "Chen Wei"
PROJECT = "{site}/org/fabrikam/project/Payments%20Platform"
EMPTY_PROJECT = "{site}/org/fabrikam/project/Empty%20Room"
NO_PROJECTS = {"match": {"path": "/_apis/projects"}, "action": {"json": {"count": 0, "value": []}, "status": 200}}
NOT_ALLOWED = {"match": {"path": "/_apis/build/builds"}, "action": {"json": {"message": "no"}, "status": 403}}
REVOKED = {"match": {"path": "^/oauth2/revoke"}, "action": {"status": 200, "json": {}}}
NOT_YET_REVOKED = {"match": {"path": "^/oauth2/revoke"}, "action": {"status": 503}}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
OFFICE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0"
NO_SCOPE = {
    "match": {"path": "/_apis/build/builds"},
    "action": {"json": {"message": "The token has not the requested scope."}, "status": 403},
}
DOWN = {"match": {"path": "/_apis/git/repositories"}, "action": {"html": True, "status": 503}}
NONSENSE = {"match": {"path": "/_apis/git/repositories"}, "action": {"body": "{", "status": 200}}
REJECTED = {"match": {"path": "^/fabrikam/"}, "action": {"html": True, "status": 203}}
BUSY = {
    "match": {"path": "^/contoso-labs/"},
    "action": {"status": 429, "json": {}, "headers": {"Retry-After": "5"}},
}
CLAIMS = base64.b64encode(b'{"access_token":{"nbf":{"essential":true,"value":"1"}}}').decode()
CHALLENGED = {
    "match": {"path": "^/fabrikam/"},
    "action": {
        "status": 401,
        "json": {},
        "headers": {"WWW-Authenticate": f'Bearer error="insufficient_claims", claims="{CLAIMS}"'},
    },
}
PERSONAL = {"match": {"path": "/oauth2/v2.0/authorize"}, "action": {"aadsts": {"code": 500208, "page": False}}}
BLOCKED = {"match": {"path": "/oauth2/v2.0/authorize"}, "action": {"aadsts": 53003}}


class SceneError(Exception):
    """A page is not what its scene says."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A page in one state.

    `address` names an origin of the stage; `chooses` is the account to choose there, `presses` are buttons to click, in
    turn; `elsewhere` are the user agents of further browsers in which the person is signed in. The `faults` of the
    simulator hold until the last button is pressed.
    """

    name: str
    address: str
    person: str | None = None
    status: int = 200
    chooses: str | None = None
    presses: tuple[str, ...] = ()
    faults: tuple[Mapping[str, Any], ...] = ()
    elsewhere: tuple[str, ...] = ()

    def show(self, page: Page, stage: Stage) -> None:
        """Bring a browser there, signed in first where it is not yet.

        Raises SceneError when the page answers with another status.
        """
        if self.person and not page.context.cookies(stage.site):
            sign_in(page, stage, self.person)
        for agent in self.elsewhere:
            self._sign_in_elsewhere(page, stage, agent)
        stage.faults(*self.faults)
        response = page.goto(self.address.format_map(origins(stage)))
        if self.chooses:
            page.get_by_role("radio", name=self.chooses).check()
        for button in self.presses:
            response = press(page, button)
        stage.faults()
        status = response.status if response else None
        if status != self.status:
            raise SceneError(f"{self.name} should answer {self.status}, but {page.url} answered {status}")

    def _sign_in_elsewhere(self, page: Page, stage: Stage, agent: str) -> None:
        assert self.person is not None
        assert page.context.browser is not None
        with page.context.browser.new_context(user_agent=agent) as context:
            sign_in(context.new_page(), stage, self.person)


def sign_in(page: Page, stage: Stage, person: str) -> None:
    """From the home page over the consent page to the dashboard, by clicking."""
    page.goto(stage.site)
    page.get_by_role("link", name="Sign in with").click()
    page.get_by_role("radio", name=person).check()
    press(page, "Accept")


def press(page: Page, button: str) -> Response | None:
    """Click the button and wait for the page that comes after it."""
    with page.expect_navigation() as navigation:
        page.get_by_role("button", name=button, exact=True).click()
    return navigation.value


SCENES = (
    Scene("home", "{site}/"),
    Scene("home-signed-in", "{site}/", ADA),
    Scene("home-both", "{both}/"),
    Scene("home-closed", "{closed}/"),
    Scene("set-up", "{unset}/", status=503),
    Scene("consent", "{site}/auth/login"),
    Scene("consent-refused", "{simulator}/oauth2/authorize?client_id=unknown", status=400),
    Scene("account", "{site}/account", CHEN),
    Scene("account-sessions", "{site}/account", ADA, elsewhere=(PHONE, OFFICE)),
    Scene("dashboard", "{site}/dashboard", ADA),
    Scene("dashboard-empty", "{site}/dashboard", CHEN),
    Scene("projects", "{site}/org/fabrikam/projects", ADA),
    Scene("projects-right-to-left", "{site}/org/fabrikam/projects", ADA, faults=(lists.RIGHT_TO_LEFT_PROJECTS,)),
    Scene("projects-empty", "{site}/org/fabrikam/projects", ADA, faults=(NO_PROJECTS,)),
    Scene("work-items", PROJECT + "/workitems", ADA),
    Scene("work-items-partial", PROJECT + "/workitems", ADA, faults=lists.PARTIAL_WORK_ITEMS),
    Scene("work-items-empty", EMPTY_PROJECT + "/workitems", ADA),
    Scene("builds", PROJECT + "/builds", ADA),
    Scene("builds-right-to-left", PROJECT + "/builds", ADA, faults=(lists.RIGHT_TO_LEFT_BUILDS,)),
    Scene("builds-partial", PROJECT + "/builds", ADA, faults=(lists.PARTIAL_BUILDS,)),
    Scene("builds-empty", EMPTY_PROJECT + "/builds", ADA),
    Scene("repositories", PROJECT + "/repos", ADA),
    Scene("repositories-many", PROJECT + "/repos?top=200", ADA, faults=(lists.MANY_REPOSITORIES,)),
    Scene("repositories-empty", EMPTY_PROJECT + "/repos", ADA),
    Scene("error-400", PROJECT + "/workitems?top=many", ADA, status=400),
    Scene("error-400-declined", "{site}/auth/login", status=400, presses=("Deny",)),
    Scene("error-400-blocked", "{both}/auth/login/entra", status=400, faults=(BLOCKED,)),
    Scene("error-400-expired", "{site}/auth/callback?code=x&state=" + "s" * 43, status=400),
    Scene("error-400-personal", "{both}/auth/login/entra", status=400, faults=(PERSONAL,)),
    Scene("error-401-again", PROJECT + "/builds", ADA, status=401, faults=(REJECTED,)),
    Scene("error-401-confirm", PROJECT + "/builds", ADA, status=401, faults=(CHALLENGED,)),
    Scene("error-401-gone", "{entra}/dashboard", ADA, status=401),
    Scene("error-403", PROJECT + "/builds", ADA, status=403, faults=(NOT_ALLOWED,)),
    Scene("error-403-scope", PROJECT + "/builds", ADA, status=403, faults=(NO_SCOPE,)),
    Scene("error-403-tenant", "{entra}/auth/login", status=403, chooses=BJORN, presses=("Accept",)),
    Scene("error-404", "{site}/nowhere", status=404),
    Scene("error-404-project", "{site}/org/fabrikam/project/Unknown/builds", ADA, status=404),
    Scene("error-404-sign-in", "{site}/auth/login/unknown", status=404),
    Scene("error-404-closed", "{closed}/auth/login", status=404),
    Scene("error-414", "{site}/?" + "x" * 5000, status=414),
    Scene("error-421", "{misnamed}/", status=421),
    Scene("error-500", "{broken}/dashboard", ADA, status=500),
    Scene("error-502", PROJECT + "/repos", ADA, status=502, faults=(NONSENSE,)),
    Scene("error-503", PROJECT + "/repos", ADA, status=503, faults=(DOWN,)),
    Scene("error-503-busy", "{site}/org/contoso-labs/projects", BJORN, status=503, faults=(BUSY,)),
    Scene("error-503-store", "{storeless}/dashboard", ADA, status=503),
    Scene("error-503-vault", "{vaultless}/dashboard", ADA, status=503),
    Scene("logout", "{site}/auth/logout", ADA),
    Scene("logout-stranger", "{site}/auth/logout"),
    Scene("receipt-revoked", "{site}/account", BJORN, presses=("Sign out everywhere",), faults=(REVOKED,)),
    Scene("receipt-retried", "{site}/account", BJORN, presses=("Sign out everywhere",), faults=(NOT_YET_REVOKED,)),
    Scene("receipt-not-offered", "{site}/account", BJORN, presses=("Sign out everywhere",)),
    Scene("receipt-elsewhere", "{site}/auth/logout", BJORN, presses=("Sign out now",), elsewhere=(PHONE,)),
    Scene("receipt-none", "{site}/auth/receipt", status=404),
)


def origins(stage: Stage) -> dict[str, str]:
    """What the names in an address stand for."""
    return {**asdict(stage), "misnamed": stage.misnamed}
