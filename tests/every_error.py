"""Each error of `shared.errors` once, with a text for the log that nobody may see."""

from collections.abc import Iterator

from shared import errors
from shared.errors import AppError

SECRET = "secret-of-the-log"

OWN_ARGUMENTS = {
    errors.NotConfigured: (["PUBLIC_URL is missing", "TOKEN_ENCRYPTION_KEY is not 64 hex digits"],),
    errors.TooLarge: (413, "A form may have 64 KiB."),
    errors.MethodNotAllowed: (["GET", "HEAD"],),
    errors.WrongHost: ("https://gate.example",),
    errors.BadParameter: ("top", "“top” is a whole number."),
    errors.ScopeMissing: ("vso.code",),
    errors.ClaimsChallenge: ("", "{}"),
}
"""Of those that take another argument than the text for the log."""


def children(error_class: type[AppError]) -> Iterator[type[AppError]]:
    """All classes below one."""
    for child in error_class.__subclasses__():
        yield child
        yield from children(child)


def made(error_class: type[AppError]) -> AppError:
    """A fresh one: who handles an error may change it."""
    return error_class(*OWN_ARGUMENTS.get(error_class, (SECRET,)))


CLASSES = list(children(AppError))
EVERY_ERROR = [made(error_class) for error_class in CLASSES]
