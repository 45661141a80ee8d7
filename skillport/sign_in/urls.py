"""Addresses of people outside any organization: signing in, and what a person does about their own sign-in."""

from allauth.account.views import LogoutView
from django.urls import include, path
from django.views.decorators.http import require_POST

from skillport.sign_in import demo, invitation, session_pages, views
from skillport.sign_in.confirming import confirm

urlpatterns = [
    path("accounts/sign-in", views.sign_in_page, name="sign_in"),
    path("accounts/continue", views.go_on, name="go_on"),
    path("accounts/oidc/<str:key>/login", views.begin_at_provider, name="begin_at_provider"),
    path("accounts/oidc/<str:key>/callback", views.answer_of_provider, name="answer_of_provider"),
    path("accounts/invitation", invitation.invitation_page, name="invitation"),
    path("accounts/invitation/accept", invitation.accept, name="accept_invitation"),
    path("accounts/demo", demo.demo_sign_in, name="demo_sign_in"),
    path("<org:organization>/sign-in", views.organization_sign_in, name="organization_sign_in"),
    path("<org:organization>/sign-in/own", views.own_sign_in, name="own_sign_in"),
    path("accounts/logout/", require_POST(LogoutView.as_view()), name="account_logout"),
    path("accounts/confirm", confirm, name="confirm"),
    path("accounts/sessions", session_pages.own_sessions, name="own_sessions"),
    path("accounts/sessions/end", session_pages.end_own_session, name="end_own_session"),
    path("accounts/sessions/end-others", session_pages.end_other_own_sessions, name="end_other_own_sessions"),
    path("accounts/sessions/end-all", session_pages.sign_out_everywhere, name="sign_out_everywhere"),
    path("accounts/", include("skillport.sign_in.local_urls")),
]
