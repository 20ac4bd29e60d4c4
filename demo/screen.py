"""What the person in front of the stage sees: 80 columns, a clock, colour only
on a terminal and where NO_COLOR does not forbid it."""

import os
import sys
import textwrap
import time

WIDTH = 80
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32",
          "yellow": "33", "blue": "34", "cyan": "36"}


class Screen:
    def __init__(self, out=sys.stdout):
        self.out = out
        self.colour = out.isatty() and "NO_COLOR" not in os.environ
        self.began = time.monotonic()

    def paint(self, text, *styles):
        if not self.colour or not styles:
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\033[{codes}m{text}\033[0m"

    def clock(self):
        seconds = int(time.monotonic() - self.began)
        return f"{seconds // 60}:{seconds % 60:02d}"

    def headline(self, text):
        rest = WIDTH - len(text) - 5
        self._print()
        self._print(self.paint(f"━━━ {text} " + "━" * max(rest, 3), "bold",
                               "cyan"))

    def say(self, text):
        """Words for the audience."""
        for line in textwrap.wrap(text, WIDTH - 2):
            self._print("  " + line)

    def command(self, who, text):
        """A command as somebody would type it."""
        head = f"{who}$ "
        lines = textwrap.wrap(text, WIDTH - 4 - len(head),
                              break_on_hyphens=False)
        self._print("  " + self.paint(head, "dim") +
                    self.paint(lines[0], "bold"))
        for line in lines[1:]:
            self._print(" " * (2 + len(head)) + self.paint(line, "bold"))

    def output(self, text):
        """What a program printed, as it is; a page that fills the width
        stands without the bar."""
        lines = text.rstrip().splitlines()
        full = any(len(line) > WIDTH - 4 for line in lines)
        bar = "" if full else "  " + self.paint("│ ", "dim")
        for line in lines:
            self._print(bar + line)

    def event(self, word, text, *styles):
        """One line of live progress: clock, what, whom."""
        head = f"{self.clock():>6}  {word:<12} "
        lines = textwrap.wrap(text, WIDTH - len(head),
                              break_on_hyphens=False) or [""]
        self._print(self.paint(head, *styles) + lines[0])
        for line in lines[1:]:
            self._print(" " * len(head) + line)

    def verdict(self, fine, promised, measured):
        mark = self.paint("  kept", "green", "bold") if fine else \
            self.paint("BROKEN", "red", "bold")
        indent = " " * 10
        lines = textwrap.wrap(f"{promised}: {measured}", WIDTH - len(indent),
                              break_on_hyphens=False)
        self._print(f"{mark}    {lines[0]}")
        for line in lines[1:]:
            self._print(indent + line)

    def table(self, rows):
        """Rows of (fine, promised, measured), as two columns and a mark."""
        left = 37
        right = WIDTH - left - 12
        self._print(f"{'':8}  {'promised':<{left}}  measured")
        for fine, promised, measured in rows:
            first = textwrap.wrap(promised, left, break_on_hyphens=False)
            second = textwrap.wrap(measured, right, break_on_hyphens=False)
            mark = self.paint("  kept  ", "green") if fine else \
                self.paint("  BROKEN", "red", "bold")
            for index in range(max(len(first), len(second))):
                one = first[index] if index < len(first) else ""
                two = second[index] if index < len(second) else ""
                self._print(f"{mark if index == 0 else ' ' * 8}  "
                            f"{one:<{left}}  {two}".rstrip())

    def ask(self, question, answers):
        """What the person types, one of `answers`; the first is Enter's."""
        while True:
            self.out.write(self.paint(f"  ▶ {question} ", "bold", "yellow") +
                           f"[{' / '.join(answers)}] ")
            self.out.flush()
            line = sys.stdin.readline()
            if not line:
                raise KeyboardInterrupt
            typed = line.strip().lower() or answers[0]
            for answer in answers:
                if typed == answer or (len(typed) > 1 and
                                       answer.startswith(typed)):
                    return answer
            if len(typed) == 1:
                fits = [a for a in answers if a.startswith(typed)]
                if len(fits) == 1:
                    return fits[0]

    def _print(self, text=""):
        print(text, file=self.out, flush=True)
