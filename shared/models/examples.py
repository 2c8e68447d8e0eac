"""One example of each model of the JSON side, as the contract shows it."""

from datetime import UTC, datetime

from shared.models.views import (
    Account,
    AccountSession,
    Build,
    Listing,
    Organization,
    Project,
    Repository,
    RevocationState,
    Scope,
    SignOutReceipt,
    WorkItem,
)

_AT = datetime(2026, 11, 24, 14, 50, 54, tzinfo=UTC)
_PROJECT = "/org/fabrikam/project/Payments%20Platform"
_WEB = "https://dev.azure.com/fabrikam"

ORGANIZATIONS = Listing([Organization("fabrikam", _WEB, "/org/fabrikam/projects")], None, None)
PROJECTS = Listing(
    [
        Project(
            id="6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c",
            name="Payments Platform",
            description="Cards, transfers and refunds",
            visibility="private",
            updated_at=_AT,
            url=f"{_WEB}/Payments%20Platform",
            work_items_page=f"{_PROJECT}/workitems",
            builds_page=f"{_PROJECT}/builds",
            repositories_page=f"{_PROJECT}/repos",
        )
    ],
    None,
    None,
)
WORK_ITEMS = Listing(
    [
        WorkItem(
            id=1042,
            type="Bug",
            title="Refund is booked twice",
            state="Active",
            assigned_to=None,
            changed_at=_AT,
            url=f"{_WEB}/Payments%20Platform/_workitems/edit/1042",
        )
    ],
    f"{_PROJECT}/workitems?top=1&continuation=WyIxIl0",
    None,
)
BUILDS = Listing(
    [
        Build(
            id=731,
            number="20261124.3",
            definition="payments-ci",
            status="completed",
            result="partiallySucceeded",
            branch="refs/heads/main",
            requested_for="Ada Lovelace",
            queued_at=_AT,
            started_at=_AT,
            finished_at=_AT,
            url=f"{_WEB}/Payments%20Platform/_build/results?buildId=731",
        )
    ],
    None,
    f"{_PROJECT}/builds?top=1",
)
REPOSITORIES = Listing(
    [
        Repository(
            id="5febef5a-833d-4e14-b9c0-14cb638f91e6",
            name="payments",
            default_branch="refs/heads/main",
            size_bytes=4_294_967_296,
            disabled=False,
            url=f"{_WEB}/Payments%20Platform/_git/payments",
        )
    ],
    None,
    None,
)
ACCOUNT = Account(
    name="Ada Lovelace",
    email="ada@fabrikam.example",
    provider="entra",
    provider_title="Microsoft Entra ID",
    status="live",
    scopes=[Scope("vso.code", "Read source code")],
    expires_at=_AT,
    refreshed_at=_AT,
    next_try_at=None,
    sessions=[AccountSession("0123456789ab", "Firefox on Linux", _AT, _AT, _AT, True)],
    receipt_page=None,
)
RECEIPT = SignOutReceipt(
    signed_out_at=_AT,
    sessions_ended=1,
    tokens_deleted=True,
    provider="entra",
    revocations=[RevocationState("not_offered", None)],
    checked=True,
    access_token_minutes=90,
    withdraw_url="https://myapps.microsoft.com/",
    sign_out_url=None,
)
