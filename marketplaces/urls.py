from django.urls import path

from marketplaces import (
    bind_pages,
    external_pages,
    repository_pages,
    repository_settings_pages,
    snapshot_pages,
    webhook_pages,
)
from marketplaces.pages import catalog, new
from marketplaces.webhooks import receive

_SETTINGS = "<org:organization>/settings/marketplaces/"
_REPOSITORY = f"{_SETTINGS}<uuid:marketplace_id>/"

urlpatterns = [
    path("new", new, name="new"),
    path("hooks/<uuid:marketplace_id>", receive),
    path("<org:organization>/", catalog, name="catalog"),
    path(_SETTINGS, repository_pages.repositories, name="repositories"),
    path(f"{_SETTINGS}bind/", bind_pages.bind, name="repository-bind"),
    path(f"{_SETTINGS}check/", bind_pages.check, name="repository-check"),
    path(_REPOSITORY, repository_pages.repository, name="repository"),
    path(f"{_REPOSITORY}sync/", repository_pages.sync, name="repository-sync"),
    path(f"{_REPOSITORY}credential/", repository_pages.credential, name="repository-credential"),
    path(f"{_REPOSITORY}edit/", repository_settings_pages.edit, name="repository-edit"),
    path(f"{_REPOSITORY}pause/", repository_settings_pages.pause, name="repository-pause"),
    path(f"{_REPOSITORY}resume/", repository_settings_pages.resume, name="repository-resume"),
    path(f"{_REPOSITORY}pin/", repository_settings_pages.pin, name="repository-pin"),
    path(f"{_REPOSITORY}pin/<int:number>/", repository_settings_pages.serve, name="repository-serve"),
    path(f"{_REPOSITORY}unpin/", repository_settings_pages.unpin, name="repository-unpin"),
    path(f"{_REPOSITORY}delete/", repository_settings_pages.delete, name="repository-delete"),
    path(f"{_REPOSITORY}keep/", repository_settings_pages.keep, name="repository-keep"),
    path(f"{_REPOSITORY}moved/", bind_pages.moved, name="repository-moved"),
    path(f"{_REPOSITORY}webhook/", webhook_pages.webhook, name="repository-webhook"),
    path(f"{_REPOSITORY}webhook/register/", webhook_pages.register, name="repository-webhook-register"),
    path(f"{_REPOSITORY}external/", external_pages.external_sources, name="external-sources"),
    path(f"{_REPOSITORY}external/hosts/", external_pages.allow, name="external-hosts"),
    path(f"{_REPOSITORY}external/credential/", external_pages.bind_credential, name="external-credential"),
    path(
        f"{_REPOSITORY}external/credentials/<uuid:credential_id>/remove/",
        external_pages.remove_credential,
        name="external-credential-remove",
    ),
    path(f"{_REPOSITORY}syncs/<int:run_id>/", repository_pages.run, name="repository-run"),
    path(f"{_REPOSITORY}snapshots/", snapshot_pages.kept, name="repository-snapshots"),
    path(
        f"{_REPOSITORY}snapshots/<int:older>/to/<int:newer>/",
        snapshot_pages.changes,
        name="repository-changes",
    ),
]
