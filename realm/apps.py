from django.apps import AppConfig
from django.contrib.admin import apps


class RealmConfig(AppConfig):
    name = "realm"
    verbose_name = "Realm"


class AdminConfig(apps.AdminConfig):
    default_site = "realm.web.admin_site.RealmAdminSite"
