"""Static files, as WhiteNoise finds them."""

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFiles(WhiteNoiseMiddleware):
    """Answers with whole files. WhiteNoise hands them out piece by piece, each of which would change threads under
    ASGI; none of ours is large."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = WhiteNoiseMiddleware.serve(static_file, request)
        try:
            return HttpResponse(found.getvalue(), status=found.status_code, headers=found.headers)
        finally:
            found.close()
