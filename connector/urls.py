"""The connector's addresses that Django answers; `/<org>/mcp` is routed in `skillport/asgi.py`."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView

from connector.api.views import Redeem, RedeemByAddress, SkillByName, Skills
from connector.views import install_script

urlpatterns = [
    path("install.sh", install_script),
    path("api/install/<str:token>", RedeemByAddress.as_view()),
    path("api/v1/install/redeem", Redeem.as_view()),
    path("<org:organization>/api/v1/schema", SpectacularJSONAPIView.as_view()),
    path("<org:organization>/api/v1/skills", Skills.as_view()),
    path("<org:organization>/api/v1/skills/<path:name>", SkillByName.as_view()),
]
