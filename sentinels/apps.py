from django.apps import AppConfig


class SentinelsConfig(AppConfig):
    name = "sentinels"
    verbose_name = "Sentinels"
