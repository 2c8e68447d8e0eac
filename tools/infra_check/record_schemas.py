"""Record what the rule `schemas` compares with: ``python -m tools.infra_check.record_schemas AZMCP``.

AZMCP is the program of the npm package @azure/mcp; it answers from its own index, without network. Only what can be
written is kept. Types that it cannot tell are in `schemas_by_hand.json`, from the reference of Azure Resource Manager.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from tools.infra_check.project import DATA, data


def main(program: str) -> int:
    """Write `data/schemas.json` for every type of the version table that is not described by hand."""
    wanted = data("api_versions.json")["versions"].keys() - data("schemas_by_hand.json").keys()
    recorded = {name: _recorded(program, name) for name in sorted(wanted)}
    (DATA / "schemas.json").write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


def _recorded(program: str, resource_type: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        asked = subprocess.run(
            [program, "bicepschema", "get", "--resource-type", resource_type],
            env={**os.environ, "HOME": home, "AZURE_MCP_COLLECT_TELEMETRY": "false"},
            stdout=subprocess.PIPE,
            check=True,
        )
    items = json.loads(asked.stdout)["results"]["BicepSchemaResult"]
    body = next(item for item in items if item["$type"] == "Resource")
    objects = {item["name"]: item for item in reversed(items) if item["$type"] == "Object"}
    kept: dict[str, dict[str, str]] = {"": _writable(body["bodyType"])}
    waiting = list(kept[""].values())
    while waiting:
        for name in waiting.pop().replace("[]", "").split(" | "):
            if name in objects and name not in kept:
                kept[name] = _writable(objects[name])
                waiting.extend(kept[name].values())
    return {"version": body["name"].partition("@")[2], "objects": kept}


def _writable(described: dict[str, Any]) -> dict[str, str]:
    found = {item["name"]: item["type"] for item in described["properties"] if "ReadOnly" not in item.get("flags", "")}
    if "additionalPropertiesType" in described:
        found["*"] = described["additionalPropertiesType"]
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
