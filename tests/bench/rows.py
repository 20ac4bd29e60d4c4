"""What every benchmark here measures, in one form: rows for tests/bench/run.

A row says what was measured, the target it has (or none), the figure, and how
the repetitions spread. Nothing here fails for a time.
"""

import json
import os
import statistics
import sys


class Row:
    """`better` is "less" or "more": which side of the target is reached."""

    def __init__(self, what, samples, unit, target=None, better="less",
                 note=""):
        self.what = what
        self.samples = [float(sample) for sample in samples]
        self.unit = unit
        self.target = target
        self.better = better
        self.note = note

    @property
    def median(self):
        return statistics.median(self.samples)

    def reached(self):
        """True, False, or None where there is no target."""
        if self.target is None:
            return None
        if self.better == "less":
            return self.median <= self.target
        return self.median >= self.target

    def as_json(self):
        return {"what": self.what, "median": self.median, "unit": self.unit,
                "least": min(self.samples), "most": max(self.samples),
                "repetitions": len(self.samples), "target": self.target,
                "better": self.better, "reached": self.reached(),
                "note": self.note}


def number(value):
    """Three digits that count: 0.0213, 1.87, 12,300."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 3 - len(str(int(abs(value)))))
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.{digits}f}"


def line(row):
    """One row of json, in two lines of at most 80 columns."""
    spread = ""
    if row["repetitions"] > 1:
        spread = (f"  ({number(row['least'])} to {number(row['most'])}, "
                  f"{row['repetitions']} times)")
    verdict = {True: "reached", False: "MISSED", None: ""}[row["reached"]]
    target = ""
    if row["target"] is not None:
        sign = "≤" if row["better"] == "less" else "≥"
        target = f"  {sign} {number(row['target'])}"
    text = (f"{row['what']}\n    {number(row['median'])} {row['unit']}"
            f"{spread}{target}  {verdict}").rstrip()
    if row["note"]:
        text += f"\n    {row['note']}"
    return text


def report(row):
    """Prints a row, and hands it to tests/bench/run when that asked."""
    print(line(row.as_json()), flush=True)
    path = os.environ.get("SLUICE_BENCH_ROWS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row.as_json(), ensure_ascii=False) + "\n")


def note(text):
    print(text, file=sys.stderr, flush=True)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for text in file:
            if text.startswith("VmRSS"):
                return int(text.split()[1])
    return 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
