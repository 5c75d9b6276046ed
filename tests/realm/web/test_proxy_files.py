"""The configurations that are shipped for reverse proxies are valid, as these read them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from realm.world import CHECKOUT
from tests.support.nginx import prepare
from tests.support.servers import free_port


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_takes_what_is_shipped(tmp_path: Path) -> None:
    prepare(tmp_path, free_port(), 8888)
    done = subprocess.run(["nginx", "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("caddy"), reason="caddy is not installed")
def test_caddy_takes_what_is_shipped(tmp_path: Path) -> None:
    config = CHECKOUT / "configs" / "proxy" / "Caddyfile"
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(config)]
    done = subprocess.run(command, env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
