from django.apps import AppConfig


class WatchtowerConfig(AppConfig):
    name = "watchtower"
    verbose_name = "Watchtower"
