"""Mail to people: text, one link at most, and never a reason for the work itself to fail."""

import logging
from smtplib import SMTPException

from django.core.mail import send_mail

logger = logging.getLogger(__name__)


def send(*, to: str, subject: str, text: str) -> bool:
    """Send one mail now; tell whether it left. Call it after the transaction whose result it tells of.

    A failure is logged by its kind alone: what a mail server answers may repeat addresses and text.
    """
    try:
        send_mail(one_line(subject), text, None, [to])
    except (SMTPException, OSError, ValueError) as error:
        logger.warning("A mail could not be sent", extra={"fault": type(error).__name__})
        return False
    return True


def one_line(text: str) -> str:
    """Give `text` without line breaks and control characters: a name must not become a header or a paragraph."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
