# SPDX-License-Identifier: Apache-2.0
# What every test file loads. A test begins in an empty directory of its own, on an engine without containers and
# volumes, and may leave both behind: the teardown removes them and proves that nothing else is left.

PATH=$BATS_TEST_DIRNAME:$PATH  # the tools beside this file

setup() {
  cd "$BATS_TEST_TMPDIR" || exit
  log_start=$(wc -l <"$ENGINE/log")
}

teardown() { finish; }

# In here "return" always says what: alone it would return the status of the test, as teardown runs in a trap.
finish() {
  local failed=0 names
  [[ -n ${BATS_TEST_COMPLETED:-} ]] || failed=1
  names=$(docker ps -aq)
  # shellcheck disable=SC2086 # one word each
  [[ -z $names ]] || docker rm -fv $names >/dev/null || failed=1
  nothing_left || failed=1
  names=$(docker volume ls -q)
  # shellcheck disable=SC2086
  [[ -z $names ]] || docker volume rm $names >/dev/null || failed=1
  nothing_left || failed=1
  nothing_refused || failed=1
  [[ $failed -eq 0 ]] || show_log
  return "$failed"
}

# Nothing of the pool but what its records name, when no container is there any more. What a test has left behind is
# held against it, and not against those after it.
nothing_left() {
  eventually no_leftovers && return 0
  echo "left behind:"
  leftovers | tee -a "$ENGINE/left-behind"
  return 1
}

leftovers() {
  touch "$ENGINE/left-behind"
  leftovers.py "$PLUGIN_DATA" | grep -vxFf "$ENGINE/left-behind"
}

no_leftovers() { [[ -z $(leftovers) ]]; }

# The plugins run with LOG_LEVEL=debug, so they say when the filter of system calls has refused one.
nothing_refused() { ! log_of_the_test | grep -F 'refused to make the system call'; }

log_of_the_test() { tail -n "+$((log_start + 1))" "$ENGINE/log"; }

# logged TEXT: since the test began
logged() { log_of_the_test | grep -qF -- "$1"; }

show_log() {
  echo "the plugin's log, and the engine's errors:"
  log_of_the_test | grep -E 'plugin=|level=error' | tail -n 40
}

# Repeats "$@" until it succeeds. The limit, $LIMIT seconds, is generous: only a failure waits for it.
eventually() {
  local end=$((SECONDS + ${LIMIT:-30}))
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# volume NAME [OPTION...]: of the plugin, or of $DRIVER
volume() { docker volume create -d "${DRIVER:-snapclone}" "${@:2}" "$1" >/dev/null; }

# snapshot SOURCE NAME [OPTION...]
snapshot() { volume "$2" -o "snapshot-of=$1" "${@:3}"; }

# clone_of SOURCE NAME
clone_of() { volume "$2" -o "clone-of=$1"; }

# run_in VOLUME SCRIPT: a container of one command, with the volume as its /data and working directory
run_in() { docker run --rm --network none -v "$1:/data" test-image sh -c "cd /data && $2"; }

# start CONTAINER [OPTION...]: a container that waits, with docker run's options
start() { docker run -d --network none --name "$1" "${@:2}" test-image >/dev/null; }

# inside CONTAINER SCRIPT
inside() { docker exec "$1" sh -c "$2"; }

end() { docker rm -fv "$@" >/dev/null; }

# at CONTAINER [PATH]: that directory as the container sees it, for tools on the host
at() { echo "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/root${2:-/data}"; }

# manifest CONTAINER [PATH]: everything the container sees there
manifest() { manifest.py "$(at "$@")"; }

# content VOLUME: the manifest of a volume, or of a new clone of a snapshot
content() {
  start reader -v "$1:/data"
  manifest reader
  end reader
}

# Makes the volume "$1" with one of everything a file system can hold.
tree_in() {
  volume "$1"
  start filler -v "$1:/data"
  make_tree.py "$(at filler)"
  end filler
}

# A volume db, its snapshot seed and a volume dev made of that: with everything a file system can hold, and db and dev with
# something of their own.
fill() {
  tree_in db
  snapshot db seed
  clone_of seed dev
  run_in dev 'echo of dev >mine'
  run_in db 'echo of db >mine'
  show >before
}

show() {
  content seed
  content dev
  content db
}

is_unchanged() {
  only_volumes db seed dev
  show | diff before -
}

# record VOLUME FIELD: from the record the plugin keeps, as JSON
record() {
  /usr/bin/python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1])).get(sys.argv[2])))' \
    "$PLUGIN_DATA/pool/volumes/$1/volume.json" "$2"
}

# layers VOLUME: the manifests of its sealed layers, which nothing may ever change
layers() {
  local id
  for id in $(record "$1" stack | tr -d '[],"'); do
    manifest.py "$PLUGIN_DATA/pool/layers/$id/fs"
  done
}

# status VOLUME FIELD: from docker volume inspect
status() { docker volume inspect -f "{{json .Status.$2}}" "$1"; }

# prints TEXT COMMAND...: the command succeeds with that output
prints() {
  local expected=$1 got
  shift
  if ! got=$("$@"); then
    echo "failed:   $*"
    return 1
  fi
  [[ $got != "$expected" ]] || return 0
  printf 'command:  %s\nexpected: %q\ngot:      %q\n' "$*" "$expected" "$got"
  return 1
}

# refused SENTENCE COMMAND...: the command fails and says so
refused() {
  local sentence=$1
  shift
  if "$@" >out 2>&1; then
    echo "was not refused: $*"
    return 1
  fi
  grep -qF -- "$sentence" out && return 0
  echo "expected: $sentence"
  echo "got:      $(cat out)"
  return 1
}

# refuses_to_start SENTENCE: the engine cannot enable the plugin, and its log says why.
refuses_to_start() {
  local start
  start=$(wc -l <"$ENGINE/log")
  if docker plugin enable "$DRIVER"; then
    echo "was not refused: to start $DRIVER"
    return 1
  fi
  tail -n "+$((start + 1))" "$ENGINE/log" >refusal
  grep -qF -- "$1" refusal && return 0
  echo "expected: $1"
  return 1
}

# ask METHOD JSON: a request to the plugin itself, for what the engine never passes on
ask() {
  ask.py "/run/docker/plugins/$PLUGIN_ID/snapclone.sock" "$@"
}

# only_volumes [VOLUME...]: these are all there are
only_volumes() { diff <(printf '%s\n' "$@" | sed '/^$/d' | sort) <(docker volume ls -q | sort); }

engine() { "$BATS_TEST_DIRNAME/../../scripts/private-engine" "$1" "$ENGINE"; }

restart_engine() {
  engine restart
  eventually is_enabled
  eventually plugin_answers
  revive_plugins
}

# An engine that finds a plugin of its killed predecessor ends it and starts it again, and now and then unmounts the
# plugin's directory after it was mounted for the new start (moby: HandleExitEvent races with enable). Then no mount of
# that plugin reaches the host, whatever the plugin does, until it is started once more.
revive_plugins() {
  local plugin id
  while read -r plugin id; do
    mountpoint -q "$ENGINE/data/plugins/$id/propagated-mount" && continue
    echo "the engine has lost the mounts of $plugin: starting it again"
    start_again "$plugin"
  done < <(docker plugin ls --no-trunc --filter enabled=true --format '{{.Name}} {{.ID}}')
}

# start_again PLUGIN [OPTION...]: with docker plugin enable's options
# The engine unmounts the plugin's directory after it has said that the plugin is disabled: see above.
start_again() {
  local mounted
  mounted=$ENGINE/data/plugins/$(docker plugin inspect -f '{{.Id}}' "$1")/propagated-mount
  docker plugin disable -f "$1"
  eventually is_unmounted "$mounted"
  docker plugin enable "${@:2}" "$1"
  eventually plugin_answers
}

is_unmounted() { ! mountpoint -q "$1"; }

# The process in the plugin's container, by its control group.
plugin_process() {
  local pid
  for pid in $(pgrep -x snapclone); do
    if grep -qsF "$PLUGIN_ID" "/proc/$pid/cgroup"; then
      echo "$pid"
      return 0
    fi
  done
  return 1
}

is_enabled() { [[ $(docker plugin inspect -f '{{.Enabled}}' snapclone) == true ]]; }

plugin_answers() { ask Capabilities '{}' >/dev/null 2>&1; }
