#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Whether the report of the measurements says what was measured. Prints one line a statement, as scripts/check wants it."""
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as xml

import report

FEW = {"bytes": 6e8, "files": 60}
LARGE = {"bytes": 4e9, "files": 60}


def line(name, unit, values, **at):
    return {"name": name, "unit": unit, "at": at, "values": values}


# Mount: 1.5 times the kernel's work, which is what is aimed at, and 2.5 times, which is not.
MEASURED = [
    {"machine": {"processor": "Abacus", "cores": 2, "memory_gb": 8, "system": "Debian", "kernel": "6.1", "engine": "Docker",
                 "disk": "ext4", "revision": "abc", "time": "now", "load": 0.25}},
    line("mount", "us", [300, 290, 310, 305, 295], **FEW),
    line("mount.kernel", "us", [200, 200, 200], **FEW),
    line("mount", "us", [500], **LARGE),
    line("mount.kernel", "us", [200], **LARGE),
    line("memory.idle", "kB", [3_400]),
]


def reported(directory, lines):
    """What is printed about these lines."""
    with open(os.path.join(directory, "socket.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in lines)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        report.report(directory)
    return printed.getvalue()


def row(printed, begin):
    found = [one for one in printed.splitlines() if one.startswith(begin)]
    assert len(found) == 1, f"{begin}: {found}"
    return found[0]


def verdict(printed, begin):
    """The last columns of a row: what came out, what is aimed at, and whether that was met."""
    return re.split("  +", row(printed, begin))[-3:]


def a_row_has_medians_quartiles_and_their_ratio(directory):
    got = row(reported(directory, MEASURED), "Mount, 600 MB in 60 files,")
    for text in ("300 us (295 us to 305 us, n=5)", "200 us (200 us to 200 us, n=3)", "1.50 x", "at most 2 x"):
        assert text in got, f"{text!r} is not in {got!r}"


def a_target_is_met_or_missed(directory):
    printed = reported(directory, MEASURED)
    assert row(printed, "Mount, 600 MB").endswith("met")
    assert row(printed, "Mount, 4,000 MB").endswith("MISSED")
    assert row(printed, "resident memory, idle").endswith("met")
    assert "Of 4 targets 2 are met and 2 missed." in printed, printed


def what_was_not_measured_is_no_row(directory):
    printed = reported(directory, MEASURED)
    assert "List" not in printed and "docker run" not in printed
    assert "Of 0 targets" in reported(directory, [])


def values_of_one_thing_from_two_times_are_put_together(directory):
    twice = MEASURED + [line("mount", "us", [900] * 6, **FEW)]
    assert "n=11" in row(reported(directory, twice), "Mount, 600 MB")


SIZES = [{"bytes": number * 1e9} for number in (1, 4, 8)]


def first_rows(*slowest):
    """Of 1 and 4 GB in 300 ms, of 8 GB in as many as are given; from local volumes, of all sizes, in 250 ms."""
    for at, values in zip(SIZES, ([300], [300], list(slowest))):
        yield line("first-row.image", "ms", values, **at)
        yield line("first-row.local", "ms", [250], **at)
        yield line("first-row.disk.image", "kB", [2_000 if at is SIZES[0] else 12_000], **at)


def databases_of_every_size_are_compared_with_local_volumes(directory):
    printed = reported(directory, [*first_rows(290, 340, 345)])
    begin = "to the first row of a PostgreSQL database of "
    assert verdict(printed, begin + "1,000 MB") == ["1.20 x", "at most 1.3 x", "met"]
    assert verdict(printed, begin + "8,000 MB") == ["1.36 x", "at most 1.3 x", "MISSED"]
    assert verdict(printed, "disk taken to the first row of a PostgreSQL database of 1,000 MB")[1:] == ["at most 10.0 MB", "met"]
    assert verdict(printed, "disk taken to the first row of a PostgreSQL database of 4,000 MB")[-1] == "MISSED"


def the_size_of_a_database_must_not_matter(directory):
    begin = "to the first row in an image, the slowest"
    assert verdict(reported(directory, [*first_rows(350)]), begin) == ["1.17 x", "at most 1.2 x", "met"]
    assert verdict(reported(directory, [*first_rows(390)]), begin) == ["1.30 x", "at most 1.2 x", "MISSED"]


def a_pool_in_an_image_is_compared_with_one_on_ext4(directory):
    printed = reported(directory, [
        line("image.mount", "us", [700], **FEW), line("image.mount.directory", "us", [500], **FEW),
        line("image.first-write", "us", [900], bytes=1e9), line("image.first-write", "us", [11_000], bytes=8e9),
        line("image.first-write.plain", "us", [300], bytes=8e9),
        line("image.cache", "kB", [1_150_000], bytes=1e9),
        line("image.install.reflinks", "ms", [500]), line("image.install.directory", "ms", [250])])
    assert verdict(printed, "Mount, 600 MB in 60 files, in an image") == ["1.40 x", "at most 1.2 x", "MISSED"]
    assert verdict(printed, "first write to a file of 1,000 MB in a clone in an image")[1:] == ["at most 10.0 ms", "met"]
    assert verdict(printed, "first write to a file of 8,000 MB in a clone in an image")[1:] == ["at most 10.0 ms", "MISSED"]
    assert verdict(printed, "page cache after reading 1,000 MB")[1:] == ["at most 1,100 MB", "MISSED"]
    assert "2.00 x" in row(printed, "the same with blocks shared instead")


def pgbench_in_an_image_has_a_floor(directory):
    rates = {"clone": 130, "local": 100, "volume": 69, "frozen": 71}
    printed = reported(directory, [line("pgbench.image." + kind, "per second", [rate]) for kind, rate in rates.items()]
                       + [line("clones.disk", "kB", [90_000], bytes=4e9, clones=10)])
    assert verdict(printed, "pgbench in a clone in an image")[1:] == ["at least 1.2 x", "met"]
    assert verdict(printed, "pgbench in a volume in an image")[1:] == ["at least 0.7 x", "MISSED"]
    assert verdict(printed, "pgbench in a volume after a snapshot in an image")[1:] == ["at least 0.7 x", "met"]
    assert verdict(printed, "disk taken by 10 clones in an image of a database of 4,000 MB")[1:] == ["at most 100 MB", "met"]


def the_machine_and_its_load_are_named(directory):
    printed = reported(directory, MEASURED)
    assert "Abacus, 2 cores" in printed and "load average 0.2" in printed, printed


def the_json_has_rows_and_every_value(directory):
    reported(directory, MEASURED)
    with open(os.path.join(directory, "results.json"), encoding="utf-8") as file:
        document = json.load(file)
    assert document["rows"][0]["value"] == 1.5 and document["rows"][0]["met"] is True
    assert document["series"][0]["values"] == [300, 290, 310, 305, 295]


def the_page_has_the_table_and_the_plots(directory):
    reported(directory, MEASURED)
    with open(os.path.join(directory, "index.html"), encoding="utf-8") as file:
        page = file.read()
    assert "<td>1.50 x</td>" in page and page.count("<svg") == 1, page[:500]


def a_plot_is_an_image_with_its_lines(directory):
    reported(directory, MEASURED)
    texts = [text for element in xml.parse(os.path.join(directory, "bytes.svg")).iter() for text in element.itertext()]
    assert "Mount" in texts and "the kernel alone" in texts, texts
    assert "cp -a" not in texts  # was not measured
    assert not os.path.exists(os.path.join(directory, "clones.svg"))


def the_documentation_is_replaced_between_its_marks(directory):
    reported(directory, MEASURED)
    page = os.path.join(directory, "performance.md")
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        with contextlib.redirect_stdout(io.StringIO()):
            report.write_docs(directory, page)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        assert text.startswith("before\n" + report.BEGIN) and text.endswith(report.END + "\nafter\n"), text
        assert "old" not in text and "| 1.50 x |" in text and "(performance/bytes.svg)" in text, text
        assert os.path.exists(os.path.join(directory, "performance", "bytes.svg"))


STATEMENTS = [a_row_has_medians_quartiles_and_their_ratio, a_target_is_met_or_missed, what_was_not_measured_is_no_row,
              databases_of_every_size_are_compared_with_local_volumes, the_size_of_a_database_must_not_matter,
              a_pool_in_an_image_is_compared_with_one_on_ext4, pgbench_in_an_image_has_a_floor,
              values_of_one_thing_from_two_times_are_put_together, the_machine_and_its_load_are_named,
              the_json_has_rows_and_every_value, the_page_has_the_table_and_the_plots, a_plot_is_an_image_with_its_lines,
              the_documentation_is_replaced_between_its_marks]


def main():
    failed = False
    for statement in STATEMENTS:
        name = "report: " + statement.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory() as directory:
            try:
                statement(directory)
                print("ok      " + name)
            except Exception as error:  # pylint: disable=broad-except
                print(f"FAILED  {name}: {type(error).__name__}: {error}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
