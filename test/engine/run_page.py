#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every command of a page of the documentation as a reader would: one after the other, in one shell.

usage: run_page.py PAGE[#SECTION] PRELUDE [OLD=NEW]...

A block that begins with ```sh is run and must succeed; one that begins with ```sh fails must fail. It must print the
block ```text that follows, where "…" stands for anything and runs of blanks count as one. Error output counts only if the
block is to fail. A loop that waits must stand in the same line as its "timeout".

The shell reads PRELUDE first: it stands in for things that a test's machine does not have. Each OLD is replaced by NEW,
for paths and names that a test must not touch. With a SECTION, its heading in the form that links have, only the blocks up
to the next heading are run.
"""
import os
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```(\S+)( fails)?\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)


def only(section, text):
    """The text, with empty lines where other sections are: line numbers stay."""
    kept, inside = [], False
    for part in re.split(r"^(##+ .*\n)", text, flags=re.MULTILINE):
        heading = re.fullmatch(r"##+ (.*)\n", part)
        if heading:
            inside = re.sub(r"[^\w-]", "", heading[1].lower().replace(" ", "-")) == section
        kept.append(part if inside else "\n" * part.count("\n"))
    return "".join(kept)


def blocks(text):
    """Lists of line, commands, whether they must fail, and their output or None."""
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match[1] == "sh":
            found.append([line, match[3], bool(match[2]), None])
        elif match[1] == "text":
            if not found or found[-1][3] is not None:
                sys.exit(f"line {line}: this is the output of no command")
            found[-1][3] = match[3]
    return found


def endless(all_blocks):
    """The lines with a loop that could keep a reader waiting for ever."""
    for line, commands, _, _ in all_blocks:
        for number, command in enumerate(commands.splitlines(), line + 1):
            if re.search(r"\b(until|while)\b", command) and "timeout" not in command:
                yield number


def shell(all_blocks, prelude, out):
    yield f"source {prelude}\n"
    for line, commands, fails, _ in all_blocks:
        yield f"echo {line} >{out}/last\n"
        if fails:
            yield f"if ( set -e\n{commands}\n) >{out}/{line} 2>&1; then exit 77; fi\n"
        else:
            # bash goes on after a failed "a && b", so the block is judged by its last status as well.
            yield f"{{\n{commands}\n(exit $?)\n}} >{out}/{line} 2>{out}/{line}.err\n"


def pattern(printed):
    """Any number of blanks matches, and "…" matches anything."""
    parts = [r"\s+".join(re.escape(word) for word in part.split()) for part in printed.split("…")]
    return re.compile(r"\s*" + r".*".join(parts) + r"\s*", re.DOTALL)


def main(page, prelude, replacements):
    path, _, section = page.partition("#")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = blocks(only(section, text) if section else text)
    for replacement in replacements:
        old, new = replacement.split("=", 1)
        for block in found:
            block[1] = block[1].replace(old, new)
            block[3] = block[3] and block[3].replace(old, new)
    if not found:
        sys.exit(f"{page} has no commands")
    for line in endless(found):
        sys.exit(f"{page}:{line}: this loop may wait for ever: put it behind \"timeout 60\"")
    with tempfile.TemporaryDirectory() as out:
        script = "".join(shell(found, prelude, out))
        status = subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=False).returncode
        if status:
            with open(f"{out}/last", encoding="utf-8") as last:
                line = last.read().strip()
            print(f"{page}:{line}: " + ("was to fail" if status == 77 else f"failed with status {status}"))
            for name in (f"{out}/{line}", f"{out}/{line}.err"):
                if os.path.exists(name):
                    print(open(name, encoding="utf-8").read())
            sys.exit(1)
        for line, _, _, printed in found:
            if printed is None:
                continue
            got = open(f"{out}/{line}", encoding="utf-8").read()
            if not pattern(printed).fullmatch(got):
                sys.exit(f"{page}:{line}: prints\n{got}and not\n{printed}")
    print(f"{len(found)} blocks of commands work")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
