"""`strongholds.yaml`: what is named there, and how it is changed."""

import pytest

from realm.strict import BadConfig
from realm.world import World
from vault.errors import NotFound, Refused
from vault.strongholds.opening import open_stronghold
from vault.strongholds.registry import StorageRegistry, StrongholdType


def test_the_call_of_the_seed(world: World) -> None:
    registry = StorageRegistry(world.home)
    registry.register_stronghold(name="synology_main", stronghold_type=StrongholdType.NAS, host="192.168.0.9")
    entry = registry.list()["synology_main"]
    assert (entry.type, entry.host, entry.is_elsewhere) == (StrongholdType.NAS, "192.168.0.9", True)
    assert "it has no path yet" in entry.unusable
    assert StrongholdType.REMOTE is StrongholdType.ZONE


@pytest.mark.django_db
def test_one_without_a_path_is_refused_in_words(world: World) -> None:
    StorageRegistry(world.home).register_stronghold(name="nas", stronghold_type="nas", host="192.168.0.9")
    with pytest.raises(Refused, match="nas cannot be used: it has no path yet"):
        open_stronghold(world, "nas")
    with pytest.raises(NotFound, match=r"no stronghold or zone 'nass'\. Known: nas\."):
        open_stronghold(world, "nass")


def test_comments_stay_and_a_name_is_taken_once(world: World) -> None:
    world.strongholds_file.write_text("# mine\ndisk2: # in the cellar\n  type: local\n  path: /mnt/disk2\n")
    registry = StorageRegistry(world.home)
    registry.register_stronghold(name="bucket", stronghold_type="url", url="s3://realm/vault", options={"anon": False})
    text = world.strongholds_file.read_text()
    assert text.startswith("# mine\ndisk2: # in the cellar\n")
    assert list(registry.list()) == ["disk2", "bucket"] or list(registry.list()) == ["bucket", "disk2"]
    with pytest.raises(Refused, match="is a stronghold bucket already"):
        registry.register_stronghold(name="bucket", stronghold_type="nas", host="x")
    registry.remove("bucket")
    assert list(registry.list()) == ["disk2"]
    with pytest.raises(NotFound, match="no stronghold 'bucket'"):
        registry.remove("bucket")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: {type: moon}", "type: 'moon' is not allowed"),
        ("a: {type: nas, pth: /x}", "pth"),
        ("a: {type: nas, path: here}", "is relative"),
        ("a: {type: local}", "needs one"),
        ("a: {type: url, url: nowhere}", "is none"),
        ("a: {type: url, url: 's3://me:key@realm'}", "secret_file"),
        ("a: {type: url, url: 'webdav://169.254.169.254/dav'}", "url: .* is where no stronghold can be"),
        ("a: {type: url, url: 'ssh://[::ffff:a9fe:a9fe]/x'}", "url: .* is where no stronghold can be"),
        (
            "a: {type: url, url: 's3://b', options: {endpoint_url: 'http://2852039166'}}",
            "options.endpoint_url: .* is where no",
        ),
        (
            "a: {type: url, url: 's3://b', options: {client_kwargs: {endpoint_url: 'http://metadata.goog'}}}",
            "options.client_kwargs.endpoint_url: .* is where no",
        ),
        ("a: {type: url, url: 'sftp:///x', options: {host: 0xa9fea9fe.}}", "options.host: .* is where no"),
        ("a: {type: nas, secret_file: ../config.yaml}", "no name of a file in secrets"),
        ("a: {type: nas, timeout_seconds: 0}", "timeout_seconds"),
        ("../a: {type: nas}", "no stronghold's name"),
        ("local: {type: nas}", "no stronghold's name"),
    ],
)
def test_what_cannot_be_is_named(world: World, text: str, why: str) -> None:
    world.strongholds_file.write_text(text)
    with pytest.raises(BadConfig, match=why):
        StorageRegistry(world.home).list()


def test_a_bucket_may_be_called_as_it_likes(world: World) -> None:
    world.strongholds_file.write_text("a: {type: url, url: 's3://metadata/folder'}")
    assert StorageRegistry(world.home).get("a").url == "s3://metadata/folder"


def test_what_would_not_be_readable_is_not_written(world: World) -> None:
    with pytest.raises(BadConfig):
        StorageRegistry(world.home).register_stronghold(name="a", stronghold_type="url", url="s3://me:key@realm")
    assert not world.strongholds_file.exists()
