"""Runs a Python function app on Microsoft's own runtime package, without Azure Functions Core Tools.

    __main__      the command line, and the order in which the parts start
    settings      local.settings.json, host.json and the environment the app sees
    runtime       indexing and invoking, both done by azure-functions-runtime
    routing       which function answers a path
    messages      one HTTP request as a Datum, one Datum as an HTTP answer
    front         the ASGI application: limits, routing, invocation, answer
    admin         /admin/: what tools may ask the host
    invocations   background runs and their outcome
    schedule      timers; ncrontab their expressions
    server        socket, signals, graceful stop
    console       the function table and the log format
    record        --record: what leaves the process, for checks
    certificate   a self-signed certificate for --https
    composition   --clock-offset and --services

Where a comment says "the real host", the behaviour was read in the source of Azure/azure-functions-host.
"""
