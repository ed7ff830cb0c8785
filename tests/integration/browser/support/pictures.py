# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Make the pictures of the audit's page in docs/, and, to be looked at, those of the site and of the README's picture in .build/pictures/."""
from __future__ import annotations

import tempfile
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import read
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.page import page

from tests.integration.browser.support.chromium import Chromium
from tests.tools import env, gatelist
from tests.unit.support.audit_data import audited

ENGINES = {"web1": "20.10.24", "web2": "28.5.2", "web3": "29.1.3"}


def make_audit() -> None:
    """Write a light and a dark one."""
    told = {name: audited(engine, {"office": ["203.0.113.0/24"]}) for name, engine in ENGINES.items()}
    folder = env.ROOT / "docs" / "guides" / "images"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "audit.html")
        path.write_text(page(read([*told, "db1"], set(told), told.get)), encoding="ascii")
        chromium = Chromium(Path(place, "profile"), 1000, 900)
        for scheme in ("light", "dark"):
            chromium.media(scheme=scheme)
            chromium.open(path)
            if scheme == "dark":
                chromium.run("document.querySelector('td.cell button.open').click()")
            (folder / ("audit-%s.png" % scheme)).write_bytes(chromium.screenshot())
        chromium.close()


def make_site() -> None:
    """Write a light and a dark one of each page, as wide as a reader's window."""
    gatelist.site()
    folder = env.ROOT / ".build" / "pictures"
    folder.mkdir(exist_ok=True)
    pages = {"site": env.ROOT / ".build" / "site" / "index.html", "policy": env.ROOT / ".build" / "site" / "docs" / "guides" / "policy.html",
             "demo": env.ROOT / "docs" / "picture" / "demo.svg"}
    with tempfile.TemporaryDirectory() as place:
        chromium = Chromium(Path(place, "profile"), 1280, 900)
        for scheme in ("light", "dark"):
            chromium.media(scheme=scheme)
            for name, page_of_it in pages.items():
                chromium.open(page_of_it)
                path = folder / ("%s-%s.png" % (name, scheme))
                path.write_bytes(chromium.screenshot())
                print(path.relative_to(env.ROOT))
        chromium.close()
