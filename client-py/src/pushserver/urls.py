"""``re_path(r"^passthrough", include("pushserver.urls"))``."""

from django.urls import re_path

from pushserver.views import passthrough

urlpatterns = [re_path(r"^$", passthrough, name="pushserver-passthrough")]
