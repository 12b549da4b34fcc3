# SPDX-License-Identifier: Apache-2.0
"""What is compared with what, and what is aimed at: the rows of the report. A row whose series were not measured is left
out."""
from results import shown, short, size


class Row:
    """One comparison. `value` is what the target is about; "x" as its unit means a ratio of medians."""

    def __init__(self, what, measured, baseline, value, unit, most=None, least=None):
        self.what = what
        self.measured = measured
        self.baseline = baseline
        self.value = value
        self.unit = unit
        self.most = most
        self.least = least

    @property
    def met(self):
        """None if nothing is aimed at."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def result(self):
        return f"{short(self.value)} x" if self.unit == "x" else shown(self.value, self.unit)

    @property
    def target(self):
        words = []
        for word, limit in (("at most", self.most), ("at least", self.least)):
            if limit is not None:
                words.append(f"{word} {limit:,g} x" if self.unit == "x" else f"{word} {shown(limit, self.unit)}")
        return " and ".join(words)

    def as_json(self):
        row = {"what": self.what, "value": self.value, "unit": self.unit, "at_most": self.most, "at_least": self.least,
               "met": self.met}
        for name, series in (("measured", self.measured), ("baseline", self.baseline)):
            if series:
                row[name] = {key: value for key, value in series.as_json().items() if key != "values"}
        return row


def ratio(what, measured, baseline, most=None, least=None):
    """How many times the baseline it is."""
    if measured and baseline:
        yield Row(what, measured, baseline, measured.median / baseline.median, "x", most, least)


def times_faster(what, measured, baseline, least):
    """How many times as long the baseline takes."""
    if measured and baseline:
        yield Row(what, measured, baseline, baseline.median / measured.median, "x", least=least)


def absolute(what, measured, most, baseline=None):
    if measured:
        yield Row(what, measured, baseline, measured.median, measured.unit, most)


def flat(what, all_series, most=1.2):
    """The slowest of them against the fastest."""
    if len(all_series) > 1:
        low = min(all_series, key=lambda series: series.median)
        high = max(all_series, key=lambda series: series.median)
        yield Row(what, high, low, high.median / low.median, "x", most)


def by(results, name, key):
    """Series of a name, sorted by one circumstance."""
    return sorted(results.all(name), key=lambda series: series.at[key])


def mounting(results):
    for series in results.all("mount"):
        yield from ratio(f"Mount, {size(series.at)}, against the kernel alone", series,
                         results.find("mount.kernel", series.at), most=2)
    yield from flat("Mount, the slowest of these against the fastest", results.all("mount"))
    copied, archived = results.find("engine.helper"), results.find("engine.archive")
    mounted = results.find("engine.mount")
    if mounted:
        of = f", {size(mounted.at)}"
        yield from times_faster("Mount against cp -a in a helper container" + of, mounted, copied, least=500)
        yield from times_faster("Mount against the archive API" + of, mounted, archived, least=1500)
    for series in results.all("unmount"):
        yield from ratio(f"Unmount, {size(series.at)}, against umount(2) alone", series,
                         results.find("unmount.kernel", series.at), most=1.5)


def many(results):
    held = by(results, "held.mount", "clones")
    if held:
        yield from ratio(f"Mount with {held[-1].at['clones']:,.0f} clones held, against none", held[-1], held[0], most=1.3)
    alone, at_once = results.find("parallel.mount", {"at once": 1}), results.find("parallel.mount", {"at once": 12})
    yield from ratio("Mounts a second, 12 at once against one at a time", at_once, alone, least=1.5)
    lists = by(results, "list", "volumes")
    if lists:
        at = lists[-1].at
        yield from absolute(f"List, {at['volumes']:,.0f} volumes (baseline: as many bytes, echoed)", lists[-1], 30_000,
                            results.find("list.echo", at))
        got, echoed = results.find("get", at), results.find("get.echo", at)
        yield Row(f"Get, {at['volumes']:,.0f} volumes: what we add to an echo", got, echoed,
                  max(0.0, got.median - echoed.median), "us", most=50)


def snapshots(results):
    clean = [series for series in results.all("snapshot") if series.at["dirty"] == 0]
    for series in clean:
        yield from ratio(f"snapshot of an idle volume, {size(series.at)}, against the bare fsyncs", series,
                         results.find("snapshot.fsyncs", series.at), most=2)
    yield from flat("snapshot of an idle volume, the slower of these against the faster", clean)
    for series in results.all("snapshot"):
        if series.at["dirty"] > 0:
            yield from ratio(f"snapshot while {series.at['dirty'] / 1e6:,.0f} MB of others are dirty, against the fsyncs",
                             series, results.find("snapshot.fsyncs", series.at))


def containers(results):
    local = results.find("run.local")
    yield from ratio("docker run with a snapshot, against a local volume", results.find("run.snapshot"), local, most=1.03)
    yield from ratio("docker run without a volume, against a local volume", results.find("run.none"), local)
    crowd = results.find("run.crowd")
    if crowd:
        yield from ratio(f"docker run without a volume while {crowd.at['clones']:,.0f} clones live, against the same alone",
                         crowd, results.find("run.none"))


def memory(results):
    yield from absolute("resident memory, idle", results.find("memory.idle"), 8_000)
    volumes = by(results, "memory.volumes", "volumes")
    if len(volumes) > 1:
        low, high = volumes[0], volumes[-1]
        each = (high.median - low.median) / (high.at["volumes"] - low.at["volumes"])
        yield Row(f"resident memory for each of {high.at['volumes']:,.0f} volumes", high, low, each, "kB", most=2)
    pairs = by(results, "memory.pairs", "pairs")
    if len(pairs) > 2:
        last, half = pairs[-1], pairs[len(pairs) // 2]
        yield from ratio(f"resident memory after {last.at['pairs']:,.0f} Mounts and Unmounts, against that after"
                         f" {half.at['pairs']:,.0f}", last, half, most=1.05)


def starting(results):
    read = results.find("start.reading")
    empty = results.find("start.accept", {"volumes": 0, "clones": 0})
    for name, how in (("start", "still mounted"), ("start.unmounted", "mounted no more")):
        for accept in results.all(name + ".accept"):
            if accept.at["clones"] == 0:
                continue
            of = f"{accept.at['volumes']:,.0f} volumes, {accept.at['clones']:,.0f} clones {how}"
            yield from absolute(f"start, {of}: the socket accepts (baseline: an empty pool)", accept, 250, empty)
            yield from absolute(f"start, {of}: recovered (baseline: reading the records)",
                                results.find(name + ".answer", accept.at), 2_000, read)


def writing(results):
    yield from ratio("SQLite commits in a clone, against a local volume on ext4", results.find("commits.clone"),
                     results.find("commits.local"), least=2)
    yield from ratio("pgbench in a clone, against a local volume on ext4", results.find("pgbench.clone"),
                     results.find("pgbench.local"), least=2)
    for kind, most in (("xfs", 5_000), ("btrfs", 5_000), ("ext4", None)):
        series = results.find("first-write." + kind)
        if series:
            yield from absolute(f"first write to a file of {series.at['bytes'] / 1e6:,.0f} MB in a clone on {kind}"
                                " (baseline: no clone)", series, most, results.find(f"first-write.{kind}.plain"))
    for kind in ("ext4", "xfs"):
        plain = results.find("owner.plain." + kind)
        for name, where, most in (("clone", "a clone", 5), ("clone-of", "a clone-of volume", 20),
                                  ("frozen", "a volume after a snapshot", 20)):
            yield from ratio(f"chown -R of 5,000 files in {where} on {kind}, against a plain directory",
                             results.find(f"owner.{name}.{kind}"), plain, most=most)


def copying(results):
    for kind, how, least in (("ext4", "cp -a", 2), ("xfs", "cp -a --reflink", 1)):
        series = results.find("copy." + kind)
        if series:
            yield from times_faster(f"copy backend on {kind}, {size(series.at)}: a Mount against {how}", series,
                                    results.find(f"copy.{kind}.cp"), least)
        yield from ratio(f"copy backend on {kind}: an Unmount while forty Mounts copy (baseline: with nothing else to do)",
                         results.find(f"copy.{kind}.unmount-beside"), results.find(f"copy.{kind}.unmount"), 2)


def databases(results):
    clone = results.find("database.clone")
    ways = (("image", "a clone in an image"), ("copy", "cp -a of the volume"), ("template", "CREATE DATABASE ... TEMPLATE"),
            ("template-files", "the same with STRATEGY file_copy"), ("dump", "restoring a dump"))
    for name, words in ways:
        other = results.find("database." + name)
        if clone and other:
            yield Row(f"a fresh PostgreSQL database of {clone.at['bytes'] / 1e6:,.0f} MB, to its first query: {words},"
                      " against a clone", other, clone, other.median / clone.median, "x")
    for kind, where in (("ext4", "on ext4"), ("image", "in an image")):
        taken = results.find("database.disk." + kind)
        if taken:
            yield from absolute(f"disk that a clone of a PostgreSQL database of {taken.at['bytes'] / 1e6:,.0f} MB {where}"
                                " takes until its server has answered a query of one row", taken, None)


def images(results):
    """A pool in an image, against one in a directory of the same disk."""
    mounted = results.find("image.mount")
    if mounted:
        yield from ratio(f"Mount, {size(mounted.at)}, in an image, against the same on ext4", mounted,
                         results.find("image.mount.directory"), most=1.2)
    for series in by(results, "image.first-write", "bytes"):
        yield from absolute(f"first write to a file of {series.at['bytes'] / 1e6:,.0f} MB in a clone in an image, with cold"
                            " caches (baseline: no clone, on ext4)", series, 10_000,
                            results.find("image.first-write.plain", series.at))
    cache = results.find("image.cache")
    if cache:
        read = cache.at["bytes"]
        yield from absolute(f"page cache after reading {read / 1e6:,.0f} MB of a file in a clone in an image", cache,
                            1.1 * read / 1000)
    on_ext4 = " in a clone in an image, against the same on ext4"
    for name, what, baseline in (("chown", "chown -R of 5,000 files" + on_ext4, "chown"),
                                 ("links", "cp -al of 5,000 files" + on_ext4, "links"),
                                 ("install", "5,000 hard links from a store, as pnpm makes them," + on_ext4, "install"),
                                 ("install.reflinks", "the same with blocks shared instead, against hard links on ext4",
                                  "install")):
        yield from ratio(what, results.find("image." + name), results.find(f"image.{baseline}.directory"))


def image_databases(results):
    """PostgreSQL on such a pool, against local volumes on the same disk."""
    clones = by(results, "first-row.image", "bytes")
    of = "to the first row of a PostgreSQL database of"
    for series in clones:
        megabytes = f"{series.at['bytes'] / 1e6:,.0f} MB"
        local = results.find("first-row.local", series.at)
        yield from ratio(f"{of} {megabytes} in a clone in an image, against a local volume", series, local, most=1.3)
        yield from ratio(f"{of} {megabytes} in a clone on ext4, against a local volume",
                         results.find("first-row.ext4", series.at), local)
    yield from flat("to the first row in an image, the slowest of these against the fastest", clones)
    for kind, where, most in (("image", "in an image", 10_000), ("ext4", "on ext4", None)):
        for series in by(results, "first-row.disk." + kind, "bytes"):
            yield from absolute(f"disk taken {of} {series.at['bytes'] / 1e6:,.0f} MB in a clone {where}", series, most)
    many_clones = results.find("clones.disk")
    if many_clones:
        at = many_clones.at
        yield from absolute(f"disk taken by {at['clones']:,.0f} clones in an image of a database of"
                            f" {at['bytes'] / 1e6:,.0f} MB, with every file opened for writing", many_clones, 100_000)
    for kind, where, least in (("clone", "a clone", 1.2), ("volume", "a volume", 0.7),
                               ("frozen", "a volume after a snapshot", 0.7)):
        for name, what, limit in (("", "pgbench", least), ("flushes.", "pgbench: flushes of the disk a transaction", None),
                                  ("written.", "pgbench: bytes written to the disk a transaction", None)):
            yield from ratio(f"{what} in {where} in an image, against a local volume",
                             results.find(f"pgbench.image.{name}{kind}"), results.find(f"pgbench.image.{name}local"),
                             least=limit)


def rows(results):
    for part in (mounting, many, snapshots, containers, memory, starting, writing, copying, databases, images,
                 image_databases):
        yield from part(results)
