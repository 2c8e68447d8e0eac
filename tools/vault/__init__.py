"""A strict Key Vault on loopback, with a managed identity: for the real SDK over HTTPS, and for faults.

What it answers follows the service's own recorded traffic and its swagger (facts/key-vault.md): README.md here.
"""
