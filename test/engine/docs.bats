# SPDX-License-Identifier: Apache-2.0
# Every command of the documentation, as a reader would type it. stranger.bats runs those of the README and of
# docs/install.md, install_image.bats those of the latter about an image, compose.bats those of the Compose example,
# swarm.bats those of docs/swarm.md.

load lib
load pools

# The pages take some things for granted that this machine does not have. The shell that runs them reads this too.
write_prelude() {
  cat >prelude <<'END'
journalctl() { cat "$ENGINE/log"; }
# The pages say that a setting is made while the plugin is disabled.
docker() {
  [[ $1 != plugin || $2 != set ]] || command docker plugin disable -f "$3" 2>/dev/null || true
  command docker "$@"
}
END
  declare -p BATS_TEST_DIRNAME DRIVER >>prelude 2>/dev/null || true
  declare -f >>prelude
}

# page NAME [OLD=NEW]...
page() {
  write_prelude
  run_page.py "$BATS_TEST_DIRNAME/../../docs/$1.md" prelude "${@:2}"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# The pages' image debian has GNU tools: the tests' image gets those of this machine.
debian_image() {
  local root tool
  has_image debian && return
  root=$(mktemp -d)
  docker create --name copy test-image >/dev/null
  docker export copy | tar -C "$root" -x
  docker rm copy >/dev/null
  for tool in cp tar; do
    rm "$root/bin/$tool"
    cp -L "$(command -v "$tool")" "$root/bin/$tool"
    ldd "$root/bin/$tool" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
      install -D -m 0755 "$library" "$root$library"
    done
  done
  tar -C "$root" -c . | docker import - debian >/dev/null
  rm -rf "$root"
}

# beside NAME: this test is about a plugin of its own, with its pool inside
beside() {
  DRIVER=$1
  plugin stage
  echo "$1" >"$SNAPCLONE_BUILD/plugin/rootfs/tag"
  docker plugin create "$1" "$SNAPCLONE_BUILD/plugin"
  docker plugin enable "$1"
}

plugin_pool() {
  docker plugin inspect -f '{{range .Settings.Mounts}}{{.Source}}{{end}}' "$DRIVER"
}

# Each place with commands, as PAGE or, where a test runs the sections apart, PAGE#HEADING.
places_with_commands() {
  (
    cd "$BATS_TEST_DIRNAME/../.." || exit
    grep -l '^```sh' docs/*.md examples/*/*.md | grep -v '^docs/install.md$'
    awk '/^## / { heading = substr($0, 4) } /^```sh/ { print FILENAME "#" heading }' README.md docs/install.md | uniq
  ) | LC_ALL=C sort
}

@test "every place of the documentation that has commands is run by a test" {
  diff <(places_with_commands) - <<END
README.md#Install
README.md#Use
docs/consistency.md
docs/how-to.md
docs/install.md#From a clone
docs/install.md#From a registry
docs/install.md#Remove
docs/install.md#Upgrade
docs/install.md#With the pool in an image
docs/operations.md
docs/pools.md
docs/swarm.md
docs/tutorial.md
examples/compose/README.md
END
}

@test "a page whose commands could wait for ever is refused" {
  # shellcheck disable=SC2016 # the fences of Markdown
  printf '```sh\nuntil false; do sleep 1; done\n```\n' >page.md
  refused "page.md:2: this loop may wait for ever" run_page.py page.md /dev/null
  # shellcheck disable=SC2016
  printf '```sh\ntimeout 5 sh -c "until true; do sleep 1; done"\n```\n' >page.md
  run_page.py page.md /dev/null
}

@test "the tutorial works" {
  has_image postgres:17 || "$BATS_TEST_DIRNAME/../../scripts/postgres-image" postgres:17
  page tutorial
}

@test "the recipes work" {
  debian_image
  docker tag test-image my-image
  docker volume create old-volume
  page how-to
  docker volume rm old-volume
}

# section PAGE#HEADING: its commands, except that what they made stays
section() {
  write_prelude
  cat >>prelude <<'END'
docker() { [[ "$1 $2" == "volume rm" ]] || command docker "$@"; }
END
  run_page.py "$BATS_TEST_DIRNAME/../../docs/${1/\#/.md#}" prelude
}

# archivable VOLUME: what tar can keep of it. A socket is nothing without its program, and a container sees no attribute
# whose name begins with "trusted.".
archivable() { content "$1" | grep -v ' socket mode=' | sed 's/ trusted\.[^ ]*//g'; }

@test "a backup of everything that a file system can hold is restored as it was" {
  debian_image
  tree_in orders
  section operations#backup
  archivable orders-monday >before
  grep -q ' security.capability=' before
  archivable restored | diff before -
}

@test "what is brought in from another driver's volume is as it was there" {
  debian_image
  docker volume create old-volume
  DRIVER=local tree_in old-volume
  section how-to#bring-in-an-existing-volume
  archivable old-volume >before
  archivable imported | diff before -
  archivable imported-seed | diff before -
}

@test "what is said about operations works" {
  local status=0
  debian_image
  mkdir exporter
  start_registry "$PWD/registry"
  publish latest IMAGE=on
  beside snapclone-op
  tree_in kept
  snapshot kept kept-1
  content kept-1 >kept-before
  # The plugin's name also begins those of metrics.
  page operations snapclone="$DRIVER" "${DRIVER}_=snapclone_" "$DRIVER.prom=snapclone.prom" \
    /var/lib/prometheus/node-exporter="$PWD/exporter" "registry.example.com:5000/$DRIVER=$REGISTRY/snapclone" \
    "bin/$DRIVER=bin/snapclone" /srv/pool="$DISKS/more/pool" || status=1
  umount exporter || status=1
  content kept-1 | diff kept-before - || status=1
  content kept | diff kept-before - || status=1
  prints "$DISKS/more/pool" plugin_pool || status=1
  docker volume rm kept kept-1 || status=1
  docker plugin rm -f "$DRIVER" || status=1
  return "$status"
}

@test "what is said about pools works" {
  another
  docker plugin enable "$DRIVER"
  truncate -s 300M disk.img
  page pools snapclone=snapclone-more /dev/sdb1="$PWD/disk.img" /srv/pool="$PWD/disk"
  docker volume create -d "$DRIVER" kept
  prints '"btrfs"' status kept backend
  docker volume rm kept
  docker plugin rm -f "$DRIVER"
  umount disk
}

@test "what is said about consistency works" {
  volume db
  start my-db -v db:/data
  snapshot_of_nothing base
  start my-tests -v base:/data
  page consistency seed@3f2a9c01b2d4="$(docker exec my-tests df /data | awk 'NR == 2 { print $1 }')"
}

snapshot_of_nothing() {
  volume nothing
  snapshot nothing "$1"
}

# "make install" of the pages, with the plugin that was staged for the tests. It first removes the plugin of "another",
# which is in its way.
make() {
  local name=${DRIVER:-snapclone} setting variant=
  for setting in "${@:2}"; do
    case $setting in
      PLUGIN_NAME=*) name=${setting#*=} ;;
      POOL=*) POOL=${setting#*=} ;;
      IMAGE=*) variant=$setting ;;
    esac
  done
  docker volume ls -q --filter "driver=$name:latest" | xargs -r docker volume rm
  docker plugin rm -f "$name" 2>/dev/null || true
  stage "$name" "${variant:-POOL=$POOL}"
  plugin install "$name" "${variant:-POOL=$POOL}"
}
