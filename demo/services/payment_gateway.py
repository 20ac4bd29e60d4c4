#!/usr/bin/python3
"""Takes a payment: asks the billing engine what is due, has the bank settle
it, tells the billing engine. Nothing is recorded that the bank did not take."""

import service


def due(settings, number, _):
    return service.ask(settings, "billing-engine", f"/invoice/{number}")


def pay(settings, number, _):
    invoice = due(settings, number, None)
    if invoice["paid"]:
        return {**invoice, "message": "paid already"}
    settled = service.ask(
        settings, "bank", "/settle", tls=True, name="bank.example",
        body={"reference": number, "amount": invoice["amount"]})
    service.ask(settings, "billing-engine", f"/paid/{number}",
                body={"receipt": settled["receipt"]})
    return {**invoice, "paid": True, "receipt": settled["receipt"],
            "message": "paid"}


def ready(settings, _, __):
    service.ask(settings, "billing-engine", "/ready")
    service.ask(settings, "bank", "/ready", tls=True, name="bank.example")
    return {"ready": True}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/due/"): due,
    ("POST", "/pay/"): pay,
})
