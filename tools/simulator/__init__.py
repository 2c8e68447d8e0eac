"""Azure DevOps on loopback: both hosts, the legacy token service, Entra ID, and a control API to disturb them.

    server → application ┬→ identity/  the legacy dialect: authorize, consent, token, revoke
                         ├→ entra/     the Entra dialect: discovery, keys, authorize, token, logout
                         ├→ rest/      profile, accounts, projects, work items, builds, repositories
                         ├→ control    /_sim/: calls, tokens, secrets, faults, settings
                         └→ sample/    people, organizations and what is in them

Started with `python -m tools.simulator`; README.md beside this file documents the control API.
"""
