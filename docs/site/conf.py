# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""How Sphinx makes the site (``make site``). Its sources are a copy of this tree, made by tests/tools/site.py."""
project = "drawbridge.docker"
author = "The Drawbridge authors"
copyright = "2026, The Drawbridge authors"  # noqa: A001  the name that Sphinx reads

extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
root_doc = "index"
include_patterns = [
    "index.md", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md", "docs/**/*.md", "reference/*.rst", "roles/*/README.md", "tests/README.md",
    "tests/**/README.md",
]
exclude_patterns = ["docs/site/**"]

# Links to headings are those that GitHub makes.
myst_heading_anchors = 6
# Blocks without a language are commands and output.
highlight_language = "none"

# The pages of Ansible's that the reference names, see tests/tools/docs_site.py: nothing is fetched.
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/ansible/latest/", "reference/ansible.inv")}

html_theme = "furo"
html_title = "drawbridge.docker"
html_copy_source = False
html_show_sphinx = False
# A summary below a result would be fetched, which a browser refuses for pages that come from files.
html_show_search_summary = False
# The date of the build would make two builds differ.
html_last_updated_fmt = None
