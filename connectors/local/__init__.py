"""Embedded AWS, Mongo-wire and PostgreSQL servers, for the demo and the tests.

Each server is a child process on a free loopback port, with its data and log in
one directory. Production code never imports this package.

    parent ── pipe ──> guard ── child ──> server        one guard for each server

The guard ends its server, children and data included, when the pipe closes: so
nothing outlives the parent, not even one that was killed with SIGKILL.
"""

from connectors.local.services import LocalServices, ServiceFailed, local_services

__all__ = ["LocalServices", "ServiceFailed", "local_services"]
