"""The connector's addresses that Django answers; `/<org>/mcp` is routed in `skillport/asgi.py`."""

from django.urls import include, path

from connector.api.views import Redeem, RedeemByAddress
from connector.pages import keys, keys_of_member, new_key, revoke
from connector.views import install_script

urlpatterns = [
    path("install.sh", install_script),
    path("api/install/<str:token>", RedeemByAddress.as_view()),
    path("api/v1/install/redeem", Redeem.as_view()),
    path("<org:organization>/api/v1/", include("connector.api.urls")),
    path("<org:organization>/settings/keys/", keys, name="keys"),
    path("<org:organization>/settings/keys/new/", new_key, name="key-new"),
    path("<org:organization>/settings/keys/<uuid:key_id>/revoke/", revoke, name="key-revoke"),
    path(
        "<org:organization>/settings/members/<uuid:membership_id>/keys/", keys_of_member, name="member-keys"
    ),
    path(
        "<org:organization>/settings/members/<uuid:membership_id>/keys/<uuid:key_id>/revoke/",
        revoke,
        name="member-key-revoke",
    ),
]
