"""Django settings of the vault's own process: those of the realm, with the API and without pages.

Its guard checks Host (realm.web.guard), and knows when other machines may call it by other names.
"""

from realm.settings import *  # noqa: F403

ROOT_URLCONF = "watchtower.api.urls"
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "watchtower.api.refusals.RefusalsAsProblems",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "watchtower.api.slashes.EitherSpelling",
]
