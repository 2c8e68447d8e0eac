"""Create the tables that the app needs in the storage of `local.settings.json`: `python -m tools.run.create_tables`.

For `func start`, where nobody else does it; `make run` and the deployment template create them on their own.
"""

import os
import sys

from azure.core.exceptions import AzureError

from tools import bootstrap
from tools.run.azurite import TABLES, create_tables
from tools.run.plan import EMULATOR, PlanError, read_settings


def main() -> int:
    """Exit code 1 with one line when the settings or the storage don't work."""
    try:
        connection_string = read_settings(bootstrap.ROOT, os.environ).get("AzureWebJobsStorage", EMULATOR)
        create_tables(connection_string)
    except (PlanError, AzureError, ValueError) as error:
        print(f"create_tables: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    print(f"tables are there: {', '.join(TABLES)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
