"""The Django app."""

from django.apps import AppConfig


class PushnoteConfig(AppConfig):
    """``INSTALLED_APPS = ["pushnote"]``: a template tag, ``runpushnote``, and checks of the settings."""

    name = "pushnote"
    verbose_name = "pushnote"

    def ready(self) -> None:
        """Have ``manage.py check`` look at the settings, and publish by those that a test overrides."""
        from django.core.signals import setting_changed

        from pushnote import checks, pub  # noqa: F401 checks register themselves

        setting_changed.connect(pub.setting_changed, dispatch_uid="pushnote")
