from django.apps import AppConfig
from django.contrib.admin import apps


class RealmConfig(AppConfig):
    name = "realm"
    verbose_name = "Realm"


class AdminConfig(apps.SimpleAdminConfig):
    """Its pages are looked for where they are served (`realm.urls`), not by each command and daemon."""

    default_site = "realm.web.admin_site.RealmAdminSite"
