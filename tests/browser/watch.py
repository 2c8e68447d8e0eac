"""What a browser complains about while somebody walks, and where it has been."""

from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Error, Page, Request


@dataclass
class Watch:
    """Everything that went wrong in a tab, and every request that it sent.

    Chromium reports a violation of the Content Security Policy as an error on the console, and a status of 400 or
    more as well.
    """

    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", self._on_exception)
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)

    def sent_to(self, origin: str) -> list[Request]:
        return [request for request in self.requests if request.url.startswith(f"{origin}/")]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.complaints.append(f"{message.location['url']}: {message.text}")

    def _on_exception(self, error: Error) -> None:
        self.complaints.append(f"uncaught: {error}")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)

    def _on_failure(self, request: Request) -> None:
        self.complaints.append(f"{request.url} failed: {request.failure}")


def history(page: Page) -> list[str]:
    """The addresses that Back and Forward of this tab lead to, and the one it shows."""
    developer_tools = page.context.new_cdp_session(page)
    return [entry["url"] for entry in developer_tools.send("Page.getNavigationHistory")["entries"]]
