from django.apps import AppConfig


class RealmConfig(AppConfig):
    name = "realm"
    verbose_name = "Realm"
