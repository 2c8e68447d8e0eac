"""Settings: every one of them is read, all problems come at once, by name and never by value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import example, given
from hypothesis import strategies as st

from shared.config import Config
from shared.errors import NotConfigured
from shared.readiness import needs
from shared.web.formats import is_external
from tests.conftest import SETTINGS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY, OLD_KEY = "1a" * 32, "2B" * 32
APP_ID = "6d5c3f52-1f0c-4a3a-9d0e-0c2f6f4a7b11"
STORE = "UseDevelopmentStorage=true"
GOOD = {
    "PUBLIC_URL": "https://gatehouse.example",
    "AZURE_DEVOPS_APP_ID": APP_ID,
    "AZURE_DEVOPS_CLIENT_SECRET": "s3cr3t",
    "TOKEN_ENCRYPTION_KEY": KEY,
    "AzureWebJobsStorage": STORE,
}
VAULT = "https://kv-gatehouse.vault.azure.net"
TENANT, OTHER_TENANT = "0F" + APP_ID[2:], "ab" + APP_ID[2:]
WITH_ENTRA = GOOD | {"ENTRA_CLIENT_ID": APP_ID, "ENTRA_TENANT_ID": TENANT}
NOT_OURS = {"REFRESH_SCHEDULE"}
"""It is read by the Functions host."""


def read(**changes: str) -> Config:
    return Config.from_env(WITH_ENTRA | changes, now=NOW)


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(NotConfigured) as caught:
        Config.from_env(environ, now=NOW)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def names(found: tuple[str, ...]) -> list[str]:
    return [problem.split(" ", 1)[0] for problem in found]


def test_defaults_are_those_of_the_design():
    config = read()
    assert config.public_url == "https://gatehouse.example"
    assert config.legacy is not None
    assert config.legacy.callback_url == "https://gatehouse.example/auth/callback"
    assert config.legacy.scopes == "vso.work vso.build vso.code vso.project vso.profile"
    assert config.legacy.sign_in is True
    assert (config.allowed_hosts, config.allowed_organizations) == (frozenset(), frozenset())
    assert (config.session_lifetime, config.session_idle) == (timedelta(hours=24), timedelta(hours=8))
    assert config.sessions_not_before is None
    assert (config.refresh_margin, config.refresh_calls_per_second) == (timedelta(minutes=15), 50)
    assert (config.app_name, config.support_url) == ("Gatehouse", None)
    assert config.azure_devops_url == "https://dev.azure.com"
    assert config.azure_devops_identity_url == "https://app.vssps.visualstudio.com"
    assert (config.token_store_url, config.storage_connection_string, config.azure_client_id) == (None, STORE, None)


READ = [
    ("PUBLIC_URL", "https://other.example", lambda config: config.public_url, "https://other.example"),
    ("PUBLIC_URL", "http://localhost:7071/", lambda config: config.public_url, "http://localhost:7071"),
    (
        "CALLBACK_URL",
        "https://gatehouse.example/auth/callback",
        lambda config: config.legacy.callback_url,
        "https://gatehouse.example/auth/callback",
    ),
    ("AZURE_DEVOPS_APP_ID", APP_ID.upper(), lambda config: config.legacy.app_id, APP_ID.upper()),
    ("AZURE_DEVOPS_CLIENT_SECRET", "new, old ,", lambda config: config.legacy.client_secrets, ("new", "old")),
    ("AZURE_DEVOPS_SCOPES", " vso.work   vso.code ", lambda config: config.legacy.scopes, "vso.work vso.code"),
    ("AZURE_DEVOPS_SIGN_IN", "OFF", lambda config: config.legacy.sign_in, False),
    (
        "ALLOWED_ORGANIZATIONS",
        "Contoso, fabrikam",
        lambda config: config.allowed_organizations,
        {"contoso", "fabrikam"},
    ),
    ("ALLOWED_HOSTS", "Front.example,a.b:8443", lambda config: config.allowed_hosts, {"front.example", "a.b:8443"}),
    ("AZURE_CLIENT_ID", APP_ID, lambda config: config.azure_client_id, APP_ID),
    (
        "TOKEN_ENCRYPTION_KEY",
        f"{KEY},{OLD_KEY}",
        lambda config: config.encryption_keys,
        (bytes.fromhex(KEY), bytes.fromhex(OLD_KEY)),
    ),
    (
        "TOKEN_STORE_URL",
        "https://a.table.core.windows.net/",
        lambda config: config.token_store_url,
        "https://a.table.core.windows.net",
    ),
    *(
        ("AzureWebJobsStorage", text, lambda config: config.storage_connection_string, text)
        for text in (
            "UseDevelopmentStorage=true",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net",
            "AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:10002/a;",
            "TableEndpoint=https://a.table.core.windows.net;SharedAccessSignature=sv=2024&sig=x",
        )
    ),
    ("SESSION_LIFETIME_HOURS", "48", lambda config: config.session_lifetime, timedelta(hours=48)),
    ("SESSION_IDLE_HOURS", "1", lambda config: config.session_idle, timedelta(hours=1)),
    ("SESSIONS_NOT_BEFORE", "2026-11-24T12:00:00Z", lambda config: config.sessions_not_before, NOW),
    ("REFRESH_MARGIN_MINUTES", "20", lambda config: config.refresh_margin, timedelta(minutes=20)),
    ("REFRESH_CALLS_PER_SECOND", "7", lambda config: config.refresh_calls_per_second, 7),
    ("APP_NAME", "Our builds", lambda config: config.app_name, "Our builds"),
    *(
        ("SUPPORT_URL", text, lambda config: config.support_url, text)
        for text in ("mailto:help@example.com", "https://help.example", "https://help.example:8443/a/b?c=d#e")
    ),
    ("ENTRA_CLIENT_ID", OTHER_TENANT, lambda config: config.entra.client_id, OTHER_TENANT),
    ("ENTRA_CLIENT_ID", TENANT, lambda config: config.entra.client_id, TENANT.lower()),
    ("ENTRA_TENANT_ID", OTHER_TENANT, lambda config: config.entra.tenants, (OTHER_TENANT,)),
    ("ALLOWED_TENANTS", OTHER_TENANT, lambda config: config.entra.tenants, (TENANT.lower(), OTHER_TENANT)),
    ("ENTRA_CLIENT_SECRET", "new,old", lambda config: config.entra.client_secrets, ("new", "old")),
    (
        "ENTRA_AUTHORITY_URL",
        "http://127.0.0.1:9700",
        lambda config: config.entra_authority_url,
        "http://127.0.0.1:9700",
    ),
    ("AZURE_DEVOPS_URL", "http://127.0.0.1:9700", lambda config: config.azure_devops_url, "http://127.0.0.1:9700"),
    (
        "AZURE_DEVOPS_IDENTITY_URL",
        "http://[::1]:9700",
        lambda config: config.azure_devops_identity_url,
        "http://[::1]:9700",
    ),
]


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"), READ, ids=[f"{name}-{value}" for name, value, *_ in READ]
)
def test_every_setting_is_read(name, value, field, expected):
    assert field(read(**{name: value})) == expected


WRONG = [
    ("PUBLIC_URL", "ftp://canary.example"),
    ("PUBLIC_URL", "http://canary.example"),
    ("PUBLIC_URL", "https://canary.example/path"),
    ("PUBLIC_URL", "https://canary.example?query"),
    ("PUBLIC_URL", "https://canary.example?"),
    ("PUBLIC_URL", "https://canary.example#"),
    ("PUBLIC_URL", "https://canary@host.example"),
    ("PUBLIC_URL", "https://@canary.example"),
    ("PUBLIC_URL", "https://canary example"),
    ("PUBLIC_URL", "https://canary\n.example"),
    ("PUBLIC_URL", "https://canary.example//"),
    ("PUBLIC_URL", "https://cänary.example"),
    ("PUBLIC_URL", "https://ſ-canary.example"),
    ("PUBLIC_URL", "https://canary.example:port"),
    ("PUBLIC_URL", "https://canary.example:99999"),
    ("PUBLIC_URL", "https://[canary"),
    ("PUBLIC_URL", "https://[::1::]"),
    ("PUBLIC_URL", "canary.example"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "http://localhost.canary.example"),
    ("CALLBACK_URL", "https://canary.example/auth/callback"),
    ("CALLBACK_URL", "https://gatehouse.example/auth/callback/canary"),
    ("AZURE_DEVOPS_APP_ID", "canary"),
    ("AZURE_DEVOPS_CLIENT_SECRET", " , "),
    ("AZURE_DEVOPS_SCOPES", "vso.work;canary"),
    ("AZURE_DEVOPS_SIGN_IN", "canary"),
    ("ALLOWED_ORGANIZATIONS", "contoso,can/ary"),
    ("ALLOWED_HOSTS", "https://canary.example"),
    ("TOKEN_ENCRYPTION_KEY", "canary"),
    ("TOKEN_ENCRYPTION_KEY", f"{KEY},canary"),
    ("TOKEN_ENCRYPTION_KEY", KEY[:-1]),
    ("TOKEN_ENCRYPTION_KEY", KEY + "00"),
    ("TOKEN_ENCRYPTION_KEY", "1a 1a " + KEY[:58]),
    ("TOKEN_STORE_URL", "canary"),
    ("TOKEN_STORE_URL", "https://[::1::]"),
    ("TOKEN_STORE_URL", "http://canary.table.core.windows.net"),
    ("AzureWebJobsStorage", "canary"),
    ("AzureWebJobsStorage", "AccountName=canary"),
    ("AzureWebJobsStorage", "AccountName=a;AccountKey=can ary"),
    ("AzureWebJobsStorage", "AccountKey=a2V5;TableEndpoint=https://canary.example"),
    ("AzureWebJobsStorage", "SharedAccessSignature=canary"),
    *(
        ("AzureWebJobsStorage", f"AccountName=a;AccountKey=a2V5;{more}")
        for more in (
            "canary",
            "canary=",
            "=canary",
            ";X=canary",
            "accountname=canary",
            "TableEndpoint=http://[canary",
            "TableEndpoint=https://[::1::]",
            "TableEndpoint=https://canary.example?sig=canary",
            "EndpointSuffix=[canary",
            "TableSecondaryEndpoint=https://canary.example",
        )
    ),
    ("AzureWebJobsStorage", ";;X=canary"),
    ("SESSION_LIFETIME_HOURS", "canary"),
    ("SESSION_LIFETIME_HOURS", "0"),
    ("SESSION_IDLE_HOURS", "-1"),
    ("SESSION_IDLE_HOURS", "1_0"),
    ("SESSION_IDLE_HOURS", "٨"),
    ("SESSIONS_NOT_BEFORE", "canary"),
    ("SESSIONS_NOT_BEFORE", "2026-11-24T12:00:00"),
    ("SESSIONS_NOT_BEFORE", "2026-11-24T12:00:00+01:00"),
    ("SESSIONS_NOT_BEFORE", "2026-11-24T12:00:01Z"),
    ("SESSIONS_NOT_BEFORE", "2026-11-24Z"),
    ("REFRESH_MARGIN_MINUTES", "5"),
    ("REFRESH_MARGIN_MINUTES", "15.5"),
    ("REFRESH_CALLS_PER_SECOND", "0"),
    ("REFRESH_CALLS_PER_SECOND", "1e2"),
    ("SUPPORT_URL", "javascript:canary"),
    ("SUPPORT_URL", "http://canary.example"),
    ("SUPPORT_URL", "https://"),
    ("SUPPORT_URL", "https://\ncanary.example"),
    ("SUPPORT_URL", "https://canary@example.com"),
    ("SUPPORT_URL", "https://example.com/can ary"),
    ("SUPPORT_URL", "mailto:canary"),
    ("AZURE_DEVOPS_URL", "http://canary.example"),
    ("AZURE_DEVOPS_IDENTITY_URL", "https://canary.example/path"),
    ("KEY_VAULT_URL", "http://canary.vault.azure.net"),
    ("ENTRA_CLIENT_ID", "canary"),
    ("ENTRA_TENANT_ID", "canary.example"),
    ("ALLOWED_TENANTS", f"{OTHER_TENANT},canary"),
    ("ENTRA_AUTHORITY_URL", "http://canary.example"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named_and_never_shown(name, value):
    found = problems(WITH_ENTRA | {name: value})
    assert name in names(found)
    assert "canary" not in "".join(found)


@pytest.mark.parametrize("name", ["PUBLIC_URL", "AZURE_DEVOPS_CLIENT_SECRET", "TOKEN_ENCRYPTION_KEY"])
@pytest.mark.parametrize("value", [None, "", "   "])
def test_what_is_required_is_missed(name, value):
    rest = {key: text for key, text in GOOD.items() if key != name}
    assert f"{name} is missing" in problems(rest if value is None else rest | {name: value})


def test_a_store_is_required_of_one_kind_or_the_other():
    rest = {key: text for key, text in GOOD.items() if key != "AzureWebJobsStorage"}
    assert names(problems(rest)) == ["TOKEN_STORE_URL"]
    assert Config.from_env(rest | {"TOKEN_STORE_URL": "https://a.table.core.windows.net"}, now=NOW)


PARTS = [
    *("", " ", "=", "canary", "X=1", "UseDevelopmentStorage=true", "usedevelopmentstorage=false", "AccountName= a"),
    *(
        "AccountName=a",
        "accountname=b",
        " AccountName=a",
        "AccountName=",
        "AccountName=a b",
        "AccountName=[",
        "AccountName=/",
    ),
    *(
        "AccountKey=a2V5",
        "AccountKey=a2V5==",
        "AccountKey=",
        "SharedAccessSignature=sv=2024&sig=x",
        "SharedAccessSignature=",
    ),
    *(
        "DefaultEndpointsProtocol=https",
        "DefaultEndpointsProtocol=http",
        "DefaultEndpointsProtocol=[",
        "EndpointSuffix=",
    ),
    *(
        "EndpointSuffix=core.windows.net",
        "EndpointSuffix=[::1::]",
        "EndpointSuffix=?",
        "TableEndpoint=",
        "TableEndpoint=[",
    ),
    *("TableEndpoint=https://a.table.core.windows.net/", "TableEndpoint=http://127.0.0.1:10002/a", "TableEndpoint=a.b"),
    *(
        "TableEndpoint=https://a.b?sv=2024&sig=x",
        "TableEndpoint=http://[",
        "TableEndpoint=https://[::1::]",
        "TableEndpoint=https://",
    ),
    *("TableSecondaryEndpoint=https://a.b", "TableSecondaryEndpoint=["),
]


@pytest.mark.parametrize("text", [value for name, value, *_ in READ if name == "AzureWebJobsStorage"])
def test_a_good_connection_string_is_taken(text):
    assert TableServiceClient.from_connection_string(text)


@given(st.lists(st.sampled_from(PARTS), max_size=6).map(";".join))
@example("UseDevelopmentStorage=true;")
def test_a_connection_string_that_is_taken_is_good_enough_for_the_sdk(text):
    """The SDK would refuse it where nothing can show a page any more."""
    try:
        config = read(AzureWebJobsStorage=text)
    except NotConfigured:
        return
    if config.storage_connection_string:
        assert TableServiceClient.from_connection_string(config.storage_connection_string)


@given(st.sampled_from(["https://", "mailto:", "https://a.example/", "mailto:a@"]), st.text(max_size=9))
def test_an_address_for_help_that_is_taken_becomes_a_link(start, rest):
    try:
        address = read(SUPPORT_URL=start + rest).support_url
    except NotConfigured:
        return
    assert is_external(address)


def test_with_a_vault_the_settings_that_it_replaces_must_be_absent():
    assert set(names(problems(GOOD | {"KEY_VAULT_URL": VAULT}))) == {
        "TOKEN_ENCRYPTION_KEY",
        "AZURE_DEVOPS_CLIENT_SECRET",
    }
    rest = {name: text for name, text in GOOD.items() if "SECRET" not in name and "KEY" not in name}
    config = Config.from_env(rest | {"KEY_VAULT_URL": VAULT + "/"}, now=NOW)
    assert config.key_vault_url == VAULT
    assert config.encryption_keys == ()


def test_all_problems_come_at_once():
    wrong = dict(WRONG)
    found = names(problems(wrong))
    assert set(found) == set(wrong)


def test_every_setting_of_the_design_has_a_test_here():
    told = {name for name, *_ in READ} | {name for name, _ in WRONG}
    assert told | NOT_OURS == set(SETTINGS)


def test_without_an_application_there_is_no_provider_and_its_settings_are_not_asked_for():
    config = Config.from_env({key: text for key, text in GOOD.items() if not key.startswith("AZURE_DEVOPS")}, now=NOW)
    assert config.legacy is None


@pytest.mark.parametrize("url", ["HTTPS://Gatehouse.Example", "https://GATEHOUSE.example/"])
def test_the_public_address_is_normal_whatever_its_case(url):
    """Else cookies would lose Secure and their prefix on a site that is https."""
    config = read(PUBLIC_URL=url)
    assert config.public_url == "https://gatehouse.example"
    assert config.secure


@pytest.mark.parametrize(
    ("url", "browsers"),
    [
        ("https://gatehouse.example:443", "gatehouse.example"),
        ("https://gatehouse.example:443/", "gatehouse.example"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("http://[::1]:80", "[::1]"),
        ("https://gatehouse.example:80", "gatehouse.example:80"),
        ("http://localhost:443", "localhost:443"),
        ("https://gatehouse.example:8443", "gatehouse.example:8443"),
    ],
)
def test_a_default_port_need_not_be_left_out(url, browsers):
    """Browsers leave it out of Host and Origin, so the address is kept as they write it; another port stays."""
    callback = url.rstrip("/") + "/auth/callback"
    config = read(PUBLIC_URL=url, CALLBACK_URL=callback)
    assert config.public_url.partition("://")[2] == browsers
    assert config.legacy.callback_url == callback, "as it is registered"
    assert config.answers_to(browsers)
    assert config.answers_to(browsers.upper())
    assert config.answers_to(url.rstrip("/").partition("://")[2])


def test_it_answers_to_its_own_name_and_to_those_that_are_allowed():
    config = read(ALLOWED_HOSTS="front.example:443, plain.example")
    for host in ("gatehouse.example", "front.example", "front.example:443", "plain.example:443"):
        assert config.answers_to(host)
    for host in (
        "",
        "front.example:80",
        "gatehouse.example:8443",
        "a.gatehouse.example",
        "gatehouse.example.",
        "example",
    ):
        assert not config.answers_to(host)


@pytest.mark.parametrize(("url", "secure"), [("https://localhost", True), ("http://localhost:7071", False)])
def test_secure_follows_the_scheme(url, secure):
    assert read(PUBLIC_URL=url).secure is secure


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_http_is_for_loopback(host):
    assert read(PUBLIC_URL=f"http://{host}:7071").public_url == f"http://{host}:7071"


def test_no_secret_shows_in_the_representation():
    shown = repr(read())
    for secret in (KEY, bytes.fromhex(KEY), "s3cr3t", STORE):
        assert str(secret) not in shown


@given(st.dictionaries(st.sampled_from(SETTINGS), st.text(max_size=40)))
def test_any_environment_is_read_or_refused_with_names(environ):
    found = ()
    try:
        Config.from_env(environ, now=NOW)
    except NotConfigured as error:
        found = error.problems
    assert set(names(found)) <= set(SETTINGS)


class TestNeeds:
    def test_a_bare_environment_shows_every_need_crossed(self):
        shown = needs({})
        assert not any(need.ok for need in shown)
        assert [need.setting for need in shown] == [
            "PUBLIC_URL", "ENTRA_CLIENT_ID", "TOKEN_ENCRYPTION_KEY", "TOKEN_STORE_URL",
        ]  # fmt: skip

    @pytest.mark.parametrize("environ", [GOOD, WITH_ENTRA])
    def test_either_provider_is_enough(self, environ):
        assert all(need.ok for need in needs(environ))

    def test_a_whole_environment_shows_every_need_ticked(self):
        assert all(need.ok for need in needs(GOOD))

    def test_a_need_says_what_to_do(self):
        assert all(need.purpose and need.remedy for need in needs({}))

    def test_another_setting_that_is_wrong_is_shown_too_and_never_its_value(self):
        shown = needs(GOOD | {"SESSION_IDLE_HOURS": "canary"})
        (wrong,) = [need for need in shown if not need.ok]
        assert wrong.setting == "SESSION_IDLE_HOURS"
        assert "canary" not in repr(shown)
