"""A manifest as Metalink 4 (RFC 5854), which download programs such as aria2 understand: digests, pieces, addresses."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

from realm.checkpoints.sidecar import CHUNK_BYTES
from vault.assets.manifest import Manifest

MEDIA_TYPE = "application/metalink4+xml"
_NAMESPACE = "urn:ietf:params:xml:ns:metalink"
_SHA_256 = "sha-256"


def metalink(manifest: Manifest, url_of: Callable[[str], str]) -> bytes:
    """`url_of` gives the address of a file by its path."""
    root = ElementTree.Element("metalink", xmlns=_NAMESPACE)
    for path in manifest.order:
        proof = manifest.files[path]
        name = path if manifest.is_file else f"{manifest.name}/{path}"
        file = ElementTree.SubElement(root, "file", name=name)
        _add(file, "size", str(proof.size_bytes))
        _add(file, "hash", proof.sha256, type=_SHA_256)
        if proof.chunks:
            pieces = ElementTree.SubElement(file, "pieces", length=str(CHUNK_BYTES), type=_SHA_256)
            for digest in proof.chunks:
                _add(pieces, "hash", digest)
        _add(file, "url", url_of(path))
    told: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return told


def _add(parent: ElementTree.Element, tag: str, text: str, **attributes: str) -> None:
    ElementTree.SubElement(parent, tag, attributes).text = text
