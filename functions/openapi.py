"""The contract of the JSON side."""

from functools import cache

import azure.functions as func

from functions import _entry
from shared.web import contract
from shared.web.answers import Answer, json
from shared.web.contract import Body, Document
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "openapi.json", "GET", "HEAD", answers=Body(Document, {200: contract.EXAMPLE}))
def openapi(visit: Visit) -> Answer:
    """The OpenAPI document, for everybody.

    Not to be cached: its address outlives deployments, so a copy would describe what ran before.
    """
    config = visit.services.config
    cookies = visit.services.cookies
    return json(_document(config.app_name, config.public_url, cookies.session_name, cookies.receipt_name))


@cache
def _document(title: str, url: str, session: str, receipt: str) -> Document:
    cookies = {contract.SESSION: session, contract.RECEIPT: receipt}
    return contract.document(_entry.ROUTES, title=title, url=url, cookies=cookies)
