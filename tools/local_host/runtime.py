"""Indexing and invoking, done by azure-functions-runtime: the package that runs Python 3.13 apps in Azure.

Its control messages are protobuf objects of the host; it only reads and sets attributes, so plain records do.
Invocations need none: `native_invocation` takes and returns the runtime's own Datum.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native

from tools.local_host.errors import HostError


@dataclass(frozen=True)
class HostedFunction:
    """One indexed function; `trigger` is its trigger's binding as the runtime describes it."""

    name: str
    id: str
    trigger: Mapping[str, Any]
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger_type(self) -> str:
        return str(self.trigger["type"])

    @property
    def is_http(self) -> bool:
        return self.trigger_type == "httpTrigger"

    @property
    def route(self) -> str | None:
        route = self.trigger.get("route")
        return str(route) if route is not None else None

    @property
    def methods(self) -> frozenset[str]:
        """Upper-case names; empty means every method."""
        return frozenset(str(method).upper() for method in self.trigger.get("methods") or ())


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to; `answer` is the Datum of `$return`, if there is one."""

    succeeded: bool
    answer: Any = None


class _BindingInfo(SimpleNamespace):
    undefined, out, inout = 0, 1, 2  # the numbers of the protobuf enumerations DataType and Direction


class _StatusResult(SimpleNamespace):
    Failure, Success = 0, 1


_MESSAGES = SimpleNamespace(
    BindingInfo=_BindingInfo,
    StatusResult=_StatusResult,
    FunctionMetadataResponse=SimpleNamespace,
    RpcException=SimpleNamespace,
    RpcFunctionMetadata=SimpleNamespace,
    RpcRetryOptions=SimpleNamespace,
    WorkerInitResponse=SimpleNamespace,
    WorkerMetadata=SimpleNamespace,
)


async def index(root: Path) -> list[HostedFunction]:
    """Import function_app.py of `root` and list its functions, ordered by name.

    Raises HostError with the traceback when the import fails (in Azure the app then simply has no functions).
    """
    if not (root / "function_app.py").exists():
        raise HostError("function_app.py is missing: the directory is no Python function app.")
    azure_functions_runtime.start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(root))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init),
        properties={"host": "127.0.0.1", "protos": _MESSAGES},
    )
    answer = await azure_functions_runtime.worker_init_request(request)
    if answer.result.status != _StatusResult.Success:
        error = answer.result.exception
        raise HostError(f"function_app.py could not be loaded: {error.message}", error.stack_trace)
    metadata = await azure_functions_runtime.functions_metadata_request(request)
    found = [_hosted(record) for record in metadata.function_metadata_results or ()]
    if not found:
        raise HostError("function_app.py has no functions.")
    return sorted(found, key=lambda function: function.name.lower())


async def invoke(function: HostedFunction, invocation_id: str, datum: Datum) -> Outcome:
    """Run a function once: sync handlers in the runtime's thread pool. A failure is logged by the runtime."""
    succeeded, answer, _outputs, _error, _trace = await invocation_request_native(
        invocation_id, function.id, [(function.trigger["name"], datum)], {}
    )
    return Outcome(succeeded, answer)


def _hosted(record: Any) -> HostedFunction:
    bindings = tuple(json.loads(raw) for raw in record.raw_bindings)
    trigger = next(binding for binding in bindings if str(binding["type"]).lower().endswith("trigger"))
    return HostedFunction(record.name, record.function_id, trigger, bindings)
