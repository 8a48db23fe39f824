"""The number of the account that a student's pod runs under, where accounts are made from names.

On Kubernetes nobody has an account. A hub that runs each student's pod under a number of its own gives the
exchange what it has on a server with real accounts: whose a file is. The number follows from the name alone,
so that the grader needs no list of them: docs/deployment/kubernetes/jupyterhub_config.py has the same rule.
"""

from __future__ import annotations

import hashlib

FIRST = 1 << 30  # above all accounts and ranges that systems hand out; with the rest below 2**31


def account_of(name: str) -> int:
    """The number for this name. Of 1,000 students two have the same one in 1 of 2,000 courses."""
    return FIRST + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % FIRST
