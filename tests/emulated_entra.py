"""Microsoft's identity platform as npm `emulate` plays it: a second opinion that nobody here wrote (facts, tooling)."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import requests

from tests.identity_proxy import IdentityProxy, identity_proxy
from tests.site import Browser, plain_session
from tools.bootstrap import ROOT, node
from tools.run import processes

SCRIPT = ROOT / ".tools" / "emulate" / "node_modules" / "emulate" / "dist" / "index.js"
CLIENT_ID = "7a1e7d6e-2c5b-4a55-9d4e-0a7a3f0e6b11"
CLIENT_SECRET = "emulated-client-secret"
TENANT = "308dcda9-f0a2-574b-9aef-1c2753cfb9b7"
FOREIGN_TENANT = "ad042582-5ea9-523f-9c66-68357cc12acc"
ADA, BJORN = "ada@fabrikam.example", "bjorn@contoso.example"
PERSONAL = "testuser@outlook.com"
"""Who is always there, in the tenant of personal accounts."""
_TENANT_FIRST = re.compile(r"^/[0-9a-f-]{36}(?=/oauth2/)|^/organizations(?=/oauth2/)")


@dataclass(frozen=True)
class EmulatedEntra:
    """A running one; the application knows it by the address of `proxy`."""

    proxy: IdentityProxy

    @property
    def url(self) -> str:
        return self.proxy.url

    def me(self, access_token: str) -> requests.Response:
        """Whose access token this is, as Microsoft Graph would say."""
        return plain_session().get(
            f"{self.url}/v1.0/me", headers={"Authorization": f"Bearer {access_token}"}, timeout=10
        )

    def forget(self, refresh_token: str) -> None:
        """Let a refresh token be unknown from now on: it offers a revocation that Microsoft does not."""
        form = {"token": refresh_token}
        plain_session().post(f"{self.url}/oauth2/v2.0/revoke", data=form, timeout=10).raise_for_status()

    def choose(self, browser: Browser, authorization_url: str, email: str) -> str:
        """Press the button of an account: the callback URL, not yet visited."""
        page = browser.get(authorization_url)
        assert page.status_code == 200, page.text
        for form in re.findall(r"<form.*?</form>", page.text, re.DOTALL):
            fields = {unescape(name): unescape(value) for name, value in _HIDDEN.findall(form)}
            if fields["email"] == email:
                target = unescape(re.search(r'action="([^"]*)"', form)[1])
                answer = browser.http.post(urljoin(self.url, target), data=fields, allow_redirects=False, timeout=10)
                return answer.headers["Location"]
        raise AssertionError(f"no account {email} on the page")


_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


def installed() -> bool:
    return SCRIPT.exists() and node(ROOT).exists()


@contextmanager
def emulated_entra(folder: Path, redirect_uris: Sequence[str]) -> Iterator[EmulatedEntra]:
    """Start it with two organizations' people and one registration; it ends with the block.

    Its endpoints have no tenant in their path, Microsoft's have: the proxy leaves the tenant out, and nothing else.
    """
    port = processes.free_port()
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "name": "Gatehouse", "tenant_id": TENANT}
    people = [(ADA, "Ada Lovelace", TENANT), (BJORN, "Björn Åkesson", FOREIGN_TENANT)]
    seed = {
        "users": [{"email": email, "name": name, "tenant_id": tenant} for email, name, tenant in people],
        "oauth_clients": [{**client, "redirect_uris": list(redirect_uris)}],
    }
    (folder / "seed.json").write_text(json.dumps({"microsoft": seed}))
    with identity_proxy(f"http://127.0.0.1:{port}", lambda path: _TENANT_FIRST.sub("", path)) as proxy:
        command = [node(ROOT), SCRIPT, "start", "--service", "microsoft", "--port", str(port)]
        command += ["--seed", folder / "seed.json", "--base-url", proxy.url]
        child = processes.start("emulate", command, log=folder / "emulate.log", environment=os.environ, cwd=folder)
        try:
            processes.wait_for_line(child, re.compile("Ready"), 30)
            yield EmulatedEntra(proxy)
        finally:
            child.stop()
