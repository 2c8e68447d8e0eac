"""The rules, one module per reason to change."""

from tools.infra_check.project import Rule
from tools.infra_check.rules import (
    alerts,
    compiler_linter,
    compute,
    data_plane,
    documents,
    language,
    modules,
    network,
    roles,
    schemas,
    settings,
)

RULES: tuple[Rule, ...] = (
    *language.RULES,
    *modules.RULES,
    *schemas.RULES,
    *roles.RULES,
    *data_plane.RULES,
    *compute.RULES,
    *network.RULES,
    *settings.RULES,
    *alerts.RULES,
    *compiler_linter.RULES,
    *documents.RULES,
)
