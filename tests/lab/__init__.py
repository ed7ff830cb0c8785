# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lab: real Docker hosts and clients on one machine, in namespaces of their own."""
