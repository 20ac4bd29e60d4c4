#!/usr/bin/python3
"""The bank, outside the estate: settles what it is asked to, gives a
receipt."""

import service


def settle(_, __, body):
    reference = str(body.get("reference", ""))[:32]
    return {"settled": True, "receipt": f"bank-{reference.lower()}"}


def ready(_, __, ___):
    return {"ready": True}


service.serve({
    ("GET", "/ready"): ready,
    ("POST", "/settle"): settle,
})
