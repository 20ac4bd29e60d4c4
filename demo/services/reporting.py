#!/usr/bin/python3
"""The month in figures, from both databases."""

import service


def report(settings, _, __):
    [(invoices, paid)] = service.query(
        settings, "billing-db",
        "SELECT count(*), count(paid_at) FROM invoices")
    [(units,)] = service.query(
        settings, "meter-readings",
        "SELECT sum(reading - previous) FROM readings")
    return {"invoices": invoices, "paid": paid, "units": int(units)}


def ready(settings, _, __):
    return {"ready": True, **report(settings, "", None)}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/report"): report,
})
