from django.apps import AppConfig


class SkillportConfig(AppConfig):
    """The platform itself: it has commands, templates and static files, and no tables of its own."""

    name = "skillport"
