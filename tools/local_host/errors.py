"""The one error of the local host."""


class HostError(Exception):
    """The host can't start; the message is one line for the developer, without any setting's value.

    `detail` is a traceback or another longer explanation, or empty.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
