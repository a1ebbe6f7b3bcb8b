"""``path("", include("pushnote.urls"))``: ``/pushnote-sw.js``, for Web Push."""

from django.urls import path

from pushnote.views import service_worker

urlpatterns = [path("pushnote-sw.js", service_worker, name="pushnote-service-worker")]
