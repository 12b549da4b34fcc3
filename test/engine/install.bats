# SPDX-License-Identifier: Apache-2.0
# From a registry to daily use: what "make push" publishes is installed, set, switched off and on, and upgraded, with
# Docker's own commands. The plugins of these tests stand beside the suite's.

load lib
load installing

setup_file() {
  use_own_build
  start_registry "$BATS_FILE_TMPDIR/registry"
  export DRIVER=installed repository=$REGISTRY/snapclone
  publish 1
  publish 2
}

teardown_file() { stop_registry "$BATS_FILE_TMPDIR/registry"; }

teardown() { finish_installing; }

@test "installing asks for the two capabilities and nothing else" {
  install 1
  grep -F "is requesting the following privileges:" prompt
  asks_for 'capabilities: [CAP_SYS_ADMIN CAP_DAC_READ_SEARCH]'
  prints true docker plugin inspect -f '{{.Enabled}}' "$DRIVER"
}

@test "whoever does not grant that has no plugin" {
  docker plugin ls >before
  refused "ermission denied while installing plugin" \
    docker plugin install --alias "$DRIVER" "$repository:1" <<<n
  docker plugin ls | diff before -
}

@test "the installed plugin gives every container a clone of its own" {
  install 1
  fill
  start one -v seed:/data
  inside one 'rm -r /data/deep; echo mine >/data/greeting'
  prints mine inside one 'cat /data/greeting'
  is_unchanged
}

@test "without an alias the driver has the registry's name" {
  called "$repository:1"
  docker plugin install "$DRIVER" <<<y
  volume db
  run_in db 'echo here >file'
  snapshot db seed
  prints here run_in seed 'cat file'
  prints $'db\nseed' docker volume ls -q --filter "driver=$DRIVER"
}

@test "settings given when it is installed hold from the first start" {
  install 1 LOG_LEVEL=debug BACKEND=copy
  volume db
  prints '"copy"' status db backend
  grep -E 'msg="Get .* plugin='"$(docker plugin inspect -f '{{.Id}}' "$DRIVER")" "$ENGINE/log"
}

@test "a setting that does not exist is refused before it starts" {
  refused 'setting "COLOUR" not found' install 1 COLOUR=blue
  prints false docker plugin inspect -f '{{.Enabled}}' "$DRIVER"
}

@test "a setting that cannot work is named in the log, and put right it starts" {
  local start
  start=$(wc -l <"$ENGINE/log")
  [[ $(stat -f -c %T "$PLUGIN_DATA") != btrfs ]] || skip "BACKEND=btrfs works here"
  refused "snapclone.sock" install 1 BACKEND=btrfs
  grep -F 'BACKEND=btrfs cannot work on this pool' <(tail -n "+$start" "$ENGINE/log")
  docker plugin set "$DRIVER" BACKEND=
  docker plugin enable "$DRIVER"
  volume db
}

@test "switched off, set and switched on, it has everything" {
  install 1
  fill
  refused "in use" docker plugin disable "$DRIVER"
  refused "cannot set on an active plugin" docker plugin set "$DRIVER" LOG_LEVEL=debug
  docker plugin disable -f "$DRIVER"
  docker plugin set "$DRIVER" LOG_LEVEL=debug
  docker plugin enable "$DRIVER"
  is_unchanged
  prints debug setting LOG_LEVEL
}

@test "an upgrade loses nothing, not even what a running container has in its clone" {
  install 1 LOG_LEVEL=debug
  prints 1 version
  fill
  start box -v seed:/data -v dev:/dev-data
  inside box 'echo mine >/data/greeting; rm -r /data/deep'
  manifest box >box-before
  refused "must be disabled" docker plugin upgrade --grant-all-permissions "$DRIVER" "$repository:2"
  docker plugin disable -f "$DRIVER"
  upgrade_to 2
  asks_for 'capabilities: [CAP_SYS_ADMIN CAP_DAC_READ_SEARCH]'
  docker plugin enable "$DRIVER"
  prints 2 version
  prints debug setting LOG_LEVEL

  manifest box | diff box-before -
  inside box 'echo more >/data/new'
  refused "is still in use by a container that the plugin knows nothing of" run_in dev true
  docker restart box
  prints hello inside box 'cat /data/greeting'
  end box
  is_unchanged
}

@test "an upgrade that fails leaves the plugin as it was" {
  install 1
  fill
  docker plugin disable -f "$DRIVER"
  refused "error resolving plugin reference" docker plugin upgrade --skip-remote-check --grant-all-permissions "$DRIVER" "$repository:9"
  refused "ermission denied while" docker plugin upgrade --skip-remote-check "$DRIVER" "$repository:2" <<<n
  docker plugin enable "$DRIVER"
  prints 1 version
  is_unchanged
}

@test "it is published as its version and as the latest, and the engine keeps nothing of it" {
  docker plugin ls >before
  plugin stage
  plugin push "$REGISTRY/made"
  docker plugin ls | diff before -
  prints "$(printf '%s\n' "$("$SNAPCLONE_BUILD/snapclone" --version | cut -d ' ' -f 2)" latest)" tags_of made
  docker plugin install --alias "$DRIVER" "$REGISTRY/made" <<<y
  volume db
  make -C "$BATS_TEST_DIRNAME/../.." --no-print-directory -n push REGISTRY=r.example/x TAG=t IMAGE=on >out
  grep -E 'TAG="t" .*scripts/plugin push "r.example/x" "POOL=" "IMAGE=on"' out
}

tags_of() { ls "$BATS_FILE_TMPDIR/registry/data/docker/registry/v2/repositories/$1/_manifests/tags"; }

# publishes VARIANT SUFFIX PRIVILEGE...: under a tag that ends so, and whoever installs that is asked for these as well
publishes() {
  plugin stage "$1"
  TAG=nightly plugin push "$REGISTRY/variant$2" "$1"
  prints "nightly$2" tags_of "variant$2"
  refused "ermission denied" docker plugin install --alias "$DRIVER" "$REGISTRY/variant$2:nightly$2" <<<n
  mv out prompt
  asks_for "${@:3}" 'capabilities: [CAP_SYS_ADMIN CAP_DAC_READ_SEARCH]'
}

@test "the variant for a pool has tags of its own, and asks for the pool too" {
  publishes POOL=/srv/pool -pool 'mount: [/srv/pool]'
}

@test "the variant with an image has tags of its own, and asks for all devices too" {
  publishes IMAGE=50g -image 'allow-all-devices: [true]'
}

@test "the variant with an image has one privilege, one flag and two settings more than the plugin, and nothing else" {
  plugin stage
  plugin stage IMAGE=50G
  /usr/bin/python3 - "$SNAPCLONE_BUILD" <<'END'
import json, sys

plain, image = (json.load(open(f"{sys.argv[1]}/{name}/config.json")) for name in ("plugin", "plugin-image"))
assert image["linux"].pop("allowAllDevices") is True
*image["entrypoint"], flag, value = image["entrypoint"]
assert (flag, value) == ("--image-default", "50g")
*image["env"], size, reserve = image["env"]
assert all(setting["settable"] == ["value"] and setting["description"] for setting in (size, reserve))
assert (size["name"], size["value"]) == ("IMAGE", "50g")
assert (reserve["name"], reserve["value"]) == ("IMAGE_RESERVE", "off")
assert image == plain
END
}

@test "IMAGE=off and an empty IMAGE mean the ordinary plugin" {
  prints "staged $SNAPCLONE_BUILD/plugin" plugin stage IMAGE=off
  prints "staged $SNAPCLONE_BUILD/plugin" plugin stage POOL= IMAGE=
}

@test "a variant that is not the staged one is not published" {
  plugin stage IMAGE=on
  refused 'run "make plugin IMAGE=50g" first' plugin push "$REGISTRY/image" IMAGE=50g
  plugin stage POOL=/srv/pool
  refused 'run "make plugin POOL=/srv/poo" first' plugin push "$REGISTRY/image" POOL=/srv/poo
}

@test "what cannot be published is refused, and the engine keeps nothing of it" {
  docker plugin ls >before
  plugin stage
  refused "Give REGISTRY=host:port/name" plugin push ""
  refused "is not the name of a repository" plugin push snapclone
  refused "is not the name of a repository" plugin push r.example/snapclone:1
  refused 'TAG=a/b has other characters' env TAG=a/b "$BATS_TEST_DIRNAME/../../scripts/plugin" push r.example/x
  refused "connection refused" plugin push localhost:1/snapclone
  docker plugin ls | diff before -
}

@test "an installed plugin of the same name is neither published nor touched" {
  called "$repository:1"
  docker plugin install "$DRIVER" <<<y
  fill
  plugin stage
  refused "is installed in this engine, and is not touched" \
    env TAG=1 "$BATS_TEST_DIRNAME/../../scripts/plugin" push "$repository"
  is_unchanged
}

@test "uninstalling does not delete a volume that the engine does not list" {
  install 1
  fill
  docker volume rm seed dev
  hide db
  prints "" docker volume ls -q --filter "driver=$DRIVER:latest"
  refused "would be deleted with it" plugin uninstall "$DRIVER"
  grep -xF db out
  # What the sentence advises.
  docker volume rm db
  prints "$DRIVER:latest" docker volume inspect -f '{{.Driver}}' db
  prints 'of db' run_in db 'cat mine'
  docker volume rm db
  prints "The plugin \"$DRIVER:latest\" is removed. It had no volumes." plugin uninstall "$DRIVER"
}

@test "told to, uninstalling names the volumes that it deletes, also one that is hidden" {
  install 1
  volume db
  volume other
  hide db
  FORCE=1 prints "The plugin \"$DRIVER:latest\" is removed, with its volumes: other, db." plugin uninstall "$DRIVER"
  only_volumes db
}

@test "uninstalling is refused while a container runs with a volume, even if the volumes are to go" {
  install 1
  volume db
  start box -v db:/data
  FORCE=1 refused "These containers use volumes of the plugin \"$DRIVER:latest\": box" plugin uninstall "$DRIVER"
  inside box 'echo still here >/data/file'
  end box
  FORCE=1 plugin uninstall "$DRIVER"
  prints "" docker volume ls -q
}

@test "uninstalling is refused while an image does not show what it holds" {
  install 1
  touch "$(data_of "$DRIVER")/pool.img"
  refused "has an image that may hold volumes" plugin uninstall "$DRIVER"
  grep -F "$(data_of "$DRIVER")/pool.img is not mounted" out
  docker plugin disable "$DRIVER"
  refused "is disabled, so nobody can say which volumes it has" plugin uninstall "$DRIVER"
  [[ -e $(data_of "$DRIVER")/pool.img ]]
  FORCE=1 plugin uninstall "$DRIVER"
}

@test "installing over another variant says where the volumes are, and the commands are of the variant that is there" {
  install 1
  plugin stage IMAGE=on
  refused "Its volumes lie inside it, and cannot be moved." plugin install "$DRIVER" IMAGE=on
  grep -F "make install IMAGE=on PLUGIN_NAME=$DRIVER-new" out
  docker plugin create imaged "$SNAPCLONE_BUILD/plugin-image"
  refused "Its volumes lie inside it, in an image, and cannot be moved." plugin install imaged
  refused "The size of its image is a setting" plugin install imaged IMAGE=50g
  grep -F "docker plugin set imaged IMAGE=50g" out
  grep -F "make plugin IMAGE=50g" out
  grep -F "sudo install -m 0755 $SNAPCLONE_BUILD/plugin-image/rootfs/usr/bin/snapclone $ENGINE/data/plugins/" out
}

@test "installing over a plugin that is disabled says how to switch it on and how to renew it" {
  install 1
  docker plugin disable "$DRIVER"
  plugin stage
  refused "docker plugin enable $DRIVER" plugin install "$DRIVER"
  grep -F "It is disabled. To switch it on as it is:" out
  grep -F "sudo install -m 0755 $SNAPCLONE_BUILD/plugin/rootfs/usr/bin/snapclone $ENGINE/data/plugins/" out
  prints false docker plugin inspect -f '{{.Enabled}}' "$DRIVER"
}

# before_building SENTENCE ARGUMENT...: make refuses, and nothing was built or asked of CMake
before_building() {
  refused "$1" make -C "$BATS_TEST_DIRNAME/../.." --no-print-directory "${@:2}"
  [[ $(<out) != *cmake* ]]
}

@test "what keeps it from being installed is said before anything is built" {
  before_building "PLUGIN_NAME=Bad Name cannot be the name of a plugin" install PLUGIN_NAME='Bad Name'
  refused "cannot be the name of a plugin" plugin install Snapclone
  before_building 'The plugin "snapclone" is installed already' install
  before_building "POOL=$PWD/missing does not exist" install PLUGIN_NAME=other POOL="$PWD/missing"
  before_building "and IMAGE=on cannot go together" install PLUGIN_NAME=other POOL="$PWD" IMAGE=on
  before_building 'The plugin "snapclone" is installed already' install IMAGE=on
  before_building "and what is built here is for linux/riscv64" install PLUGIN_NAME=other ARCH=riscv64
  DOCKER_HOST=unix://$PWD/no.sock before_building "No Docker engine answers at unix://$PWD/no.sock" install
  without_docker before_building "There is no docker command here" install
}

# A PATH with all commands but one
without_docker() {
  local PATH=$PWD/bin
  if [[ ! -e bin ]]; then
    /usr/bin/mkdir bin
    /usr/bin/ln -s /usr/bin/* bin
    /usr/bin/rm bin/docker
  fi
  "$@"
}

@test "an IMAGE that cannot be one is refused before anything is built" {
  local wrong
  for wrong in 5x 100 512m 0g 16t 16384g auto; do
    before_building "IMAGE=$wrong is not known: it is on, off, or a size" plugin IMAGE="$wrong"
  done
}

@test "what keeps it from being published is said before anything is built" {
  docker plugin ls >before
  before_building "Give REGISTRY=host:port/name" push
  before_building "is not the name of a repository" push REGISTRY=snapclone
  before_building "TAG=a/b has other characters" push REGISTRY=r.example/x TAG=a/b
  before_building "does not reach the registry of REGISTRY=localhost:1/x" push REGISTRY=localhost:1/x
  grep -F "connection refused" out
  DOCKER_HOST=unix://$PWD/no.sock before_building "No Docker engine answers" push REGISTRY="$REGISTRY/new"
  called "$repository:1"
  docker plugin install "$DRIVER" <<<y
  before_building "is installed in this engine, and is not touched" push REGISTRY="$repository" TAG=1
  docker plugin rm -f "$DRIVER"
  plugin check-push "$repository"
  plugin check-push "$REGISTRY/new"
  docker plugin ls | diff before -
}
