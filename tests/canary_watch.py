"""Looks for the secrets of a site wherever they must not be (acceptance G1, section 1 "Canaries").

Secrets: what the simulator has seen on the wire, the settings that hosts were started with, and what answers hand out.
Places: logs, with every library at DEBUG, the answers of every host, what reached the simulator, and the rows of the
store. A secret is at home where `HOME` says so, and nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.data.tables import TableServiceClient

from tools.chaos.canaries import Canaries, Hit
from tools.local_host import record
from tools.local_host.record import Recorded
from tools.run import azurite

if TYPE_CHECKING:
    from tests.site import Host, Site

HOME: Mapping[str, frozenset[str]] = {
    "set-cookie": frozenset({"session", "sign-in cookie", "receipt cookie"}),
    "location to a provider": frozenset({"state", "nonce"}),
    "target of calls to the authorize endpoint": frozenset({"state", "nonce"}),
    # The consent page of the provider is asked from its own address.
    "referer of calls to the authorize endpoint": frozenset({"state", "nonce"}),
}
"""Where which kinds may stand. Not listed because never looked at: Authorization and Cookie, the bodies of token calls,
the callback's own address, which the provider makes, and the hidden field of a form, taken out before its page is read.
"""
SETTINGS = {
    "TOKEN_ENCRYPTION_KEY": "encryption key",
    "AZURE_DEVOPS_CLIENT_SECRET": "client secret",
    "ENTRA_CLIENT_SECRET": "client secret",
    "IDENTITY_HEADER": "identity header",
}
CSRF = re.compile(rb'(?<=name="csrf" value=")[^"]+')
SECTIONS = ("account", "auth", "dashboard", "healthz", "openapi.json", "org", "readyz", "static")

looked = Counter[str]()
"""Secrets, bytes and hits of this process's sites so far."""


class Watch:
    """All that one site has shown so far; `hits` reads what is new."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read: dict[Path, int] = {}
        self.canaries = Canaries()

    def hits(self) -> list[Hit]:
        """Every secret where it must not be. Asks the simulator, so it must still run."""
        for host in self._site.hosts:
            self._settings(host)
            self._logs(host)
            self._answers(host)
        self._provider()
        if self._site.storage:
            self.rows(self._site.storage)
        return self.canaries.hits()

    def findings(self) -> list[str]:
        """The same in words, as the invariants of a test want it."""
        return [str(hit) for hit in self.hits()]

    def rows(self, storage: str, **options: Any) -> None:
        """Everything in the tables of this store, as it is stored."""
        with TableServiceClient.from_connection_string(storage, **options) as service:
            for table in azurite.TABLES:
                for row in service.get_table_client(table).list_entities():
                    for name, value in row.items():
                        self.canaries.note(
                            f"rows of {table}: {name}", value if isinstance(value, bytes) else str(value).encode()
                        )

    def _settings(self, host: Host) -> None:
        for name, kind in SETTINGS.items():
            self.canaries.learn(kind, *host.environment.get(name, "").split(","))
        key = re.search(r"AccountKey=([^;]+)", host.environment.get("AzureWebJobsStorage", ""))
        self.canaries.learn("storage key", *([key[1]] if key else []))

    def _logs(self, host: Host) -> None:
        name = host.child.name
        self.canaries.note(f"output of {name}", self._news(host.child.log))
        self.canaries.note(f"debug log of {name}", self._news(host.record / record.LOG))

    def _news(self, file: Path) -> bytes:
        """The whole lines that were written since the last time."""
        if not file.exists():
            return b""
        with file.open("rb") as opened:
            opened.seek(self._read.get(file, 0))
            data = opened.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read[file] = self._read.get(file, 0) + len(data)
        return data

    def _answers(self, host: Host) -> None:
        file = host.record / record.ANSWERS
        start = self._read.get(file, 0)
        data = file.read_bytes() if file.exists() else b""
        for end, answer in record.read(data[start:]):
            self._read[file] = start + end
            self._answer(host, answer)

    def _answer(self, host: Host, answer: Recorded) -> None:
        where = f"of answers below {_section(answer.path)}"
        for name, value in answer.headers:
            if name == "set-cookie":
                self._cookie(value)
            place = "location to a provider" if name == "location" and _to_a_provider(value, host) else name
            self.canaries.note(f"{place} {where}", value.encode(), HOME.get(place, ()))
        self.canaries.learn("CSRF token", *(found.decode() for found in CSRF.findall(answer.body)))
        self.canaries.note(f"body {where}", CSRF.sub(b"", answer.body))

    def _cookie(self, line: str) -> None:
        name, _, value = line.partition(";")[0].partition("=")
        if name.endswith("session"):
            self.canaries.learn("session", value[32:])
        elif "signin-" in name:
            self.canaries.learn("sign-in cookie", value)
        elif name.endswith("receipt"):
            self.canaries.learn("receipt cookie", value)

    def _provider(self) -> None:
        simulator = self._site.simulator
        seen = simulator.http.get(f"{simulator.url}/_sim/secrets", timeout=60).json()
        for kind, values in seen["secrets"].items():
            self.canaries.learn(kind, *values)
        for place, texts in seen["received"].items():
            self.canaries.note(place, "\n".join(texts).encode(), HOME.get(place, ()))


def _to_a_provider(address: str, host: Host) -> bool:
    """Whether a redirect leads to the authorize endpoint of a provider that the host was told of."""
    target = urlsplit(address)
    known = (host.environment.get("AZURE_DEVOPS_IDENTITY_URL"), host.environment.get("ENTRA_AUTHORITY_URL"))
    return f"{target.scheme}://{target.netloc}" in known and target.path.endswith("/authorize")


def _section(path: str) -> str:
    first, second = (*path.split("/")[1:3], "", "")[:2]
    return f"/{first}/{second}" if first == "auth" and second.isalpha() else f"/{first if first in SECTIONS else ''}"


def findings(watch: Watch) -> list[str]:
    """The hits of a site at its end, in words; they count for the session."""
    hits = watch.hits()
    looked.update(secrets=sum(watch.canaries.kinds.values()), bytes=sum(watch.canaries.read.values()), hits=len(hits))
    return [str(hit) for hit in hits]
