"""`reseal_secrets`: the second step of changing the encryption key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from skillport.sign_in.resealing import Resealed, reseal_secrets


class Command(BaseCommand):
    help = (
        "Seal every stored secret anew with the first key of SKILLPORT_ENCRYPTION_KEYS, so that the older keys can be taken "
        "away. May be ended and begun again at any time; when it says that nothing was left, it is done."
    )

    def handle(self, **_: Any) -> None:
        done = reseal_secrets(self._tell)
        self.stdout.write(f"{done.found} secrets: {done.resealed} sealed anew, the others were already.")
        if done.unreadable:
            raise CommandError(
                f"{len(done.unreadable)} cannot be read with any key of the ring, in {', '.join(sorted(set(done.unreadable)))}. "
                "Put their key back on the ring, or enter these secrets again. Keep the older keys until then."
            )

    def _tell(self, so_far: Resealed) -> None:
        self.stdout.write(f"{so_far.found} looked at, {so_far.resealed} sealed anew")
        self.stdout.flush()
