"""What pages ask for."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse

WORKER = Path(__file__).parent / "static" / "pushnote" / "pushnote-sw.js"


def service_worker(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 Django's signature
    """Serve Web Push's service worker. It rules pages below its own path alone, so it cannot be a static file."""
    return HttpResponse(WORKER.read_bytes(), content_type="text/javascript", headers={"Cache-Control": "no-cache"})
