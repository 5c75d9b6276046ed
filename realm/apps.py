from django.apps import AppConfig
from django.contrib.admin import apps
from django.db.backends.signals import connection_created

from realm.databases import postgresql_text
from realm.databases import private as private_database
from realm.web import forbidden_connections


class RealmConfig(AppConfig):
    name = "realm"
    verbose_name = "Realm"

    def ready(self) -> None:
        forbidden_connections.refuse()
        connection_created.connect(postgresql_text.register)
        connection_created.connect(private_database.keep_private)


class AdminConfig(apps.SimpleAdminConfig):
    """Its pages are looked for where they are served (`realm.urls`), not by each command and daemon."""

    default_site = "realm.web.admin_site.RealmAdminSite"
