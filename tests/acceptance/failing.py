"""A composition in which Azure DevOps fails in every way there is: organization `fault-7` by the error of that number.

For `python -m tools.local_host --services tests.acceptance.failing:build_services`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from shared.azure_devops.client import Answer, ApiRequest, AzureDevOps, Caller
from shared.services import Services
from shared.services import build_services as real_services
from tests.every_error import CLASSES, SECRET, made

BUG = "fault-999"
"""An organization behind which stands a bug of ours."""


class _Failing(AzureDevOps):
    def call[T](self, request: ApiRequest, caller: Caller, shape: msgspec.json.Decoder[T]) -> Answer[T]:
        organization = request.segments[0]
        if organization == BUG:
            raise ZeroDivisionError(SECRET)
        if organization.startswith("fault-"):
            raise made(CLASSES[int(organization.removeprefix("fault-"))])
        return super().call(request, caller, shape)


def build_services(environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Services:
    """The real ones with that client."""
    real = real_services(environ, now=now)
    client = _Failing(
        devops_url=real.config.azure_devops_url,
        identity_url=real.config.azure_devops_identity_url,
        now=now,
        sleep=time.sleep,
    )
    return replace(real, azure_devops=client)
