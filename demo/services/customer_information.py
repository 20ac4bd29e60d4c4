#!/usr/bin/python3
"""Who a customer is, from the billing database."""

import service


def customer(settings, number, _):
    rows = service.query(
        settings, "billing-db",
        "SELECT number, name, street FROM customers WHERE number = %s",
        (number,))
    if not rows:
        raise service.NotFound(f"customer {number}")
    return dict(zip(("number", "name", "street"), rows[0]))


def ready(settings, _, __):
    [(count,)] = service.query(settings, "billing-db",
                               "SELECT count(*) FROM customers")
    return {"ready": True, "customers": count}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/customer/"): customer,
})
