# SPDX-License-Identifier: Apache-2.0
# The Debian package. It is installed in a throw-away copy of this system, an overlay over its root that nothing leaves,
# and what its unit says is run as the unit says it.

load lib
load outside

setup_file() {
  local build=$BATS_TEST_DIRNAME/../../build
  # On the engine's disk: an overlay cannot keep its changes on a file system that is below it.
  export CHANGES=$ENGINE/data/package-test
  export PACKAGE=$BATS_FILE_TMPDIR/snapclone.deb UNPACKED=$BATS_FILE_TMPDIR/unpacked
  cp "${SNAPCLONE_PACKAGE:-$(echo "$build"/snapclone_*_"$(dpkg --print-architecture)".deb)}" "$PACKAGE"
  dpkg-deb -x "$PACKAGE" "$UNPACKED"
}

teardown() {
  rm -rf --one-file-system "$CHANGES"
  end_service
  finish
}

# in_system COMMAND...: in that copy, where no service manager runs. Its mounts end with the command.
in_system() {
  mkdir -p "$CHANGES"/{upper,work} system
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount --pid --fork --propagation private sh -c '
    mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$2"
    mount -t proc proc "$2/proc"
    mount -t tmpfs tmpfs "$2/run"
    mkdir "$2/run/lock"
    cp "$3" "$2/run/snapclone.deb"
    root=$2
    shift 3
    exec chroot "$root" "$@"' sh "$CHANGES" system "$PACKAGE" "$@"
}

file() { echo "$CHANGES/upper/$1"; }

# set_file PATH: with what is read, as an administrator would
set_file() { in_system sh -c "mkdir -p \"\$(dirname $1)\" && cat >$1"; }

install_package() { in_system dpkg -i --force-confdef /run/snapclone.deb; }

# value KEY: what the unit says
value() { sed -n "s/^$1=//p" "$UNPACKED/usr/lib/systemd/system/snapclone.service"; }

# as_unit [NAME=VALUE...]: starts what the unit starts, with what it allows, and waits until it says that it is ready. The
# settings are what /etc/default/snapclone could say.
as_unit() {
  local capabilities arguments words
  capabilities=$(value CapabilityBoundingSet | tr '[:upper:]' '[:lower:]' | sed 's/cap_/+/g; s/ /,/g')
  read -ra words <<<"$(value Environment | tr '\n' ' ')"
  read -ra arguments < <(value ExecStart | sed "s|/usr/sbin/|$UNPACKED&|; s|/var/lib/snapclone/|$PWD/|")
  socket=$BATS_TEST_TMPDIR/service.sock
  rm -f told
  listen 3>&- &
  eventually test -S notify
  env -i "${words[@]}" SNAPCLONE_SOCKET="$socket" SNAPCLONE_POOL="$PWD/pool" SNAPCLONE_MOUNTS="$PWD/mnt" \
    NOTIFY_SOCKET="$PWD/notify" "$@" \
    setpriv --no-new-privs --bounding-set "-all,$capabilities" "${arguments[@]}" >>service.log 2>&1 3>&- &
  is_last_job
  eventually test -s told
  prints READY=1 cat told
  [[ -S $socket ]]
}

# Into "told", what the service manager would be told
listen() {
  timeout 60 /usr/bin/python3 -c '
import os, socket
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind("notify")
text = heard.recv(100).decode()
os.unlink("notify")
open("told", "w").write(text + "\n")'
}

@test "the package holds the program, its unit, its settings and documents, all of them root's" {
  dpkg-deb -c "$PACKAGE" | awk '{ print $1, $2, $6 }' | grep -v '/$' | grep -v 'rw-r--r-- root/root ./usr/share/doc/snapclone/' >files
  diff files - <<END
-rw-r--r-- root/root ./etc/default/snapclone
-rw-r--r-- root/root ./usr/lib/systemd/system/snapclone.service
-rwxr-xr-x root/root ./usr/sbin/snapclone
END
  cmp "$UNPACKED/usr/sbin/snapclone" "$(program)"
  prints "" dpkg-deb -f "$PACKAGE" Depends
  [[ -s $UNPACKED/usr/share/doc/snapclone/README.md && -s $UNPACKED/usr/share/doc/snapclone/copyright ]]
}

@test "every page of the package finds the pages, pictures and examples that it links to" {
  local pages=$UNPACKED/usr/share/doc/snapclone
  [[ -s $pages/examples/compose/compose.yaml ]]
  prints "" links_to_nothing "$pages"
  rm -r "$pages/examples"
  links_to_nothing "$pages" | grep -F 'README.md: examples/compose/README.md'
}

# links_to_nothing DIRECTORY: the links that lead nowhere. Two pages are about the sources, which are not in the package.
links_to_nothing() {
  /usr/bin/python3 -c '
import pathlib, re, sys
for page in sorted(pathlib.Path(sys.argv[1]).rglob("*.md")):
    if page.name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        continue
    for link in re.findall(r"(?:\]\(|(?:href|src|srcset)=\")([^)#\s\"]+)", page.read_text()):
        if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists():
            print(f"{page.relative_to(sys.argv[1])}: {link}")' "$1"
}

@test "the unit is one that systemd takes, and lets its mounts be seen by all" {
  install_package
  in_system systemd-analyze verify --man=no /usr/lib/systemd/system/snapclone.service
  prints "" awk '/^(Private|Protect|Read|Inaccessible|(No)?ExecPaths|TemporaryFile|Bind|Root|Mount|Extension|Dynamic)/' \
    "$UNPACKED/usr/lib/systemd/system/snapclone.service"
}

@test "installed, it is switched on for the next boot, before the engine" {
  install_package
  in_system systemctl is-enabled snapclone.service
  prints docker.service value Before
  in_system snapclone --version
}

@test "an upgrade and a removal keep changed settings, and whether it is switched on" {
  install_package
  echo 'BACKEND=copy' | set_file /etc/default/snapclone
  in_system systemctl disable snapclone.service
  install_package
  prints BACKEND=copy in_system cat /etc/default/snapclone
  refused disabled in_system systemctl is-enabled snapclone.service
  in_system dpkg -r snapclone
  prints BACKEND=copy in_system cat /etc/default/snapclone
  in_system [ ! -e /usr/sbin/snapclone ]
}

@test "neither a removal nor a purge takes the volumes, and the purge says so" {
  install_package
  as_unit
  ask_it Create '{"Name": "db"}'
  end_it
  mkdir -p "$(file var/lib)"
  cp -a --one-file-system "$PWD" "$(file var/lib/snapclone)"
  find pool -printf '%P %m %s\n' | sort >before
  in_system dpkg -r snapclone
  in_system dpkg -P snapclone >out 2>&1
  grep -F "the volumes in /var/lib/snapclone are kept" out
  (cd "$(file var/lib/snapclone/pool)" && find . -printf '%P %m %s\n' | sort) | diff before -
  in_system [ ! -e /etc/default/snapclone ]
  in_system [ ! -L /etc/systemd/system/multi-user.target.wants/snapclone.service ]
}

@test "a purge takes an empty pool along" {
  install_package
  in_system mkdir -p /var/lib/snapclone/pool/{volumes,layers,empty,clones/boot,trash} /var/lib/snapclone/{mnt,metrics}
  in_system touch /var/lib/snapclone/metrics/snapclone.prom
  echo "snapclone pool 1" | set_file /var/lib/snapclone/pool/format
  in_system dpkg -P snapclone >out 2>&1
  in_system [ ! -e /var/lib/snapclone ]
  prints "" awk '/kept/' out
}

@test "a purge keeps an image, whose volumes do not show while it is not mounted" {
  install_package
  in_system mkdir -p /var/lib/snapclone/pool
  echo "an xfs" | set_file /var/lib/snapclone/pool.img
  echo "of the xfs" | set_file /var/lib/snapclone/pool-id
  in_system dpkg -P snapclone >out 2>&1
  grep -F "the volumes in /var/lib/snapclone are kept" out
  prints "an xfs" in_system cat /var/lib/snapclone/pool.img
  prints "of the xfs" in_system cat /var/lib/snapclone/pool-id
}

@test "the service can do all it must with the capabilities that its unit leaves it" {
  local backend
  for backend in overlay copy; do
    as_unit BACKEND="$backend"
    ask_it Create '{"Name": "db"}'
    ask_it Mount '{"Name": "db", "ID": "filling"}'
    make_tree.py mnt/volumes/db
    manifest.py mnt/volumes/db >before
    ask_it Unmount '{"Name": "db", "ID": "filling"}'
    ask_it Create '{"Name": "seed", "Opts": {"snapshot-of": "db"}}'
    ask_it Mount '{"Name": "seed", "ID": "a-clone"}'
    manifest.py mnt/clones/a-clone-* | diff before -
    rm -r mnt/clones/a-clone-*/deep
    kill_it
    as_unit BACKEND="$backend"
    cd mnt/clones/a-clone-*
    [[ -e greeting && ! -e deep ]]
    cd "$BATS_TEST_TMPDIR"
    ask_it Unmount '{"Name": "seed", "ID": "a-clone"}'
    ask_it Remove '{"Name": "seed"}'
    ask_it Remove '{"Name": "db"}'
    eventually holds_nothing
    end_service
    rm -rf pool pool-id
  done
}

@test "an engine finds the service by its socket" {
  as_unit
  be_driver
  volume base
  run_in base 'echo sealed >file'
  snapshot base seed
  start one -v seed:/data
  inside one 'echo mine >/data/file'
  prints mine inside one 'cat /data/file'
  prints sealed run_in seed 'cat file'
  end one
  docker volume rm seed base
}

@test "with the pool's disk missing the service does not start on an empty directory" {
  as_unit
  end_it
  umount -R mnt
  mv pool away
  mkdir pool
  refused "is not the pool that this plugin has used so far" \
    "$UNPACKED/usr/sbin/snapclone" --pool-id "$PWD/pool-id" --socket "$PWD/x.sock" --pool "$PWD/pool" --mounts "$PWD/mnt"
  grep -F "delete the file $PWD/pool-id" out
  prints "" ls -A pool
}
