# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A bill of materials (SPDX 2.3, JSON) of the collection's archive: its files, their licenses, and what they import that is not in it.

All of it is read from the archive. The archive holds nobody else's code; what it imports is named, not shipped.
"""
from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

from tests.tools.reproducible import MANIFEST, contents

# Names that Python imports, the package of PyPI that brings them, and how SPDX calls what it is to the collection.
RUNTIME, OPTIONAL = "RUNTIME_DEPENDENCY_OF", "OPTIONAL_DEPENDENCY_OF"
PACKAGES = {
    "ansible": ("ansible-core", RUNTIME),
    "yaml": ("PyYAML", RUNTIME),  # ansible-core brings it
    "docker": ("docker", OPTIONAL),
    "iptc": ("python-iptables", OPTIONAL),
    "jmespath": ("jmespath", OPTIONAL),
    "requests": ("requests", OPTIONAL),  # docker brings it
}
_LICENSE = re.compile(rb"SPDX-License-Identifier: *(%s(?: (?:AND|OR|WITH) %s)*)" % ((rb"[\w.+-]*[\w+]",) * 2))
_COPYRIGHT = re.compile(rb"Copyright: .*?(?=\s*(?:-->|\*/|\n|$))")
# A header is within these bytes.
_HEAD = 2000


class Unknown(Exception):
    """A file imports what no package is known for."""


def imported(source: str) -> Iterator[str]:
    """The first part of each name that a Python file imports, wherever in it, but for relative imports and Python's own library."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module" and node.args and isinstance(node.args[0], ast.Constant):
            names = [str(node.args[0].value)]
        yield from (first for first in (name.partition(".")[0] for name in names)
                    if first not in sys.stdlib_module_names and first != "ansible_collections")


def needed(files: Mapping[str, bytes]) -> dict[str, str]:
    """Each package that these files import, with its relation to the collection."""
    found: dict[str, str] = {}
    for name in sorted(files):
        for first in imported(files[name].decode()) if name.endswith(".py") else ():
            if first not in PACKAGES:
                raise Unknown("%s imports %s: name its package in tests/tools/sbom.py" % (name, first))
            found.update([PACKAGES[first]])
    return found


def file_entry(name: str, content: bytes, number: int) -> dict[str, object]:
    """A file as SPDX has it. What its header does not say is not claimed."""
    header = _LICENSE.search(content[:_HEAD])
    rights = _COPYRIGHT.search(content[:_HEAD])
    license_id = header[1].decode() if header else ""
    return {
        "SPDXID": "SPDXRef-File-%d" % number,
        "fileName": "./" + name,
        "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()},  # SPDX 2.3 demands it
                      {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}],
        "licenseConcluded": license_id or "NOASSERTION",
        "licenseInfoInFiles": [license_id or "NONE"],
        "copyrightText": rights[0].decode() if rights else "NOASSERTION",
    }


def dependency(name: str, version: str = "") -> dict[str, object]:
    """A package that is not in the archive. version: the range of versions that the archive names."""
    entry: dict[str, object] = {
        "SPDXID": "SPDXRef-Package-" + name,
        "name": name,
        "downloadLocation": "https://pypi.org/project/%s/" % name,
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:pypi/" + name.lower()}],
    }
    return dict(entry, comment="Versions: " + version) if version else entry


def bill(archive: Path, when: int) -> dict[str, object]:
    """The bill of materials of an archive. when: the time it names, in seconds since 1970."""
    held = contents(archive)
    info = json.loads(held[MANIFEST])["collection_info"]
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    name = "%s.%s" % (info["namespace"], info["name"])
    files = [file_entry(each, held[each], number) for number, each in enumerate(sorted(held))]
    licenses = sorted({str(each["licenseConcluded"]) for each in files} - {"NOASSERTION"})
    verification = hashlib.sha1("".join(sorted(hashlib.sha1(content).hexdigest() for content in held.values())).encode()).hexdigest()
    collection = {
        "SPDXID": "SPDXRef-Package",
        "name": name,
        "versionInfo": info["version"],
        "packageFileName": archive.name,
        "supplier": "Organization: %s" % ", ".join(info["authors"]),
        "downloadLocation": info["repository"],
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": verification},
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "licenseConcluded": " AND ".join(licenses),
        "licenseInfoFromFiles": licenses,
        "licenseDeclared": " AND ".join(info["license"]),
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:generic/%s@%s" % (name, info["version"])}],
    }
    core = re.search(rb'^requires_ansible: *["\']?([^"\'\n]+)', held["meta/runtime.yml"], re.MULTILINE)
    packages = needed(held)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": archive.name,
        "documentNamespace": "%s/spdx/%s-%s" % (info["repository"], archive.name, digest),
        "creationInfo": {"created": datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: tests/tools/sbom.py"]},
        "packages": [collection, *(dependency(each, core[1].decode() if core and each == "ansible-core" else "") for each in sorted(packages))],
        "files": files,
        "relationships": [
            relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package"),
            *(relation("SPDXRef-Package-" + each, packages[each], "SPDXRef-Package") for each in sorted(packages)),
            *(relation("SPDXRef-Package", "CONTAINS", str(each["SPDXID"])) for each in files),
        ],
    }


def relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def write(archive: Path, when: int) -> Path:
    """Write the bill of materials of an archive beside it, and return its path."""
    target = archive.with_name(archive.name.replace(".tar.gz", ".spdx.json"))
    target.write_text(json.dumps(bill(archive, when), indent=1) + "\n", encoding="utf-8")
    return target
