"""The first page: what this is, or where one belongs."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from skillport.organizations.services.belonging import organizations_of, waited_for_by
from skillport.organizations.services.organizations import may_found


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return render(request, "home.html", {"site_url": settings.SITE_URL})
    cookie = request.COOKIES[settings.SESSION_COOKIE_NAME]
    told = {
        "person": str(request.user),
        "belongings": organizations_of(user_id=request.user.pk, cookie=cookie),
        "waited_for": waited_for_by(user_id=request.user.pk),
        "may_found": may_found(request.user),
    }
    return render(request, "organizations/home.html", told)
