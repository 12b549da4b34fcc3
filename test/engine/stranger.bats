# SPDX-License-Identifier: Apache-2.0
# Someone with the README, a registry and an engine of their own: the commands are the README's, as they stand there.

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
  make_my_image
}

teardown_file() {
  engine stop
  stop_registry "$BATS_FILE_TMPDIR/registry"
}

teardown() { [[ -n ${BATS_TEST_COMPLETED:-} ]] || show_log; }

# my-image of the README, with the two programs that it stands for.
make_my_image() {
  local programs=$BATS_FILE_TMPDIR/programs
  mkdir -p "$programs/bin"
  # shellcheck disable=SC2016 # for the container's shell
  printf '#!/bin/sh\necho loaded >"$1/table"\n' >"$programs/bin/load-test-data"
  # shellcheck disable=SC2016
  printf '#!/bin/sh\n[ "$(cat /data/table)" = loaded ] && echo changed >/data/table\n' >"$programs/bin/run-tests"
  chmod 0755 "$programs"/bin/*
  docker create --name copy test-image
  docker cp "$programs/bin" copy:/
  docker commit copy my-image
  docker rm copy
}

# readme SECTION: all its commands
readme() {
  run_page.py "$BATS_TEST_DIRNAME/../../README.md#$1" /dev/null registry.example.com:5000="$REGISTRY"
}

table_in() { run_in "$1" 'cat table'; }

installed() {
  prints 'snapclone:latest true' docker plugin ls --format '{{.Name}} {{.Enabled}}'
  PLUGIN_ID=$(docker plugin inspect -f '{{.Id}}' snapclone)
  PLUGIN_DATA=$ENGINE/data/plugins/$PLUGIN_ID/propagated-mount
  prints "$1" cat "$PLUGIN_DATA/../rootfs/tag"
}

has_what_was_made() {
  only_volumes db seed dev after-tests
  prints loaded table_in db
  prints loaded table_in seed
  prints changed table_in after-tests
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

@test "with the README and a registry a stranger installs it, uses it, upgrades it and removes it" {
  readme install <<<y
  installed old

  readme use
  has_what_was_made
  prints loaded table_in dev
  prints '"snapshot"' status seed kind
  prints '"volume"' status dev kind
  prints '"snapshot"' status after-tests kind
  prints "" docker ps -aq

  start worker -v seed:/data -v dev:/dev-data
  inside worker 'echo mine >/data/table; echo kept >/dev-data/table'
  readme upgrade-switch-off-remove
  installed 0.2.0
  prints $'mine\nkept' inside worker 'cat /data/table /dev-data/table'
  inside worker 'echo more >>/data/table'
  refused "in use by a container" table_in dev
  has_what_was_made
  end worker
  prints kept table_in dev
  eventually no_leftovers

  start late -v seed:/data
  refused "volume is in use" readme remove
  only_volumes seed
  refused "in use" docker plugin disable snapclone
  prints loaded inside late 'cat /data/table'
  end late

  hide_behind_a_local_one kept
  refused "failed with status 1" readme remove
  prints "" docker volume ls -q --filter driver=snapclone:latest
  docker volume rm kept
  prints here table_in kept
  readme remove
  only_volumes
  prints "" docker plugin ls -q
  prints "" find "$ENGINE/data/plugins" -name propagated-mount
  [[ $(docker info --format '{{.Plugins.Volume}}') == '[local]' ]]
}
