"""Acceptance I4: nothing unpinned is deployed or builds what is, audits run where they prove something, and a provider
can be switched off.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.evidence import Report
from tests.infra.cloud import ROOT
from tests.site import Browser, Site

NO_ENTRA = {"ENTRA_CLIENT_ID": None, "ENTRA_TENANT_ID": None, "ENTRA_CLIENT_SECRET": None}
COMPILED = [*ROOT.glob("requirements*.txt"), *ROOT.glob("tools/*requirements.txt")]
LOCKS = sorted(ROOT.glob("tools/npm/*/package-lock.json"))
PIPELINES = [ROOT / ".github/workflows/check.yml", ROOT / ".azuredevops/pipelines/azure-dev.yml"]
DEPLOYED = ("requirements.txt", "requirements-dev.txt")


@pytest.mark.acceptance("I4")
def test_every_python_package_is_pinned_by_hash(evidence: Report) -> None:
    assert len(COMPILED) == 4
    for path in COMPILED:
        entries = re.split(r"(?<!\\)\n(?=\S)", path.read_text().replace(" \\\n", " "))
        packages = [entry for entry in entries if entry.strip() and not entry.startswith("#")]
        assert packages
        loose = [entry[:60] for entry in packages if not re.match(r"[a-z0-9._\[\],-]+==\S+ .*--hash=sha256:", entry)]
        assert loose == []
        evidence(cases=len(packages))


@pytest.mark.acceptance("I4")
def test_every_npm_package_is_pinned_by_hash(evidence: Report) -> None:
    assert [path.parent.name for path in LOCKS] == ["axe", "azurite", "emulate"]
    for path in LOCKS:
        packages = {name: entry for name, entry in json.loads(path.read_text())["packages"].items() if name}
        assert [name for name, entry in packages.items() if "integrity" not in entry] == []
        evidence(cases=len(packages))


@pytest.mark.acceptance("I4")
@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parts[-2])
def test_the_audit_runs_in_the_pipelines_each_week_and_stops_what_it_finds(path: Path, evidence: Report) -> None:
    """Without network an audit finds nothing and says so as if it had looked: it is no part of `make test`."""
    text = path.read_text()
    for name in DEPLOYED:
        assert f"pip_audit --strict --require-hashes --disable-pip --requirement {name}" in text
    assert re.search(r"cron: ", text)
    assert not re.search(r"continue-on-error|continueOnError", text)
    assert "pip_audit" not in (ROOT / "Makefile").read_text()
    evidence(cases=1)


@pytest.mark.acceptance("I4")
def test_a_provider_that_is_switched_off_offers_no_sign_in(site: Site, evidence: Report) -> None:
    host = site.start_host(AZURE_DEVOPS_SIGN_IN="off", **NO_ENTRA)
    browser = Browser(host.url)
    home = browser.get("/")
    assert home.status_code == 200
    assert "New sign-ins are switched off here" in home.text
    assert "/auth/login/" not in home.text
    assert browser.get("/auth/login/azure-devops").status_code == 404
    assert browser.get("/auth/login").status_code == 404
    evidence(cases=1)


@pytest.mark.acceptance("I4")
def test_without_a_provider_the_set_up_page_says_what_is_missing(site: Site, evidence: Report) -> None:
    host = site.start_host(AZURE_DEVOPS_APP_ID=None, AZURE_DEVOPS_CLIENT_SECRET=None, **NO_ENTRA)
    page = Browser(host.url).get("/")
    assert page.status_code == 503
    assert "ENTRA_CLIENT_ID" in page.text
    assert "AZURE_DEVOPS_APP_ID" in page.text
    assert "/auth/login/" not in page.text
    evidence(cases=1)
