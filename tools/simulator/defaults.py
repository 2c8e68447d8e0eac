"""What the simulator accepts unless told otherwise; `make run` configures the application alike.

None of them is a secret of anybody: the client secret only looks like the real ones (a JWT of several hundred
characters, facts section 1.4) so that whatever stores it meets the real size and alphabet.
"""

from base64 import urlsafe_b64encode

from tools.simulator.sample.tenants import FABRIKAM

PORT = 9700
APP_ID = "5a3b1e00-6a7e-4005-8e00-9a7e40005e00"
REDIRECT_URIS = ("http://127.0.0.1:7071/auth/callback", "http://localhost:7071/auth/callback")
REDIRECT_URI = REDIRECT_URIS[0]
ENTRA_CLIENT_ID = "3d1c9f62-0e7a-4b0e-9a55-6a7e4005e002"
ENTRA_TENANT_ID = FABRIKAM.id
ENTRA_REDIRECT_URIS = ("http://127.0.0.1:7071/auth/callback/entra", "http://localhost:7071/auth/callback/entra")
ENTRA_REDIRECT_URI = ENTRA_REDIRECT_URIS[0]
# Real ones have 40 characters of this alphabet, the tilde included.
ENTRA_CLIENT_SECRET = "sim8Q~no-secret-of-anybody_sample.value0"  # noqa: S105 - printed in the source, opens nothing


def _sample(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


CLIENT_SECRET = ".".join(
    (
        _sample('{"typ":"JWT","alg":"none"}'),
        _sample(
            f'{{"cid":"{APP_ID}","note":"' + "sample client secret of the local simulator, no real one " * 8 + '"}'
        ),
        _sample("not a signature: this value is printed in the source"),
    )
)
