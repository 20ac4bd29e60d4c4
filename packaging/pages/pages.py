#!/usr/bin/python3
"""Man pages and shell completions, made from what is there already.

  pages.py man PAGE.md --out FILE --root DIR [--describe JSON] [--version V]
  pages.py bash|zsh|fish JSON --out FILE

JSON is what a program's --help-json prints: its own definition of commands and
options. A page is Markdown whose first line is `% NAME(SECTION) what it is`;
a line `{{options}}` or `{{commands}}` stands for those of the program, and
`{{FILE#Heading}}` for that section of a document of the tree, so that nothing
is written twice. lowdown makes the page of it.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

# What a value's or a word's name says about it. Others are names that only
# the orchestrator or the host knows.
FILES = {"FILE", "MANIFEST", "OLD", "NEW", "JOURNAL", "SIG", "TEXT-FILE"}
FOLDERS = {"DIR"}


class Mistake(Exception):
    """Said to whoever builds, with what to do."""


# ── words about commands ────────────────────────────────────────────────────

def synopsis(command, before):
    parts = [f"**{before}**"]
    for option in command["options"]:
        if "-h" in option["names"] or not option["required"]:
            continue
        parts.append(f"**{option['names'][-1]}** *{option['value']}*")
    for word in command["words"]:
        text = f"*{word['name']}*" + ("…" if word["many"] else "")
        parts.append(text if word["required"] else f"[{text}]")
    return " ".join(parts)


def with_alternatives(name, value):
    return f"**{name}**" + (f" *{value}*" if value else "")


def option_lines(command):
    lines = []
    for option in command["options"]:
        if "-h" in option["names"] or not option["about"]:
            continue
        value = option.get("value", "")
        names = ", ".join(with_alternatives(n, value)
                          for n in option["names"])
        lines += [names, f": {option['about']}", ""]
    for word in command["words"]:
        if word["about"]:
            lines += [f"*{word['name']}*", f": {word['about']}", ""]
    return lines


def leaves(command, before=""):
    """(words before, command) of all that can be said, in order."""
    for sub in command["commands"]:
        words = f"{before} {sub['name']}".strip()
        if sub["commands"]:
            yield from leaves(sub, words)
        else:
            yield words, sub


def command_lines(program):
    lines = []
    for words, command in leaves(program):
        lines += [f"## {words}", "",
                  synopsis(command, f"{program['name']} {words}"), "",
                  sentence(command["about"]), ""] + option_lines(command)
    return lines


def sentence(text):
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else text + "."


# ── man pages ───────────────────────────────────────────────────────────────

def section_of(root, reference):
    name, _, heading = reference.partition("#")
    lines = (root / name).read_text(encoding="utf-8").split("\n")
    if not heading:
        return [line for line in lines if not line.startswith("# ")]
    taken, depth, code = [], 0, False
    for line in lines:
        if line.startswith("```"):
            code = not code
        match = None if code else re.match(r"(#+) (.*)", line)
        if match and depth and len(match.group(1)) <= depth:
            break
        if match and not depth and match.group(2) == heading:
            depth = len(match.group(1))
        elif depth:
            taken.append(line)
    if not depth:
        raise Mistake(f"{name} has no section '{heading}'")
    return taken


def plain_links(text):
    """A link within the tree leads nowhere in a man page: its words stay."""
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


def page_text(page, root, program):
    lines = []
    for line in page:
        match = re.fullmatch(r"\{\{(.*)\}\}", line)
        if not match:
            lines.append(line)
        elif match.group(1) == "options":
            lines += option_lines(program)
        elif match.group(1) == "commands":
            lines += command_lines(program)
        else:
            lines += section_of(root, match.group(1))
    return plain_links("\n".join(lines))


def tidy_roff(text, head):
    # Names of fonts that every formatter knows.
    text = text.replace(r"\fC", r"\fB")
    text = re.sub(r"^\.(SH|SS)\n(.*)$", r".\1 \2", text, flags=re.M)
    # The top level is the page's own; headings within shout as usual.
    text = re.sub(r"^\.SH (.*)$", lambda m: f'.SH "{m.group(1).upper()}"',
                  text, flags=re.M)
    text = re.sub(r"^(\.S[HS] .*)\n\.(PP|LP)$", r"\1", text, flags=re.M)
    text = re.sub(r"^\.(PP|LP)\n(?=\.(TS|TP|PP|LP|SH|SS|EX))", "", text,
                  flags=re.M)
    # Narrow columns: straight left edges, no words broken.
    text = re.sub(r"^(\.TH .*)$", head + r"\1" + "\n.nh\n.ad l", text,
                  count=1, flags=re.M)
    return text


def man_page(args):
    page = pathlib.Path(args.page).read_text(encoding="utf-8").split("\n")
    match = re.fullmatch(r"% ([\w.-]+)\((\d)\) (.+)", page[0])
    if not match:
        raise Mistake(f"{args.page}:1: write '% NAME(SECTION) what it is'")
    name, section, what = match.groups()
    program = json.loads(pathlib.Path(args.describe).read_text(
        encoding="utf-8")) if args.describe else None
    root = pathlib.Path(args.root)
    body = "\n".join(["# Name", "", f"{name} - {what}", ""]) + \
        page_text(page[1:], root, program)
    made = subprocess.run(
        ["lowdown", "-s", "-Tman", "--out-no-smarty", "-M", f"title={name.upper()}",
         "-M", f"section={section}", "-M", f"source=Sluice {args.version}",
         "-M", "date=", "-M", "volume=Sluice"],
        input=body, capture_output=True, text=True, check=True).stdout
    head = "'\\\\\" t\n" if ".TS" in made else ""
    return tidy_roff(made, head)


# ── completions ─────────────────────────────────────────────────────────────

def kind_of(name):
    plain = name.rstrip("….").split(",")[0]
    if plain in FILES:
        return "files"
    return "folders" if plain in FOLDERS else "names"


def choices_of(option):
    """`en or es`, `text, json, dot, svg or mermaid`: what it takes."""
    match = re.fullmatch(r"((?:[\w-]+, )*[\w-]+) or ([\w-]+)",
                         option["about"])
    if not match or "value" not in option:
        return []
    return match.group(1).split(", ") + [match.group(2)]


def tree(program):
    """Every level by the words that lead there: {"gate export": command}."""
    found = {"": program}

    def walk(command, before):
        for sub in command["commands"]:
            words = f"{before} {sub['name']}".strip()
            found[words] = sub
            walk(sub, words)

    walk(program, "")
    return found


def globals_of(program):
    return [o for o in program["options"]
            if any(name in ("--client", "--config") for name in o["names"])]


def options_at(program, words, command):
    own = command["options"]
    named = {name for o in own for name in o["names"]}
    return own + [o for o in globals_of(program)
                  if words and not named & set(o["names"])]


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bash(program):
    name = program["name"]
    function = "_" + name.replace("-", "_")
    out = [f"# bash completion of {name}, made from its own --help-json.", "",
           f"{function}() {{",
           "  local current=${COMP_WORDS[COMP_CWORD]}",
           "  local before=${COMP_WORDS[COMP_CWORD-1]} path= word i",
           "  COMPREPLY=()",
           "  for ((i = 1; i < COMP_CWORD; i++)); do",
           "    word=${COMP_WORDS[i]}",
           '    case "$path|$word" in']
    levels = tree(program)
    for words in levels:
        if not words:
            continue
        parent, _, last = words.rpartition(" ")
        out.append(f"      {quoted(parent + '|' + last)}) "
                   f"path={quoted(words)} ;;")
    out += ["    esac", "  done", "  local commands= options= words=names",
            '  case "$path" in']
    for words, command in levels.items():
        subs = " ".join(c["name"] for c in command["commands"])
        options = " ".join(n for o in options_at(program, words, command)
                           for n in o["names"])
        kind = kind_of(command["words"][0]["name"]) if command["words"] \
            else "none"
        if subs:
            kind = "none"
        out.append(f"    {quoted(words)}) commands={quoted(subs)}; "
                   f"options={quoted(options)}; words={kind} ;;")
    out += ["  esac", '  case "$path|$before" in']
    for words, command in levels.items():
        for option in options_at(program, words, command):
            if "value" not in option:
                continue
            labels = "|".join(quoted(f"{words}|{n}") for n in option["names"])
            given = choices_of(option)
            if given:
                do = f"COMPREPLY=($(compgen -W {quoted(' '.join(given))} " \
                     '-- "$current"))'
            else:
                do = {"files": 'COMPREPLY=($(compgen -f -- "$current"))',
                      "folders": 'COMPREPLY=($(compgen -d -- "$current"))',
                      "names": ":"}[kind_of(option["value"])]
            out.append(f"    {labels}) {do}; return ;;")
    out += ["  esac",
            "  if [[ $current == -* ]]; then",
            '    COMPREPLY=($(compgen -W "$options" -- "$current"))',
            "  elif [[ -n $commands ]]; then",
            '    COMPREPLY=($(compgen -W "$commands" -- "$current"))',
            "  elif [[ $words == files ]]; then",
            '    COMPREPLY=($(compgen -f -- "$current"))',
            "  elif [[ $words == folders ]]; then",
            '    COMPREPLY=($(compgen -d -- "$current"))',
            "  fi",
            "}",
            f"complete -o filenames -F {function} {name}", ""]
    return "\n".join(out)


def zsh_text(text):
    return text.replace("\\", "\\\\").replace("[", "\\[") \
        .replace("]", "\\]").replace(":", "\\:")


def zsh_action(name, given=()):
    if given:
        return "(" + " ".join(given) + ")"
    return {"files": "_files", "folders": "_files -/",
            "names": " "}[kind_of(name)]


def zsh(program):
    name = program["name"]
    out = [f"#compdef {name}",
           f"# zsh completion of {name}, made from its own --help-json.", ""]
    levels = tree(program)

    def function(words):
        return "_" + f"{name} {words}".strip().replace("-", "_") \
            .replace(" ", "__")

    for words, command in reversed(levels.items()):
        out += [f"{function(words)}() {{"]
        if command["commands"]:
            out += ["  local context state state_descr line",
                    "  typeset -A opt_args"]
        out.append("  _arguments -C \\" if command["commands"]
                   else "  _arguments \\")
        for option in options_at(program, words, command):
            many = "'*'" if option["many"] else ""
            for one in option["names"]:
                spec = f"{one}[{zsh_text(option['about'])}]"
                if "value" in option:
                    spec += f":{zsh_text(option['value'])}:" + \
                        zsh_action(option["value"], choices_of(option))
                out.append(f"    {many}{quoted(spec)} \\")
        if command["commands"]:
            out += ["    '1:command:->command' '*::argument:->rest'",
                    "  case $state in", "    command)",
                    "      local -a commands=("]
            out += [f"        {quoted(c['name'] + ':' + zsh_text(c['about']))}"
                    for c in command["commands"]]
            out += ["      )", "      _describe command commands ;;",
                    "    rest)", "      case $line[1] in"]
            out += [f"        {c['name']}) "
                    f"{function((words + ' ' + c['name']).strip())} ;;"
                    for c in command["commands"]]
            out += ["      esac ;;", "  esac"]
        else:
            for word in command["words"]:
                place = "*" if word["many"] else ""
                spec = f"{place}:{zsh_text(word['name'])}:" + \
                    zsh_action(word["name"])
                out.append(f"    {quoted(spec)} \\")
            out.append("    ")
        out += ["}", ""]
    out += [f'{function("")} "$@"', ""]
    return "\n".join(out)


def fish(program):
    name = program["name"]
    out = [f"# fish completion of {name}, made from its own --help-json.",
           f"complete -c {name} -f"]
    for words, command in tree(program).items():
        said = words.split()
        tests = [f"__fish_seen_subcommand_from {one}" for one in said]
        subs = [c["name"] for c in command["commands"]]
        if subs:
            none = f"not __fish_seen_subcommand_from {' '.join(subs)}"
            condition = "; and ".join(tests + [none])
            out += [f"complete -c {name} -n {quoted(condition)} "
                    f"-a {c['name']} -d {quoted(c['about'])}"
                    for c in command["commands"]]
        condition = "; and ".join(tests)
        where = f" -n {quoted(condition)}" if condition else ""
        for option in options_at(program, words, command):
            line = f"complete -c {name}{where}"
            for one in option["names"]:
                line += f" -l {one[2:]}" if one.startswith("--") \
                    else f" -s {one[1:]}"
            if "value" in option:
                line += " -r"
                given = choices_of(option)
                if given:
                    line += f" -a {quoted(' '.join(given))}"
                elif kind_of(option["value"]) != "names":
                    line += " -F"
            out.append(f"{line} -d {quoted(option['about'])}")
        if any(kind_of(w["name"]) != "names" for w in command["words"]):
            out.append(f"complete -c {name}{where} -F")
    return "\n".join(out + [""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["man", "bash", "zsh", "fish"])
    parser.add_argument("page")
    parser.add_argument("--out", required=True)
    parser.add_argument("--root", default=".")
    parser.add_argument("--describe")
    parser.add_argument("--version", default="")
    args = parser.parse_args()
    try:
        if args.what == "man":
            text = man_page(args)
        else:
            program = json.loads(pathlib.Path(args.page).read_text(
                encoding="utf-8"))
            text = {"bash": bash, "zsh": zsh, "fish": fish}[args.what](program)
    except Mistake as mistake:
        print(f"pages: {mistake}", file=sys.stderr)
        return 1
    pathlib.Path(args.out).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
