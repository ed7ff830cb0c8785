# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Make the pictures of the audit's page in docs/, and, to be looked at, of the site and of the README's picture in .build/pictures/.

``.build/venv-newest/bin/python -m tests.integration.browser``
"""

from __future__ import annotations

import conftest  # noqa: F401  # pylint: disable=unused-import # it lets the collection be found

from .support.pictures import make_audit, make_site

make_audit()
make_site()
