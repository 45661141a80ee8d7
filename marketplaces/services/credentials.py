"""What a marketplace's repository is read with: what an administrator gives, and what its host is shown."""

from dataclasses import dataclass, field
from typing import Final

from marketplaces.git.head import Remote
from marketplaces.models import Marketplace
from skillport import tokens


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or password, '' for a repository that anybody may read; `username` only where the host wants a certain one."""

    secret: str = field(default="", repr=False)
    username: str = ""

    def remote(self, url: str) -> Remote:
        """Give the repository at `url`, to be asked with this credential."""
        return Remote(url, self.username, self.secret)


NO_CREDENTIAL: Final = Credential()


def stored(row: Marketplace) -> Credential:
    """Give a marketplace's credential, opened."""
    return Credential(row.credential.open(), row.username)


def put(row: Marketplace, credential: Credential) -> list[str]:
    """Put another credential on the row, and give the names of the fields. Saving is up to the caller."""
    row.username = credential.username
    row.credential.put(credential.secret)
    row.credential_last_four = tokens.last_four(credential.secret)
    return ["username", "credential", "credential_last_four"]
