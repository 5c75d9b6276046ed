"""Storage of every kind that a stronghold may lie on, each a real server of its own, for one test process."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUCKET = "realm"
KEYS = {"key": "testing", "secret": "testing"}


@contextmanager
def bucket() -> Iterator[dict[str, Any]]:
    """Options of a bucket that moto's server keeps in memory; its name is BUCKET."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS["key"],
            aws_secret_access_key=KEYS["secret"],
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield {"endpoint_url": endpoint, **KEYS}
    finally:
        server.stop()


@contextmanager
def webdav(folder: Path) -> Iterator[str]:
    """The port of a WebDAV server over `folder`, which asks for no name."""
    from cheroot import wsgi
    from wsgidav.wsgidav_app import WsgiDAVApp

    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": True}},
            "logging": {"enable": False},
            "verbose": 0,
        }
    )
    server = wsgi.Server(("127.0.0.1", 0), app)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield str(server.bind_addr[1])
    finally:
        server.stop()
        thread.join(10)


@contextmanager
def ssh(folder: Path) -> Iterator[dict[str, Any]]:
    """Options for a machine with SFTP whose root is `folder`; its key is among its `known_hosts`."""
    import asyncssh

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    key, own = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    jail = functools.partial(asyncssh.SFTPServer, chroot=str(folder).encode())

    async def serve() -> Any:
        allowed = asyncssh.import_authorized_keys(own.export_public_key().decode())
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[key], authorized_client_keys=allowed, sftp_factory=jail
        )

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(20)
    port = server.get_port()
    known = folder.parent / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
    try:
        yield {"port": port, "username": "dio", "client_keys": [own], "known_hosts": str(known)}
    finally:
        server.close()
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end_all() -> None:
    """Of the loop that this runs in."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
