"""A composition whose client was misled: the addresses that it makes for Azure DevOps come from an attacker's list.

For `python -m tools.local_host --services tests.browser.misled:build_services`. The application builds such addresses
from its configuration, so only a mistake in it, planted here, lets one reach a page.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from shared.azure_devops.client import AzureDevOps
from shared.services import Services
from shared.services import build_services as real_services

OUTSIDE = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "\tjavascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "java\rscript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript&colon;alert(1)",
    "javascript://dev.azure.com/%0aalert(1)",
    "vbscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "DATA:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "blob:https://dev.azure.com/1",
    "file:///etc/passwd",
    "filesystem:https://dev.azure.com/x",
    "ftp://dev.azure.com/x",
    "view-source:https://dev.azure.com/",
    "intent://dev.azure.com/#Intent;end",
    "http://dev.azure.com/fabrikam",
    "//evil.example/",
    "//dev.azure.com/fabrikam",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example\\",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "https://evil.example/",
    "https://evil.example/dev.azure.com/",
    "https://evil.example/#https://dev.azure.com/",
    "https://dev.azure.com.evil.example/",
    "https://dev.azure.com.",
    "https://evildev.azure.com/",
    "https://x.dev.azure.com/",
    "https://dev-azure.com/",
    "https://dev.azure.co/",
    "https://visualstudio.com.evil.example/",
    "https://evilvisualstudio.com/",
    "https://a.b.visualstudio.com/",
    "https://-.visualstudio.com/",
    "https://dev.azure.com@evil.example/",
    "https://dev.azure.com:x@evil.example/",
    "https://dev.azure.com%40evil.example/",
    "https://user:secret@dev.azure.com/",
    "https://dev.azure.com:8443/",
    "https://dev.azure.com:443@evil.example/",
    "https://dev.azure.com\\@evil.example/",
    "https://dev.azure.com\\.evil.example/",
    "https://dev.azure.com/\\evil.example",
    "https://d\u0435v.azure.com/",
    "https://xn--dv-qka.azure.com/",
    "https://dev\u3002azure\u3002com/",
    "https://dev.azure.com\u2044evil.example/",
    "https://dev.azure.com\x00.evil.example/",
    "https://dev.azure.com\n.evil.example/",
    "https://dev.azure.com/x\ny",
    "https://dev.azure.com/ x",
    "https://dev.azure.com/\u202egro.live",
    "http://127.0.0.1/",
    "http://127.0.0.1:1/fabrikam",
    "http://localhost:9700/",
    "http://[::1]:9700/",
)
"""None of these may be a link."""

INSIDE = (
    "https://dev.azure.com",
    "https://dev.azure.com/fabrikam/Payments%20Platform/_workitems/edit/7?x=1#y",
    "https://fabrikam.visualstudio.com/Payments/_build",
    "{devops}/fabrikam/Payments%20Platform/_git/web",
)
"""Each of these is a link of Azure DevOps; {devops} is AZURE_DEVOPS_URL."""


class _Misled(AzureDevOps):
    def web_url(self, *segments: str) -> str:
        number = re.search(r"[0-9]+\Z", segments[-1])
        if number is None:
            return super().web_url(*segments)
        n = int(number[0]) % 1001
        return (*OUTSIDE, *INSIDE)[n].replace("{devops}", self.devops_url)


def build_services(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The real ones, but for where their links lead."""
    real = real_services(environ, now=now)
    client = _Misled(
        devops_url=real.config.azure_devops_url,
        identity_url=real.config.azure_devops_identity_url,
        now=now,
        sleep=time.sleep,
    )
    return replace(real, azure_devops=client)
