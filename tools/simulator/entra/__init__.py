"""Microsoft Entra ID's v2.0 endpoints (facts 3): discovery, keys, authorize, token, logout.

dialect → authorize ┬→ grants (codes and tokens)   failures (AADSTS)
        → exchange  ┘→ id_token → keys             scopes  claims  client
"""
