"""Imports point one way: function_app → functions → shared.services → custody, web and the edges → pure modules.

Read from the source, so that an import inside a function counts too; what stands under `if TYPE_CHECKING:` is for the
type checker and does not count.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PURE = ("shared.errors", "shared.models", "shared.sealing")

MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    "function_app": ("functions",),
    "functions": ("functions._entry", "shared"),
    "functions._entry": ("shared",),
    "shared.services": ("shared",),
    "shared.config": PURE,
    "shared.vault": ("shared.secret_cache", "shared.events", *PURE),
    "shared.secret_cache": ("shared.events", *PURE),
    "shared.key_vault": ("shared.identity", "shared.secret_cache", "shared.retry_after", *PURE),
    "shared.identity": (),
    "shared.web": (
        "shared.web",
        "shared.custody",
        "shared.azure_devops",
        "shared.oauth.entra_errors",
        "shared.oauth.provider",
        "shared.scopes",
        *PURE,
    ),
    "shared.custody": ("shared.custody", "shared.oauth.provider", "shared.budget", "shared.events", *PURE),
    "shared.custody.rules": PURE,
    "shared.storage": ("shared.storage", "shared.budget", "shared.retry_after", *PURE),
    "shared.azure_devops": ("shared.azure_devops", "shared.http_session", "shared.retry_after", *PURE),
    "shared.oauth": ("shared.oauth", "shared.http_session", "shared.retry_after", *PURE),
    "shared.oauth.entra_errors": PURE,
    "shared.oauth.provider": PURE,
    "shared.sealing": ("shared.errors",),
    "shared.models": ("shared.models",),
    "shared.errors": (),
    "shared.budget": (),
    "shared.events": (),
    "shared.http_session": (),
    "shared.retry_after": (),
    "shared.scopes": (),
    "shared.readiness": ("shared.config", *PURE),
    "tools": ("tools",),
    "tools.bench.crowd": ("shared.sealing", "tools"),
    "tools.bench.site": ("shared.sealing", "tools"),
    "tools.bench.timer": ("shared.custody", "tools"),
    "tools.chaos.clock": ("shared.services", "tools.chaos"),
    "tools.chaos.points": ("shared.services", "tools.chaos"),
    "tools.chaos.population": (
        "shared.custody",
        "shared.models",
        "shared.oauth.provider",
        "shared.sealing",
        "shared.storage",
        "tools",
    ),
    "tools.screenshots.broken": ("shared.services",),
    "tools.chaos.invariants": ("shared.custody", "shared.models", "shared.sealing", "shared.storage", "tools"),
}
"""What of our own code a module, or a package with all below it, may import; the longest name that fits counts."""

ONLY_IN: Mapping[str, tuple[str, ...]] = {
    "azure.data": ("shared.storage",),
    "azure.functions": ("function_app", "functions", "shared.web"),
    "azure.core": ("shared.storage", "shared.services", "shared.identity", "shared.key_vault"),
    "azure.identity": ("shared.identity",),
    "azure.keyvault": ("shared.key_vault",),
    "cryptography": ("shared.sealing",),
    "jinja2": ("shared.web.pages",),
    "requests": ("shared.storage.tables", "shared.azure_devops", "shared.oauth.token_request", "shared.http_session"),
    "urllib3": ("shared.azure_devops", "shared.oauth.token_request", "shared.http_session"),
}
"""Libraries of other people, and the modules of the application that may know them."""

ENVIRONMENT_IN = {"shared.services", "functions._entry", "functions.home"}
"""The composition root reads the settings; the set-up page shows which are missing."""

WITHOUT_CLOCK = (
    "shared.custody",
    "shared.storage",
    "shared.oauth",
    "shared.azure_devops",
    "shared.web",
    "shared.vault",
    "shared.secret_cache",
    "shared.key_vault",
    *PURE,
)
"""Time comes in as an argument or as a function."""

WITHOUT_IO = (*PURE, "shared.custody.rules", "shared.azure_devops.names", "shared.azure_devops.links", "shared.scopes")
IO = ("asyncio", "http", "io", "logging", "pathlib", "shutil", "socket", "subprocess", "time", "urllib.request")


def named_imports(tree: ast.AST) -> Iterator[str]:
    """Every module or name that the source imports at run time, dotted in full."""
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        assert tree.level == 0, "imports are absolute"
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    else:
        for_types = isinstance(tree, ast.If) and ast.unparse(tree.test).endswith("TYPE_CHECKING")
        for node in tree.orelse if for_types else ast.iter_child_nodes(tree):
            yield from named_imports(node)


def attributes(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that the source uses."""
    return (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def owner(name: str) -> str | None:
    """The entry of MAY_IMPORT that speaks for a module."""
    return max((package for package in MAY_IMPORT if below(name, package)), key=len, default=None)


def wrong_arrows(module: str, names: Iterator[str]) -> list[str]:
    """The imports of our own code that no rule allows to `module`."""
    speaker = owner(module)
    assert speaker, f"{module} has no place in MAY_IMPORT yet"
    ours = [name for name in names if name.split(".")[0] in ("function_app", "functions", "shared", "tools", "tests")]
    return [name for name in ours if not any(below(name, target) for target in MAY_IMPORT[speaker])]


def sources() -> dict[str, ast.Module]:
    """Every module of the application and the tools by its dotted name."""
    paths = [ROOT / "function_app.py"]
    for folder in ("functions", "shared", "tools"):
        paths += sorted((ROOT / folder).rglob("*.py"))
    return {_dotted(path): ast.parse(path.read_text("utf-8")) for path in paths}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = sources()
APPLICATION = {name: tree for name, tree in SOURCES.items() if not below(name, "tools")}


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_imports_only_what_its_layer_may(module: str) -> None:
    assert wrong_arrows(module, named_imports(SOURCES[module])) == []


def test_every_rule_speaks_for_modules_that_exist() -> None:
    assert {package for package in MAY_IMPORT if not any(below(name, package) for name in SOURCES)} == set()


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_known_only_where_it_belongs(library: str) -> None:
    knowing = {name for name, tree in APPLICATION.items() if any(below(it, library) for it in named_imports(tree))}
    assert {name for name in knowing if not any(below(name, place) for place in ONLY_IN[library])} == set()


def test_only_the_composition_root_and_the_set_up_page_name_the_environment() -> None:
    environment = {"os.environ", "os.environb", "os.getenv"}
    naming = {
        name
        for name, tree in APPLICATION.items()
        if not environment.isdisjoint([*attributes(tree), *named_imports(tree)])
    }
    assert naming == ENVIRONMENT_IN


@pytest.mark.parametrize("module", [name for name in APPLICATION if any(below(name, it) for it in WITHOUT_CLOCK)])
def test_a_flow_an_edge_or_a_pure_module_never_asks_the_wall_clock(module: str) -> None:
    clocks = {"datetime.now", "datetime.utcnow", "date.today", "time.time", "time.time_ns"}
    assert clocks.isdisjoint([*attributes(APPLICATION[module]), *named_imports(APPLICATION[module])])


@pytest.mark.parametrize("module", [name for name in APPLICATION if any(below(name, it) for it in WITHOUT_IO)])
def test_a_pure_module_reaches_no_file_socket_process_or_log(module: str) -> None:
    reached = [name for name in named_imports(APPLICATION[module]) if any(below(name, it) for it in IO)]
    assert reached == []


def test_only_the_entry_asks_for_the_services() -> None:
    asking = {name for name, tree in APPLICATION.items() if "shared.services.services" in named_imports(tree)}
    assert asking == {"functions._entry"}


def test_only_the_composition_root_makes_what_fulfils_a_protocol() -> None:
    makers = ("shared.storage.tables.connect", "shared.storage.connections.TableConnections")
    makers += ("shared.storage.due.TableDue", "shared.storage.logins.TableLogins", "shared.events.emitter")
    makers += (
        "shared.oauth.azure_devops.AzureDevOpsProvider",
        "shared.vault.SettingSecrets",
        "shared.vault.VaultSecrets",
        "shared.key_vault.KeyVault",
    )
    for maker in makers:
        assert [name for name, tree in APPLICATION.items() if maker in named_imports(tree)] == ["shared.services"]


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("shared.errors", "import functions.home", ["functions.home"]),
        ("shared.web.visit", "from shared.services import Services", ["shared.services.Services"]),
        ("shared.custody.tick", "def late():\n    from shared.storage import due", ["shared.storage.due"]),
        ("shared.custody.rules", "from shared.custody import tick", ["shared.custody.tick"]),
        ("functions.home", "from functions import login", ["functions.login"]),
        ("functions.home", "from functions import _entry", []),
        ("shared.storage.rows", "from tools.simulator import defaults", ["tools.simulator.defaults"]),
        ("tools.run.plan", "from tests import site", ["tests.site"]),
        ("shared.custody", "if TYPE_CHECKING:\n    from shared.storage.due import Due", []),
        ("shared.custody", "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import shared.web", ["shared.web"]),
    ],
)
def test_a_wrong_arrow_is_found_wherever_it_stands(module: str, source: str, wrong: list[str]) -> None:
    assert wrong_arrows(module, named_imports(ast.parse(source))) == wrong
