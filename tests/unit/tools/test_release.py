# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A release: an archive's bytes depend on its contents alone, and its bill of materials says what is in it and what it imports."""
import hashlib
import io
import json
import subprocess
import tarfile

import pytest

from tests.tools import reproducible, sbom

HEADER = b"# SPDX-License-Identifier: %s\n# Copyright: (c) 2026, Somebody\n"
FILES = {
    "meta/runtime.yml": b'requires_ansible: ">=2.18.0"\n',
    "plugins/a.py": HEADER % b"GPL-3.0-or-later" + b"import os\nimport jmespath.parser\n",
    "plugins/b.py": HEADER % b"MIT" + b"from . import a\nfrom ansible.errors import AnsibleError\n",
    "notes.md": b"<!-- SPDX-License-Identifier: MIT. -->",
    "README.md": b"A name of more than a hundred letters follows.\n",
    "docs/" + "x" * 120 + ".md": b"",
}
WHEN = 1750000000


def collection(path, names=tuple(FILES), mtime=1, mode=0o644, uid=0, files=None):
    """An archive as ansible-galaxy builds it, with its files in this order; FILES if there are no others."""
    files = files or FILES
    entries = [{"name": name, "ftype": "file", "chksum_sha256": hashlib.sha256(files[name]).hexdigest()} for name in names]
    listed = json.dumps({"files": entries, "format": 1}, indent=True).encode()
    info = {"namespace": "drawbridge", "name": "docker", "version": "1.2.3", "authors": ["A", "B"], "license": ["GPL-3.0-or-later"],
            "repository": "https://git.example/x"}
    manifest = {"collection_info": info, "file_manifest_file": {"name": "FILES.json", "chksum_sha256": hashlib.sha256(listed).hexdigest()}}
    held = {"MANIFEST.json": json.dumps(manifest, indent=True).encode(), "FILES.json": listed, **{name: files[name] for name in names}}
    with tarfile.open(str(path), "w:gz") as tar:
        folder = tarfile.TarInfo("plugins")
        folder.type, folder.mode, folder.mtime, folder.uid = tarfile.DIRTYPE, mode | 0o100, mtime, uid
        tar.addfile(folder)
        for name, content in held.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime, member.uid, member.uname = len(content), mode, mtime, uid, "u%d" % uid
            tar.addfile(member, io.BytesIO(content))
    return path


def test_the_same_contents_are_the_same_bytes(tmp_path):
    one = collection(tmp_path / "one.tar.gz")
    other = collection(tmp_path / "other.tar.gz", tuple(reversed(FILES)), mtime=99.5, mode=0o600, uid=1000)
    assert one.read_bytes() != other.read_bytes()
    reproducible.repack(one, WHEN)
    reproducible.repack(other, WHEN)
    assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tar.gz", "other.tar.gz"]


@pytest.mark.parametrize("change", [{"names": tuple(FILES)[1:]}, {"files": dict(FILES, **{"README.md": b"Other.\n"})}, {"mode": 0o755}])
def test_other_contents_are_other_bytes(tmp_path, change):
    one, other = collection(tmp_path / "one.tar.gz"), collection(tmp_path / "other.tar.gz", **change)
    reproducible.repack(one, WHEN)
    reproducible.repack(other, WHEN)
    assert one.read_bytes() != other.read_bytes()


def test_what_is_packed_anew_is_whole(tmp_path):
    archive = collection(tmp_path / "one.tar.gz", mode=0o755)
    before = reproducible.contents(archive)
    reproducible.repack(archive, WHEN)
    held = reproducible.contents(archive)
    assert {name: held[name] for name in FILES} == {name: before[name] for name in FILES} == FILES
    listed = json.loads(held["FILES.json"])["files"]
    assert [entry["name"] for entry in listed] == sorted(FILES)
    assert json.loads(held["MANIFEST.json"])["file_manifest_file"]["chksum_sha256"] == hashlib.sha256(held["FILES.json"]).hexdigest()
    with tarfile.open(str(archive)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members[:2]] == ["FILES.json", "MANIFEST.json"]
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(WHEN, 0, "", 0o755)}
    assert [member.name for member in members if member.isdir()] == ["plugins"]


def test_checksums_are_what_sha256sum_reads(tmp_path):
    files = [tmp_path / "b", tmp_path / "a"]
    for path in files:
        path.write_text(path.name)
    sums = reproducible.write_checksums(files)
    assert sums == tmp_path / "SHA256SUMS"
    check = ["sha256sum", "--check", "--strict", sums.name]
    assert subprocess.run(check, cwd=str(tmp_path), check=True, stdout=subprocess.PIPE).stdout == b"a: OK\nb: OK\n"
    files[0].write_text("another")
    assert subprocess.run(check, cwd=str(tmp_path), check=False, capture_output=True).returncode == 1


def test_the_bill_names_files_licenses_and_packages(tmp_path):
    archive = collection(tmp_path / "drawbridge-docker-1.2.3.tar.gz")
    target = sbom.write(archive, WHEN)
    assert target.name == "drawbridge-docker-1.2.3.spdx.json"
    made = json.loads(target.read_text())
    assert made == sbom.bill(archive, WHEN)
    assert made["creationInfo"]["created"] == "2025-06-15T15:06:40Z"
    files = {entry["fileName"][2:]: entry for entry in made["files"]}
    assert set(files) == {*FILES, "MANIFEST.json", "FILES.json"}
    assert [files[name]["licenseConcluded"] for name in ("plugins/a.py", "plugins/b.py", "notes.md", "README.md")] == [
        "GPL-3.0-or-later", "MIT", "MIT", "NOASSERTION"]
    assert files["plugins/a.py"]["copyrightText"] == "Copyright: (c) 2026, Somebody"
    assert files["README.md"]["checksums"][1]["checksumValue"] == hashlib.sha256(FILES["README.md"]).hexdigest()
    packages = {entry["name"]: entry for entry in made["packages"]}
    assert list(packages) == ["drawbridge.docker", "ansible-core", "jmespath"]
    assert packages["drawbridge.docker"]["checksums"][0]["checksumValue"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert packages["drawbridge.docker"]["licenseConcluded"] == "GPL-3.0-or-later AND MIT"
    assert packages["ansible-core"]["comment"] == "Versions: >=2.18.0"
    kinds = [(each["spdxElementId"], each["relationshipType"]) for each in made["relationships"] if each["relationshipType"] != "CONTAINS"]
    assert kinds == [("SPDXRef-DOCUMENT", "DESCRIBES"), ("SPDXRef-Package-ansible-core", "RUNTIME_DEPENDENCY_OF"),
                     ("SPDXRef-Package-jmespath", "OPTIONAL_DEPENDENCY_OF")]
    identifiers = [entry["SPDXID"] for entry in (made, *made["packages"], *made["files"])]
    assert len(identifiers) == len(set(identifiers))
    assert {name for each in made["relationships"] for name in (each["spdxElementId"], each["relatedSpdxElement"])} == set(identifiers)


@pytest.mark.parametrize("source, found", [
    ("import os, docker.errors", ["docker"]),
    ("def f():\n    import iptc as i", ["iptc"]),
    ("importlib.import_module('jmespath.x')", ["jmespath"]),
    ("importlib.import_module(name)\nimportlib.import_module()", []),
    ("from . import yaml\nfrom ..x import y\nfrom ansible_collections.a.b import c", []),
])
def test_what_a_file_imports(source, found):
    assert list(sbom.imported(source)) == found


def test_a_package_that_nobody_knows_is_said():
    with pytest.raises(sbom.Unknown, match="plugins/a.py imports numpy"):
        sbom.needed({"plugins/a.py": b"import numpy"})
