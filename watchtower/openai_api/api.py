"""`/v1`: the routes of OpenAI's fine-tuning API. Each reads a request, calls one function and tells what it gave."""

from __future__ import annotations

import re
from typing import Any, Literal

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import FileResponse, Http404, HttpRequest
from ninja import NinjaAPI

from realm.disk.room import NoRoom
from realm.strict import whole_number
from vault.api.asking import by
from watchtower.api.answers import JsonParser, Renderer
from watchtower.openai_api import checkpoints, files, jobs, pages, telling
from watchtower.openai_api.errors import ApiError, handle_errors
from watchtower.openai_api.events import Told
from watchtower.openai_api.files import Upload
from watchtower.openai_api.hyperparameters import JobRequest
from watchtower.openai_api.pages import After, Limit

_METADATA = re.compile(r"metadata\[(.*)\]", re.DOTALL)

api = NinjaAPI(
    title="Realm of Training: fine-tuning as OpenAI's clients ask for it",
    docs_url=None,
    openapi_url=None,
    urls_namespace="openai",
    renderer=Renderer(),
    parser=JsonParser(),
)
handle_errors(api)


@api.post("/files")
def upload(request: HttpRequest) -> Any:
    if request.content_type != "multipart/form-data":
        raise ApiError("A file is sent as multipart/form-data, with the parts file and purpose", param="file")
    try:
        found = request.FILES.get("file")
    except NoRoom as error:
        raise ApiError(str(error), param="file", code="disk_full") from error
    if not isinstance(found, TemporaryUploadedFile):
        raise ApiError("file is missing", param="file", code="missing_required_parameter")
    kept = files.keep(settings.WORLD, Upload(file=found, purpose=_purpose(request), expiry_seconds=_expiry(request)))
    return kept.to_json()


def _purpose(request: HttpRequest) -> str:
    purpose = request.POST.get("purpose")
    if not purpose:
        raise ApiError("purpose is missing", param="purpose", code="missing_required_parameter")
    return purpose


def _expiry(request: HttpRequest) -> int | None:
    anchor, seconds = request.POST.get("expires_after[anchor]"), request.POST.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    count = whole_number(seconds or "")
    if anchor != "created_at" or count is None:
        words = "expires_after: anchor 'created_at' and a whole number of seconds are expected"
        raise ApiError(words, param="expires_after", code="invalid_value")
    return count


@api.get("/files")
def list_files(
    request: HttpRequest,
    purpose: str | None = None,
    after: After = "",
    limit: Limit = 10_000,
    order: Literal["asc", "desc"] = "desc",
) -> Any:
    found = files.listed(settings.WORLD, purpose=purpose, newest_first=order == "desc")
    chosen, has_more = pages.page([file.id for file in found], after=after, limit=limit)
    return pages.listed([file.to_json() for file in found[chosen]], has_more=has_more)


@api.get("/files/{file_id}")
def retrieve_file(request: HttpRequest, file_id: str) -> Any:
    return files.get(settings.WORLD, file_id).to_json()


@api.delete("/files/{file_id}")
def delete_file(request: HttpRequest, file_id: str) -> Any:
    files.delete(settings.WORLD, files.get(settings.WORLD, file_id))
    return {"id": file_id, "object": "file", "deleted": True}


@api.get("/files/{file_id}/content")
def file_content(request: HttpRequest, file_id: str) -> Any:
    file = files.get(settings.WORLD, file_id)
    content = open(file.path(settings.WORLD), "rb")  # noqa: SIM115  # the answer closes it
    return FileResponse(content, as_attachment=True, filename=file.filename, content_type="application/octet-stream")


@api.post("/fine_tuning/jobs")
def create_job(request: HttpRequest, asked: JobRequest) -> Any:
    return telling.job(settings.WORLD, jobs.create(settings.WORLD, settings.REALM, asked, by=by(request)))


@api.get("/fine_tuning/jobs")
def list_jobs(request: HttpRequest, after: After = "", limit: Limit = 20) -> Any:
    wanted, none = _metadata_filter(request)
    found = jobs.records(settings.WORLD, metadata=wanted, without_metadata=none)
    chosen, has_more = pages.page([record.id for record in found], after=after, limit=limit)
    told = [telling.job(settings.WORLD, jobs.stand(settings.WORLD, record)) for record in found[chosen]]
    return pages.listed(told, has_more=has_more)


def _metadata_filter(request: HttpRequest) -> tuple[dict[str, str], bool]:
    """Pairs that a job must have, and whether it must have none."""
    pairs = {found[1]: str(value) for key, value in request.GET.items() if (found := _METADATA.fullmatch(key))}
    none = request.GET.get("metadata")
    if none not in (None, "null") or (none and pairs):
        words = "metadata: ask for metadata[key]=value, or for metadata=null alone"
        raise ApiError(words, param="metadata", code="invalid_value")
    return pairs, none == "null"


@api.get("/fine_tuning/jobs/{job_id}")
def retrieve_job(request: HttpRequest, job_id: str) -> Any:
    return telling.job(settings.WORLD, jobs.get(settings.WORLD, job_id))


@api.get("/fine_tuning/jobs/{job_id}/events")
def list_events(request: HttpRequest, job_id: str, after: After = "", limit: Limit = 20) -> Any:
    return Told(settings.WORLD, jobs.get(settings.WORLD, job_id)).page(after=after, limit=limit)


@api.get("/fine_tuning/jobs/{job_id}/checkpoints")
def list_checkpoints(request: HttpRequest, job_id: str, after: After = "", limit: Limit = 10) -> Any:
    found = checkpoints.listed(settings.WORLD, jobs.get(settings.WORLD, job_id))
    chosen, has_more = pages.page([one["id"] for one in found], after=after, limit=limit)
    return pages.listed(found[chosen], has_more=has_more)


@api.post("/fine_tuning/jobs/{job_id}/{act}")
def order_job(request: HttpRequest, job_id: str, act: Literal["cancel", "pause", "resume"]) -> Any:
    return telling.job(settings.WORLD, jobs.order(settings.WORLD, job_id, act, by=by(request)))


_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@api.api_operation(_ANY, "/fine_tuning/alpha/graders/{path:rest}")
def graders(request: HttpRequest, rest: str) -> None:
    raise ApiError("There are no graders here: reinforcement is not supported", status=404, code="unsupported")


@api.api_operation(_ANY, "/fine_tuning/checkpoints/{path:rest}")
def permissions(request: HttpRequest, rest: str) -> None:
    words = "There are no projects and no permissions here: whoever reaches this world may use its checkpoints"
    raise ApiError(words, status=404, code="unsupported")


@api.api_operation(_ANY, "/uploads{path:rest}")
def uploads(request: HttpRequest, rest: str) -> None:
    words = "There are no uploads in parts: send the file to /v1/files, or put a larger one into the inbox"
    raise ApiError(words, status=404, code="unsupported")


@api.api_operation(_ANY, "/chat/completions")
def chat(request: HttpRequest) -> None:
    raise ApiError(_oracle_has("chat/completions"), status=404, code="unsupported")


@api.api_operation(_ANY, "/{path:rest}")
def no_such(request: HttpRequest, rest: str) -> None:
    raise Http404(f"There is nothing at /v1/{rest[:200]}: here are files and fine_tuning. {_oracle_has('models')}")


def _oracle_has(what: str) -> str:
    return f"The oracle answers /v1/{what}, on port {settings.REALM.oracle_port}"
