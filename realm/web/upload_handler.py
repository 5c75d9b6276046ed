"""Files of forms on their way into the world: none takes the room that training saves in, none is left behind."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, TemporaryFileUploadHandler

from realm.disk import room

ABANDONED_SECONDS = 24 * 3600.0


def sweep(folder: Path) -> None:
    """Delete what was given up: a page that was closed, a form whose server was killed."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


class UploadHandler(TemporaryFileUploadHandler):
    """Raises room.NoRoom before a file that does not fit, and within one where others fill the disk meanwhile."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        self._request_bytes = content_length

    def new_file(self, *arguments: Any, **named: Any) -> None:
        sweep(Path(settings.FILE_UPLOAD_TEMP_DIR))
        room.check(Path(settings.FILE_UPLOAD_TEMP_DIR), self._request_bytes)
        FileUploadHandler.new_file(self, *arguments, **named)
        # The temp file has not the ending of the client's name, which may be as long as a whole name.
        self.file = TemporaryUploadedFile("part", self.content_type, 0, self.charset, self.content_type_extra)
        self.file.name = self.file_name

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            room.check(Path(settings.FILE_UPLOAD_TEMP_DIR))
            super().receive_data_chunk(raw_data, start)
        except OSError:
            with suppress(OSError):  # closing writes what is still in the buffer
                self.file.close()
            raise
