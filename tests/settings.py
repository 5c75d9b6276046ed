"""Django settings of the test session: those of the realm, in a world of its own.

pytest-django loads the settings before any conftest.py, and loading them creates the world; so it is set here.
"""

import atexit
import os
import shutil
import tempfile

for _variable in [name for name in os.environ if name.startswith("REALM_")]:
    del os.environ[_variable]
os.environ["REALM_HOME"] = tempfile.mkdtemp(prefix="realm-test-session-")
atexit.register(shutil.rmtree, os.environ["REALM_HOME"], ignore_errors=True)
for _name in ("DATABASE_URL", "REDIS_URL"):  # see tests/support/database_servers.py
    if f"TESTS_{_name}" in os.environ:
        os.environ[f"REALM_{_name}"] = os.environ[f"TESTS_{_name}"]

# For processes that tests start: they take the realm's own settings and the REALM_HOME they are given.
os.environ["DJANGO_SETTINGS_MODULE"] = "realm.settings"

from realm.settings import *  # noqa: E402, F403
