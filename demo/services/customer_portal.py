#!/usr/bin/python3
"""What a citizen sees, behind nginx: an invoice with a name on it, and a way
to pay it."""

import service


def invoice(settings, number, _):
    due = service.ask(settings, "payment-gateway", f"/due/{number}", tls=True)
    customer = service.ask(settings, "customer-information",
                           f"/customer/{due['customer']}")
    return {**due, "name": customer["name"]}


def pay(settings, number, _):
    return service.ask(settings, "payment-gateway", f"/pay/{number}",
                       body={}, tls=True)


def ready(settings, _, __):
    service.ask(settings, "payment-gateway", "/ready", tls=True)
    service.ask(settings, "customer-information", "/ready")
    return {"ready": True}


def hello(_, __, ___):
    return {"portal": "The city utility"}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/"): hello,
    ("GET", "/invoice/"): invoice,
    ("POST", "/pay/"): pay,
})
