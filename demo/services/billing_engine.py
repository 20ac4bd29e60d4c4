#!/usr/bin/python3
"""Computes what an invoice costs, from the customer's tariff (billing
database) and what the meter says (meter readings); records payments."""

from decimal import Decimal

import service

INVOICE = """
  SELECT i.number, i.customer, i.meter, i.period, i.paid_at IS NOT NULL,
         coalesce(i.receipt, ''), t.base, t.per_unit
  FROM invoices i JOIN tariffs t ON t.name = i.tariff
"""


def compute(settings, rows):
    used = {}
    for meter, period, units in service.query(
            settings, "meter-readings",
            "SELECT meter, period, reading - previous FROM readings"):
        used[(meter, period)] = units
    invoices = []
    for number, customer, meter, period, paid, receipt, base, unit in rows:
        if (meter, period) not in used:
            raise service.Problem(f"no reading of {meter} for {period}")
        amount = Decimal(base) + used[(meter, period)] * Decimal(unit)
        invoices.append({
            "number": number, "customer": customer, "meter": meter,
            "period": period, "units": used[(meter, period)],
            "amount": f"{amount:.2f}", "paid": paid, "receipt": receipt})
    return invoices


def invoice(settings, number, _):
    rows = service.query(settings, "billing-db",
                         INVOICE + " WHERE i.number = %s", (number,))
    if not rows:
        raise service.NotFound(f"invoice {number}")
    return compute(settings, rows)[0]


def unpaid(settings, _, __):
    return compute(settings, service.query(
        settings, "billing-db",
        INVOICE + " WHERE i.paid_at IS NULL ORDER BY i.number"))


def paid(settings, number, body):
    rows = service.query(
        settings, "billing-db",
        "UPDATE invoices SET paid_at = now(), receipt = %s "
        "WHERE number = %s AND paid_at IS NULL RETURNING number",
        (str(body.get("receipt", ""))[:64], number))
    return {"number": number, "recorded": bool(rows)}


def ready(settings, _, __):
    return {"ready": True, "unpaid": len(unpaid(settings, "", None))}


service.serve({
    ("GET", "/ready"): ready,
    ("GET", "/invoice/"): invoice,
    ("GET", "/unpaid"): unpaid,
    ("POST", "/paid/"): paid,
})
