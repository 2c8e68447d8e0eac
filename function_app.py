"""Gatehouse on Azure Functions: the table of contents. Each function has a module of its own name."""

import azure.functions as func

from functions import (
    builds,
    callback,
    dashboard,
    health,
    home,
    login,
    logout,
    projects,
    ready,
    refresh_tokens,
    repos,
    static,
    work_items,
    zz_not_found,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (
    home,
    login,
    callback,
    logout,
    dashboard,
    projects,
    work_items,
    builds,
    repos,
    refresh_tokens,
    health,
    ready,
    static,
    zz_not_found,
):
    app.register_functions(module.blueprint)
