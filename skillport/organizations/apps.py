from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "skillport.organizations"
