# SPDX-License-Identifier: Apache-2.0
"""What the parts with a Docker engine share. The engine is the one that DOCKER_HOST names: bench/run has started it."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "snapclone_bench")


def publish(name, unit, values, **at):
    """As bench/samples.hpp does."""
    print(json.dumps({"name": name, "unit": unit, "at": at, "values": values}), flush=True)


def progress(line):
    print(f"  {line}", file=sys.stderr, flush=True)


def docker(*words, **options):
    """Runs the docker command; returns what it prints."""
    done = subprocess.run(["docker", *words], check=False, text=True, capture_output=True, timeout=1800, **options)
    if done.returncode != 0:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def ms(work, *arguments):
    """How long a call takes."""
    start = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - start) * 1000


def libraries(program):
    """The files that a program needs to run, as ldd finds them."""
    listed = subprocess.run(["ldd", program], check=False, text=True, capture_output=True)
    for line in listed.stdout.splitlines():
        words = line.replace("=>", "").split()
        for word in words:
            if word.startswith("/"):
                yield word
                break


# Parts of PostgreSQL that compile queries: a hundred megabytes that nobody here uses.
UNWANTED = shutil.ignore_patterns("bitcode", "llvmjit*")


def copy_into(root, path):
    """A file, or a directory with all that is in it, at the same place below another root."""
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(path):
        shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=UNWANTED)
    elif not os.path.exists(target):
        shutil.copy2(os.path.realpath(path), target)


def make_image(name, programs, directories=(), passwd=""):
    """An image of programs of this machine, with what they need: nothing is downloaded."""
    with tempfile.TemporaryDirectory(dir=os.environ["BENCH_DIR"]) as root:
        os.chmod(root, 0o755)
        for directory in directories:
            copy_into(root, directory)
        for program in programs:
            copy_into(root, program)
        for program in [*programs, *loadable(directories)]:
            for library in libraries(program):
                copy_into(root, library)
        for directory in ("/tmp", "/etc"):
            os.makedirs(root + directory, exist_ok=True)
        os.chmod(root + "/tmp", 0o1777)
        with open(root + "/etc/passwd", "w", encoding="utf-8") as file:
            file.write(f"root:x:0:0::/:/bin/sh\n{passwd}\n")
        add_busybox(root)
        packed = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        docker("import", "-", name, stdin=packed.stdout)
        if packed.wait() != 0:
            raise RuntimeError("tar has failed")


def loadable(directories):
    """Programs and shared libraries in directories: what is loaded later needs its libraries as well."""
    for directory in directories:
        for folder, folders, files in os.walk(directory):
            ignored = UNWANTED(folder, folders + files)
            folders[:] = [name for name in folders if name not in ignored]
            for file in set(files) - ignored:
                path = os.path.join(folder, file)
                if os.access(path, os.X_OK) or file.endswith(".so"):
                    yield path


def add_busybox(root):
    """What is in the image is not replaced."""
    busybox = shutil.which("busybox")
    os.makedirs(root + "/bin", exist_ok=True)
    shutil.copy2(busybox, root + "/bin/busybox")
    for tool in subprocess.run([busybox, "--list"], check=True, text=True, capture_output=True).stdout.split():
        if not any(os.path.exists(f"{root}{folder}/{tool}") for folder in ("/bin", "/usr/bin")):
            os.symlink("busybox", f"{root}/bin/{tool}")


def volume(name, *options, driver="snapclone"):
    """A volume of the plugin."""
    words = [word for option in options for word in ("-o", option)]
    docker("volume", "create", "-d", driver, *words, name)


def run_in(name, image, *command):
    docker("run", "--rm", "--network", "none", "-v", f"{name}:/data", image, *command)


def settle():
    """What was written before is not to be written during a measurement."""
    os.sync()


def plugin_socket():
    plugin = docker("plugin", "inspect", "-f", "{{.Id}}", "snapclone")
    return f"/run/docker/plugins/{plugin}/snapclone.sock"


def mount_times(snapshot, number):
    """Mounts at the plugin's own socket, in microseconds."""
    command = [BENCH, "mounts", plugin_socket(), snapshot, str(number)]
    done = subprocess.run(command, check=True, text=True, capture_output=True)
    return json.loads(done.stdout)["values"]


@contextlib.contextmanager
def clones_held(snapshot, number):
    """So many clones live meanwhile, as if as many containers ran."""
    command = [BENCH, "hold", plugin_socket(), snapshot, str(number)]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if holder.stdout.readline() != "held\n":
            raise RuntimeError("cannot hold clones")
        yield
        holder.stdin.close()
