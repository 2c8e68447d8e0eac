"""Who is signed in at Entra in a browser: what `prompt=none` and single sign-on look at, and what sign-out ends."""

import secrets
from http.cookies import CookieError, SimpleCookie

from tools.simulator.messages import Request, Response

# Browsers send a cookie to every port of a host: the name must not be one of the application's.
COOKIE = "simulator-entra-account"


class BrowserSessions:
    """Signed-in browsers by the random value of their cookie."""

    def __init__(self) -> None:
        self._users: dict[str, str] = {}

    def user(self, request: Request) -> str | None:
        """Who is signed in in the browser that sends `request`."""
        return self._users.get(_value(request))

    def begin(self, user: str, response: Response) -> Response:
        """The answer with a new cookie that signs `user` in."""
        value = secrets.token_urlsafe(24)
        self._users[value] = user
        return _with_cookie(response, f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax")

    def end(self, request: Request, response: Response) -> Response:
        """The answer that also forgets the browser's cookie."""
        self._users.pop(_value(request), None)
        return _with_cookie(response, f"{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")


def _value(request: Request) -> str:
    try:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _with_cookie(response: Response, cookie: str) -> Response:
    return Response(response.status, [*response.headers, ("Set-Cookie", cookie)], response.body)
