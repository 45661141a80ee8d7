"""Mail: a failure is told and logged, and what people call things stays in its place."""

import logging
from typing import Any

import pytest

from skillport.organizations import mail


def test_a_subject_is_one_line(mailoutbox: list[Any]) -> None:
    assert mail.send(to="dora@example.org", subject="One\r\nBcc: eve@example.org\x07", text="Hello")
    (sent,) = mailoutbox
    assert sent.subject == "One Bcc: eve@example.org"
    assert sent.recipients() == ["dora@example.org"]


def test_an_address_that_would_be_a_header_is_not_sent_to(
    mailoutbox: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not mail.send(to="dora@example.org\nBcc: eve@example.org", subject="One", text="Hello")
    assert mailoutbox == []
    assert "could not be sent" in caplog.text
