"""Faults that can be injected into calls (`PUT /_sim/faults`): which calls, how often, and what happens.

README.md lists the JSON. The first rule that fits a call and is not used up is applied.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from random import Random
from typing import Any

from tools.simulator.entra.failures import Failure
from tools.simulator.settings import ControlError, Json, is_duration, is_number, is_whole

GRANTS = ("code", "refresh_token", "revoke")
_MATCH_KEYS = {"method", "path", "user", "grant"}
_RULE_KEYS = {"name", "match", "times", "probability", "after", "action"}

# What an action may hold: a check and its wording. Exactly one outcome, any of the companions.
_OUTCOMES = {
    "drop": (lambda value: value is True, "true"),
    "commit_then_drop": (lambda value: value is True, "true"),
    "status": (lambda value: is_whole(value) and 200 <= value <= 599, "an HTTP status"),
    "html": (lambda value: isinstance(value, str) or value is True, "true or an HTML text"),
    "truncate": (is_whole, "how many bytes of the body are sent"),
    "gzip_bomb": (lambda value: is_whole(value) and 0 < value <= 4096, "unpacked MiB, at most 4096"),
    "deep_json": (lambda value: is_whole(value) and 0 < value <= 1_000_000, "how many arrays are nested"),
    "endless_paging": (lambda value: value is True, "true"),
    "aadsts": (lambda value: _is_aadsts(value), "an AADSTS code, or an object with `code` and what differs"),
    "token_error": (lambda value: _is_token_error(value), '{"error": text, "description": text}'),
}  # fmt: skip
_COMPANIONS = {
    "delay": (is_duration, "seconds before the work"),
    "reply_delay": (is_duration, "seconds between the work and the answer"),
    "headers": (lambda value: _is_headers(value), "an object of texts"),
    "body": (lambda value: isinstance(value, str), "a text"),
    "json": (lambda _: True, "any JSON"),
    "commit": (lambda value: isinstance(value, bool), "true or false"),
}  # fmt: skip
_FIELDS: dict[str, tuple[Callable[[Json], bool], str]] = _OUTCOMES | _COMPANIONS


@dataclass(frozen=True)
class Subject:
    """What a rule looks at in a call."""

    method: str
    target: str
    user: str | None
    grant: str | None


@dataclass
class Rule:
    """One rule with its counters: `seen` calls that fitted, `injected` calls that it disturbed."""

    name: str
    match: dict[str, str]
    times: int | None
    probability: float
    after: int
    action: dict[str, Any]
    seen: int = 0
    injected: int = 0
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self.pattern = re.compile(self.match.get("path", ""))

    def fits(self, subject: Subject) -> bool:
        found = {"method": subject.method, "user": subject.user, "grant": subject.grant}
        same = all(found[key] == want for key, want in self.match.items() if key != "path")
        return same and self.pattern.search(subject.target) is not None

    def fires(self, random: Random) -> bool:
        """Whether it disturbs this fitting call; counts the call."""
        self.seen += 1
        used_up = self.times is not None and self.injected >= self.times
        if used_up or self.seen <= self.after or random.random() >= self.probability:
            return False
        self.injected += 1
        return True

    def as_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "match": self.match,
            "times": self.times,
            "probability": self.probability,
            "after": self.after,
            "action": self.action,
            "seen": self.seen,
            "injected": self.injected,
        }


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._random = Random()

    def replace(self, rules: Json) -> None:
        """Put these rules in place of all others. Raises ControlError and changes nothing."""
        if not isinstance(rules, list):
            raise ControlError("faults are a JSON list of rules")
        self.rules = [_rule(index, each) for index, each in enumerate(rules)]

    def take(self, subject: Subject) -> Rule | None:
        """The rule that disturbs this call, if any."""
        return next((each for each in self.rules if each.fits(subject) and each.fires(self._random)), None)


def _rule(index: int, rule: Json) -> Rule:
    where = f"rule {index}"
    if not isinstance(rule, dict):
        raise ControlError(f"{where} must be an object")
    _known(where, rule, _RULE_KEYS)
    name = rule.get("name", where)
    times, after, probability = rule.get("times"), rule.get("after", 0), rule.get("probability", 1)
    if not isinstance(name, str):
        raise ControlError(f"{where}: name must be a text")
    if times is not None and not is_whole(times):
        raise ControlError(f"{where}: times must be a whole number or null (always)")
    if not is_whole(after):
        raise ControlError(f"{where}: after must be a whole number")
    if not (is_number(probability) and 0 <= probability <= 1):
        raise ControlError(f"{where}: probability must be between 0 and 1")
    match, action = _match(where, rule.get("match", {})), _action(where, rule.get("action"))
    return Rule(name, match, times, probability, after, action)


def _match(where: str, match: Json) -> dict[str, str]:
    if not (isinstance(match, dict) and all(isinstance(value, str) for value in match.values())):
        raise ControlError(f"{where}: match must be an object of texts")
    _known(f"{where}: match", match, _MATCH_KEYS)
    if match.get("grant", "code") not in GRANTS:
        raise ControlError(f"{where}: grant must be one of {', '.join(GRANTS)}")
    try:
        re.compile(match.get("path", ""))
    except re.error as error:
        raise ControlError(f"{where}: path is not a regular expression: {error}") from error
    return match


def _action(where: str, action: Json) -> dict[str, Any]:
    if not isinstance(action, dict):
        raise ControlError(f"{where}: action must be an object")
    _known(f"{where}: action", action, set(_FIELDS))
    for key, value in action.items():
        check, wanted = _FIELDS[key]
        if not check(value):
            raise ControlError(f"{where}: {key} must be {wanted}, not {value!r}")
    outcomes = [key for key in action if key in _OUTCOMES]
    # `html` may choose its status; otherwise two outcomes contradict each other.
    if len(outcomes) > 1 and set(outcomes) != {"html", "status"}:
        raise ControlError(f"{where}: action holds more than one outcome: {', '.join(outcomes)}")
    if not outcomes and not action.keys() & {"delay", "reply_delay", "headers"}:
        raise ControlError(f"{where}: action does nothing")
    return action


def _known(where: str, given: dict[str, Json], known: set[str]) -> None:
    if unknown := sorted(set(given) - known):
        raise ControlError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _is_headers(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_aadsts(value: Json) -> bool:
    if not isinstance(value, dict):
        return is_whole(value)
    kinds = {each.name: each.type for each in fields(Failure)}
    return "code" in value and all(type(each) is kinds.get(name) for name, each in value.items())


def _is_token_error(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= {"error", "description"}
        and all(isinstance(each, str) for each in value.values())
        and "error" in value
    )
