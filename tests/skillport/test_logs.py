"""The scrubber: what every line of the log goes through, tried with the real configuration."""

import io
import json
import logging
import logging.config
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory

from skillport import logs
from skillport.logs import HIDDEN, logging_configuration, request_id
from skillport.tokens import Prefix, mint

CANARY = "canary9f3cSECRET"
TOKEN = mint(Prefix.INSTALL_TOKEN).plain_secret
KEY = mint(Prefix.API_KEY).plain_secret


class Log:
    """A logger that writes with Skillport's own configuration, and the lines it has written."""

    def __init__(self, style: str) -> None:
        self._stream = io.StringIO()
        configuration = logging_configuration(style=style, level="DEBUG")["formatters"]["structured"]
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(logging.config.DictConfigurator({}).configure_formatter(configuration))
        self.logger = logging.getLogger("skillport.tests.logs")
        self.logger.handlers, self.logger.propagate = [handler], False
        self.logger.setLevel("DEBUG")

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(logging.Handler, "handleError", _reraise)
    return Log(request.param)


@pytest.fixture
def json_log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(logging.Handler, "handleError", _reraise)
    return Log("json")


def _reraise(_handler: logging.Handler, _record: logging.LogRecord) -> None:
    raise  # noqa: PLE0704 called inside logging's own `except`: a line that cannot be written fails the test


def raised(error: Exception) -> Exception:
    """Give `error` with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


IN_TEXT = {
    "an install token": TOKEN,
    "an API key": KEY,
    "a token in a query": f"GET /x?token={TOKEN}&y=1",
    "a bearer header": f"Authorization: Bearer {CANARY}",
    "a bearer header in small letters": f"authorization: bearer {CANARY}",
    "a basic header": "Authorization: Basic Y2FuYXJ5OWYzY1NFQ1JFVA==",
    "a user and password in a URL": f"fetch https://user:{CANARY}@git.example/x.git failed",
    "a token as the user in a URL": f"fetch http://{CANARY}@git.example/x.git failed",
    "an install address": f"POST /api/install/{CANARY}",
    "an install address in a URL": f"https://skills.example/api/install/{CANARY}?x=1",
    "GitHub: personal": f"ghp_{CANARY}", "GitHub: OAuth": f"gho_{CANARY}", "GitHub: server": f"ghs_{CANARY}",
    "GitHub: user": f"ghu_{CANARY}", "GitHub: refresh": f"ghr_{CANARY}",
    "GitHub: fine-grained": f"github_pat_11AAA_{CANARY}",
    "GitLab: personal": f"glpat-{CANARY}", "GitLab: deploy": f"gldt-{CANARY}",
    "a token behind an escape in a URL": f"/login?next=%2Fx%3Ftoken%3D{TOKEN}",
    "a token behind an escaped line end": repr(f"line\n{TOKEN}"),
    "a token behind an underscore": f"install_{TOKEN}",
    "GitHub behind an escape": f"x%3Dghp_{CANARY}",
    "a password in a database address": f"could not connect to postgresql://app:{CANARY}@db.example/skillport",
    "a password in a Redis address": f"Error 111 connecting to redis://:{CANARY}@redis.example:6379/0",
    "a password with an @ in a URL": f"https://user:p@{CANARY}@git.example/",
}  # fmt: skip
SECRETS = (CANARY, TOKEN, KEY, TOKEN[-20:], KEY[-20:], "Y2FuYXJ5OWYzY1NFQ1JFVA==")


@pytest.mark.parametrize("text", IN_TEXT.values(), ids=IN_TEXT)
def test_a_secret_in_a_text_is_hidden_wherever_the_text_is_logged(log: Log, text: str) -> None:
    log.logger.info(text)
    log.logger.info("with %s", text)
    log.logger.info("event", extra={"note": text, "deep": {"list": [{"note": text}, (text,)]}})
    log.logger.error("failed", exc_info=raised(ValueError(text)))
    assert not any(secret in log.text for secret in SECRETS), log.text
    assert log.text.count(HIDDEN) >= 6


@pytest.mark.parametrize("text", IN_TEXT.values(), ids=IN_TEXT)
def test_without_the_scrubber_it_would_be_in_the_log(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(logs, "scrub_event", lambda _logger, _method, event: event)
    careless = Log("json")
    careless.logger.error(text)
    assert any(secret in careless.text for secret in SECRETS)


def test_an_ordinary_text_stays_as_it_is(log: Log) -> None:
    text = "sha256:9f86d081, v1.2.3, https://git.example/x.git, basic tests, me@example.org, /api/installer, ghpages"
    log.logger.info(text)
    assert text in log.text


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_password", "Authorization", "cookie", "set-cookie", "secret", "webhook_secret", "token",
        "install_token", "api_key", "credential", "credentials", "PRIVATE-TOKEN",
        "X-Api-Key", "apikey",
    ],
)  # fmt: skip
def test_a_field_with_a_secret_name_is_hidden_at_every_depth(log: Log, name: str) -> None:
    log.logger.info("event", extra={name: CANARY})
    log.logger.info(
        "event", extra={"a": {name: CANARY}, "b": [{"c": ({name: [CANARY]},)}], "d": {name: {"e": CANARY}}}
    )
    assert CANARY not in log.text
    assert log.text.count(HIDDEN) == 4


def test_other_fields_stay_as_they_are(json_log: Log) -> None:
    values = {"number": 3, "share": 0.5, "yes": True, "none": None, "text": "plain", "list": [1, {"a": "b"}]}
    json_log.logger.info("event", extra=values)
    assert json_log.events[0].items() >= values.items()


class Thing:
    def __repr__(self) -> str:
        return f"Thing({TOKEN})"


OBJECTS: dict[str, Callable[[], Any]] = {
    "bytes": TOKEN.encode,
    "an exception": lambda: ValueError(TOKEN),
    "an object": Thing,
    "a set": lambda: {TOKEN},
    "a request": lambda: RequestFactory().get(f"/api/install/{TOKEN}"),
    "a request with a query": lambda: RequestFactory().get("/x", {"key": KEY}),
    "an object in a list": lambda: [Thing()],
    "a key of a dictionary": lambda: {TOKEN: 1},
}


@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_a_secret_in_an_objects_repr_is_hidden(log: Log, make: Callable[[], Any]) -> None:
    log.logger.info("event", extra={"thing": make()})
    assert not any(secret in log.text for secret in SECRETS), log.text


def test_a_dictionary_with_any_keys_can_be_logged(log: Log) -> None:
    log.logger.info("event", extra={"by_pair": {("a", 1): 2, UUID(int=1): 3}})
    assert "event" in log.text


# --- exceptions -------------------------------------------------------------------------------------------------------


def fail(canary_argument: str) -> None:
    canary_local = canary_argument * 2
    raise RuntimeError("it broke", len(canary_local))


def test_an_exceptions_local_variables_are_not_logged(log: Log) -> None:
    try:
        fail(CANARY)
    except RuntimeError:
        log.logger.exception("failed")
    assert "RuntimeError: ('it broke', 32)" in log.text
    assert "in fail" in log.text
    assert CANARY not in log.text


def test_a_chain_of_exceptions_is_scrubbed_to_its_beginning(log: Log) -> None:
    error = RuntimeError(f"https://user:{CANARY}@git.example")
    error.__cause__ = raised(KeyError(TOKEN))
    log.logger.error("failed", exc_info=raised(error))
    assert "KeyError" in log.text
    assert log.text.count("Traceback") == 2
    assert not any(secret in log.text for secret in SECRETS)


# --- the form of a line -----------------------------------------------------------------------------------------------


def test_each_event_is_one_line_of_json(json_log: Log) -> None:
    json_log.logger.info('two\nlines\r\n\x85and\u2028more \x00 ü "quoted"')
    json_log.logger.warning("second", extra={"path": '/api/install/abc\\"x'})
    json_log.logger.error("third", exc_info=raised(ValueError("several\nlines")))
    assert [event["level"] for event in json_log.events] == ["info", "warning", "error"]
    assert json_log.events[0]["event"] == 'two\nlines\r\n\x85and\u2028more \x00 ü "quoted"'
    assert "Traceback" in json_log.events[2]["exception"]
    assert all({"event", "level", "logger", "timestamp"} <= event.keys() for event in json_log.events)


def test_an_event_carries_the_id_of_the_request_it_belongs_to(json_log: Log) -> None:
    json_log.logger.info("before")
    ours = request_id.set("0123abc")
    try:
        json_log.logger.info("during")
    finally:
        request_id.reset(ours)
    assert [event.get("request_id") for event in json_log.events] == [None, "0123abc"]


def test_the_servers_own_access_lines_are_off() -> None:
    loggers = logging_configuration(style="json", level="DEBUG")["loggers"]
    assert loggers["uvicorn.access"] == {"level": "CRITICAL", "propagate": False}
