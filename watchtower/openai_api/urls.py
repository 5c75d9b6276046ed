"""The addresses below `/v1`."""

from realm.web.body_sizes import takes_up_to
from watchtower.openai_api.api import api
from watchtower.openai_api.sizes import UPLOAD_BYTES

urlpatterns = api.urls[0]
for _each in urlpatterns:
    if str(_each.pattern) == "files" and _each.callback:
        takes_up_to(UPLOAD_BYTES)(_each.callback)
