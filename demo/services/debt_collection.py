#!/usr/bin/python3
"""Who owes what: the billing engine's unpaid invoices with their customers."""

import service


def owed(settings, _, __):
    owing = []
    for invoice in service.ask(settings, "billing-engine", "/unpaid"):
        customer = service.ask(settings, "customer-information",
                               f"/customer/{invoice['customer']}")
        owing.append({"customer": customer["name"],
                      "invoice": invoice["number"],
                      "amount": invoice["amount"]})
    return owing


def ready(settings, _, __):
    return {"ready": True, "owing": len(owed(settings, "", None))}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/owed"): owed,
})
