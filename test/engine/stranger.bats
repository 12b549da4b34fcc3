# SPDX-License-Identifier: Apache-2.0
# Someone with the README, a clone of the repository or a registry, and an engine of their own: the commands are those of
# README.md and docs/install.md, as they stand there.

load lib
load registry

# The suite's engine is the publisher's, who has published two versions. The stranger's is another one.
setup_file() {
  use_own_build
  start_registry "$BATS_FILE_TMPDIR/registry"
  plugin stage
  echo old >"$SNAPCLONE_BUILD/plugin/rootfs/tag"
  plugin push "$REGISTRY/snapclone"
  publish 0.2.0
  docker save test-image -o "$BATS_FILE_TMPDIR/image.tar"
  export ENGINE=$ENGINE-stranger
  "$BATS_TEST_DIRNAME/../../scripts/private-engine" start "$ENGINE" >/dev/null
  export DOCKER_HOST=unix://$ENGINE/docker.sock DOCKER_CONFIG=$ENGINE/cli
  docker load -i "$BATS_FILE_TMPDIR/image.tar"
  docker tag test-image busybox
}

teardown_file() {
  engine stop
  stop_registry "$BATS_FILE_TMPDIR/registry"
}

teardown() { [[ -n ${BATS_TEST_COMPLETED:-} ]] || show_log; }

# "make install" of the pages, without the build: the program under test is built already.
write_prelude() {
  cat >prelude <<END
make() {
  "$BATS_TEST_DIRNAME/../../scripts/plugin" stage
  "$BATS_TEST_DIRNAME/../../scripts/plugin" install snapclone
}
END
}

# section PAGE#SECTION: all its commands
section() {
  write_prelude
  run_page.py "$BATS_TEST_DIRNAME/../../$1" prelude registry.example.com:5000="$REGISTRY"
}

table_in() { run_in "$1" 'cat table'; }

installed() {
  prints 'snapclone:latest true' docker plugin ls --format '{{.Name}} {{.Enabled}}'
  PLUGIN_ID=$(docker plugin inspect -f '{{.Id}}' snapclone)
  PLUGIN_DATA=$ENGINE/data/plugins/$PLUGIN_ID/propagated-mount
  prints "$1" cat "$PLUGIN_DATA/../rootfs/tag"
}

nothing_is_installed() {
  prints "" docker plugin ls -q
  prints "" find "$ENGINE/data/plugins" -name propagated-mount
  [[ $(docker info --format '{{.Plugins.Volume}}') == '[local]' ]]
}

make_volumes() {
  volume db
  run_in db 'echo loaded >table'
  snapshot db seed
  clone_of seed dev
}

has_what_was_made() {
  only_volumes db seed dev
  prints loaded table_in db
  prints loaded table_in seed
}

# The engine forgets that the plugin has a volume, lists another one in its place, and would let the plugin go.
hide_behind_a_local_one() {
  volume "$1"
  run_in "$1" 'echo here >table'
  docker plugin disable -f snapclone
  engine restart
  docker volume create "$1"
  docker plugin enable snapclone
  engine restart
  eventually is_enabled
}

@test "with the README and a clone of the repository a stranger installs it, uses it and removes it" {
  section README.md#install
  prints 'snapclone:latest true' docker plugin ls --format '{{.Name}} {{.Enabled}}'
  section README.md#use
  only_volumes
  prints "" docker ps -aq
  section docs/install.md#remove
  nothing_is_installed
}

@test "make install of the installing page does the same, and a second one changes nothing" {
  section docs/install.md#from-a-clone
  make_volumes
  refused "installed already. Nothing was changed" section docs/install.md#from-a-clone
  has_what_was_made
  docker volume rm db seed dev
  section docs/install.md#remove
  nothing_is_installed
}

@test "with a registry a stranger installs it, uses it, upgrades it and removes it" {
  section docs/install.md#from-a-registry <<<y
  installed old

  make_volumes
  has_what_was_made
  prints loaded table_in dev
  prints '"snapshot"' status seed kind
  prints '"volume"' status dev kind

  start worker -v seed:/data -v dev:/dev-data
  inside worker 'echo mine >/data/table; echo kept >/dev-data/table'
  section docs/install.md#upgrade
  installed 0.2.0
  prints $'mine\nkept' inside worker 'cat /data/table /dev-data/table'
  inside worker 'echo more >>/data/table'
  refused "in use by a container" table_in dev
  has_what_was_made
  end worker
  prints kept table_in dev
  eventually no_leftovers

  start late -v seed:/data
  refused "volume is in use" section docs/install.md#remove
  only_volumes seed
  refused "in use" docker plugin disable snapclone
  prints loaded inside late 'cat /data/table'
  end late

  hide_behind_a_local_one kept
  refused "failed with status 1" section docs/install.md#remove
  prints "" docker volume ls -q --filter driver=snapclone:latest
  docker volume rm kept
  prints here table_in kept
  section docs/install.md#remove
  only_volumes
  nothing_is_installed
}
