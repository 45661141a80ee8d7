"""The first segment of an organization's addresses."""

from skillport.organizations.slugs import RESERVED, SLUG_PATTERN


class OrganizationSlug:
    """Matches what can be an organization's slug, so that `/livez/` can never be somebody's catalog."""

    regex = SLUG_PATTERN

    def to_python(self, value: str) -> str:
        if value in RESERVED:
            raise ValueError("reserved")
        return value

    def to_url(self, value: str) -> str:
        return value
