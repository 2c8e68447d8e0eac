"""For GitHub Actions: hand the variables of an environment to azd, as Azure Pipelines does by itself.

    VARIABLES='${{ toJSON(vars) }}' python3 infra/hooks/pipeline_variables.py infra/main.parameters.json

Takes those that the template's parameters or the hooks read, and appends them to the file $GITHUB_ENV. Never secrets:
those stay with the one step that needs them.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from console import HookError, run, say

READ_BY_HOOKS = ("CLIENT_SECRET_EXPIRES", "REGISTER_ENTRA_APPLICATION", "ROLE_WAIT_SECONDS", "SMOKE_TEST_SECONDS")

_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")


def work() -> None:
    """Append name by name; a value with a line break could set other variables, and is refused."""
    if len(sys.argv) != 2:
        raise HookError("one argument is needed: the parameters file of the template")
    known = {*_PLACEHOLDER.findall(Path(sys.argv[1]).read_text(encoding="utf-8")), *READ_BY_HOOKS}
    given = json.loads(os.environ.get("VARIABLES") or "{}")
    taken = {name: str(value) for name, value in given.items() if name in known and value}
    broken = sorted(name for name, value in taken.items() if "\n" in value or "\r" in value)
    if broken:
        raise HookError(f"a line break in {', '.join(broken)}")
    with Path(os.environ["GITHUB_ENV"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in sorted(taken.items()))
    say(f"variables: {', '.join(sorted(taken)) or 'none'}")


if __name__ == "__main__":
    run(work)
