"""The small Azure of the tests of hooks."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from tests.infra.cloud import FAKE, PRINCIPAL, TENANT, Cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A deployment that is provisioned, with an empty vault, for a person who is signed in with az and azd."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "home" / "tmp").mkdir(parents=True)
    for program in ("az", "azd"):
        script = tmp_path / "bin" / program
        # Isolated and without site-packages it starts in 15 ms.
        script.write_text(f"#!{sys.executable} -IS\n{FAKE.read_text()}")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    state = {
        "account": {"id": "sub-1", "tenantId": TENANT, "user": {"name": "ada@example.org", "type": "user"}},
        "object_id": PRINCIPAL,
        "azd": {
            "AZURE_ENV_NAME": "test",
            "AZURE_SUBSCRIPTION_ID": "sub-1",
            "AZURE_RESOURCE_GROUP": "rg-test",
            "AZURE_TENANT_ID": TENANT,
            "AZURE_PRINCIPAL_ID": PRINCIPAL,
            "AZURE_FUNCTION_APP_NAME": "func-test",
            "AZURE_KEY_VAULT_NAME": "kv-test",
            "AZURE_IDENTITY_PRINCIPAL_ID": "33333333-3333-4333-8333-333333333333",
            "PUBLIC_URL": "https://func-test.example.net",
        },
        "secrets": {},
        "apps": [],
        "service_principals": [],
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    return Cloud(tmp_path)
