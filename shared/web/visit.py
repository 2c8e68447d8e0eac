"""One visit: the request, who makes it, and what a handler does for them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode

import msgspec

from shared.azure_devops.client import AzureDevOps, Caller
from shared.azure_devops.paging import Page
from shared.custody import refresh, rules
from shared.custody.sign_in import SessionKey
from shared.errors import (
    AzureDevOpsError,
    NotAllowedHere,
    NotSignedIn,
    ProviderGone,
    SignInAgain,
    StoreError,
    TokenRejected,
    UnknownKey,
    Unreadable,
)
from shared.models.custody import Connection, Session, UserRecord
from shared.models.views import Listing
from shared.oauth.provider import ENTRA
from shared.web import csrf, formats, queries, requests, step_up
from shared.web.answers import Answer
from shared.web.negotiation import Wants, wants
from shared.web.pages import Frame
from shared.web.queries import Query
from shared.web.requests import Request

if TYPE_CHECKING:
    from shared.services import Services


class Visit:
    """What a handler gets. A session is looked up when it is first asked for, and once."""

    def __init__(
        self,
        request: Request,
        parameters: dict[str, str],
        services: "Services",
        correlation_id: str,
        query: Query | None = None,
    ) -> None:
        """`parameters` are those of the path, `query` those of the query; both are checked."""
        self.request = request
        self.parameters = parameters
        self.query = query or Query({})
        self.services = services
        self.correlation_id = correlation_id
        self.wants: Wants = wants(request.header("accept"))
        self.key: SessionKey | None = services.cookies.read_session(request.header("cookie"))
        self.record: UserRecord | None = None
        self.dead_cookie = False
        self.damaged = False

    def require_session(self, *, everything: bool = False) -> "Visit":
        """Load the session and its connection, or `everything` of the person, in one query.

        Raises NotSignedIn, Unreadable, StoreError.
        """
        if self.key is None:
            raise NotSignedIn("no session cookie")
        custody, key = self.services.custody, self.key
        load, load_session = custody.connections.load, custody.connections.load_session
        record = load(key.user_id) if everything else load_session(key.user_id, key.hash)
        session = next((it for it in record.sessions if it.hash == key.hash), None)
        if session is None and not record.unreadable:
            self._dead("the session is gone")
        if session is not None and rules.session_over(session, custody.limits) <= custody.now():
            custody.emit("session_expired", user=record.user_id, session=session.hash)
            self._dead("the session is over")
        if session and record.connection and custody.was_taken_away(record.connection.provider):
            raise ProviderGone(record.connection.provider)
        if session is None or record.connection is None:
            if record.unreadable:
                self.damaged = True
                custody.emit("unreadable", user=record.user_id, reason="page")
                raise Unreadable("a row of this user does not open")
            self._dead("the connection is gone")
        self.record = record
        self._touch(session)
        return self

    def signed_in(self) -> bool:
        """Whether there is a live session; for pages that strangers may see too.

        So is one whose rows do not open: here they sign out, or in again. A key that may still come is waited for.
        """
        if self.record is None:
            try:
                self.require_session()
            except UnknownKey:
                raise
            except (NotSignedIn, Unreadable):
                return False
        return True

    @property
    def connection(self) -> Connection:
        """The connection of a visit that has a session."""
        assert self.record is not None
        assert self.record.connection is not None
        return self.record.connection

    @property
    def frame(self) -> Frame:
        """What the layout of a page shows of this visit."""
        frame = Frame(correlation_id=self.correlation_id, path=self._here)
        if self.key is None or not (self.record or self.damaged):
            return frame
        person = self.connection.profile.display_name if self.record else None
        return replace(frame, person=person, csrf=csrf.token(self.key.secret))

    @property
    def address(self) -> str:
        """Where a sign-in that begins here leads back to, see `requests.return_address`."""
        return requests.return_address(self._here)

    @property
    def _here(self) -> str:
        """Where we are, as a local path with its query; "/" for what is no address to come back to."""
        here = self.request.path + (f"?{self.request.query}" if self.request.query else "")
        safe = self.request.method == "GET" and not self.request.path.startswith("/auth/")
        return here if safe and formats.is_local(here) else "/"

    def ask[Result](self, question: Callable[[AzureDevOps, Caller], Result]) -> Result:
        """Put a question to Azure DevOps with a fresh token; when it is rejected, once more with a renewed one."""
        try:
            return self._ask(question)
        except AzureDevOpsError as error:
            custody = self.services.custody
            entra = custody.providers.get(ENTRA)
            if entra and self.connection.provider == ENTRA and self.key is not None:
                error.remedy = step_up.remedy(error, self.key, self.address, custody.keys(), entra.scopes)
            raise

    def _ask[Result](self, question: Callable[[AzureDevOps, Caller], Result]) -> Result:
        client, custody = self.services.azure_devops, self.services.custody
        connection = refresh.fresh(custody, self.connection)
        caller = client.bounded(Caller(connection.access_token, connection.user_id))
        try:
            return question(client, caller)
        except TokenRejected:
            connection = refresh.renewed_after_rejection(custody, connection)
        try:
            return question(client, replace(caller, access_token=connection.access_token))
        except TokenRejected:
            raise SignInAgain("the renewed token is rejected too") from None

    def organization(self) -> str:
        """The organization of the address. Raises NotAllowedHere."""
        name = self.parameters["org"]
        allowed = self.services.config.allowed_organizations
        if allowed and name.lower() not in allowed:
            raise NotAllowedHere("an organization that is not allowed")
        return name

    def project(self) -> str:
        """The project of the address."""
        return self.parameters["project"]

    def paging(self) -> tuple[int, str | None]:
        """`top` and `continuation` of a list that declares `queries.paged`."""
        return self.query.value(queries.TOP), self.query.value(queries.CONTINUATION) or None

    def listing[Item](self, page: Page[Item], top: int) -> Listing[Item]:
        """A page with the local addresses of the pages before and after it."""

        def address(continuation: str | None) -> str | None:
            if continuation is None:
                return None
            query = {"top": str(top)} | ({"continuation": continuation} if continuation else {})
            return f"{self.request.path}?{urlencode(query)}"

        return Listing(page.items, address(page.next_continuation), address(page.prev_continuation))

    def view(self, template: str, model: msgspec.Struct, **context: object) -> Answer:
        """The model as page or JSON, as the caller asks."""
        return self.services.pages.view(template, self.frame, self.wants, model, **context)

    def page(self, template: str, *, status: int = 200, **context: object) -> Answer:
        """A page for people."""
        return self.services.pages.html(template, self.frame, status=status, **context)

    def form(self, fields: Sequence[str]) -> dict[str, str]:
        """The fields of a form of ours. Raises Forbidden unless it comes from a page of this session."""
        assert self.key is not None
        csrf.check_origin(self.request, self.services.config.public_url)  # a form of another site is not even read
        given = requests.form(self.request)
        csrf.check_token(given.get(csrf.FIELD), self.key.secret)
        return {name: given[name] for name in fields if name in given}

    def _touch(self, session: Session) -> None:
        """Note the use of a session, at most every ten minutes; no trouble of the store stops a page for that."""
        now = self.services.custody.now()
        if self.request.method == "HEAD" or now - session.seen_at < rules.SEEN_EVERY or self.key is None:
            return
        try:
            self.services.custody.connections.touch(self.key.user_id, replace(session, seen_at=now))
        except StoreError:
            return

    def _dead(self, log: str) -> NoReturn:
        self.dead_cookie = True
        raise NotSignedIn(log)
