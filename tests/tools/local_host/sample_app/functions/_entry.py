"""Looks like the app's accessor: one zero-argument callable named services."""

import os
from functools import cache

from shared.services import Services, build_services


@cache
def services() -> Services:
    return build_services(os.environ)
