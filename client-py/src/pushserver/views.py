"""What the push server calls."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from pushserver import signals


@csrf_exempt
@require_POST
def passthrough(request: HttpRequest) -> HttpResponse:
    """Tell the project that a client, whose headers the request has, begins or ends to wait in a channel."""
    if not _is_internal(request.META.get("REMOTE_ADDR", "")):
        return HttpResponseForbidden("INTERNAL_IPS does not have this address")
    channel_id = request.POST.get("channel_id")
    begins, ends = "subscribe" in request.POST, "unsubscribe" in request.POST
    if not channel_id or begins == ends:
        return HttpResponseBadRequest("it says channel_id, and one of subscribe and unsubscribe")
    signal = signals.channel_subscribe if begins else signals.channel_unsubscribe
    signal.send_robust(sender=passthrough, request=request, channel_id=channel_id)
    return HttpResponse()


def _is_internal(address: str) -> bool:
    try:
        return any(ip_address(address) in ip_network(internal, strict=False) for internal in settings.INTERNAL_IPS)
    except ValueError:
        return address in settings.INTERNAL_IPS
