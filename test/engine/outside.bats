# SPDX-License-Identifier: Apache-2.0
# The same program outside a managed plugin: as a command, and as a driver that the engine finds by its socket.

load lib

program() { echo "${SNAPCLONE_PROGRAM:-$BATS_TEST_DIRNAME/../../build/snapclone}"; }

# serve NAME [OPTION...]: the program on a socket and pool of this test
serve() {
  socket=$BATS_TEST_TMPDIR/$1.sock
  "$(program)" --socket "$socket" --pool "$BATS_TEST_TMPDIR/pool" "${@:2}" >"$1.log" 2>&1 3>&- &
  served=$!
  eventually test -S "$socket"
}

# "wait" alone would wait for the limit on the test's time as well.
# The engine goes on asking a driver it has known once, for 15 s at each "docker volume ls".
teardown() {
  if [[ -n ${driver:-} ]]; then
    rm -f "/run/docker/plugins/$driver.sock"
    restart_engine
  fi
  if [[ -n ${served:-} ]]; then
    kill -TERM "$served" 2>/dev/null || true
    wait "$served" || true
  fi
  [[ ! -d pool/mnt ]] || umount pool/mnt 2>/dev/null || true
  [[ ! -d here ]] || umount -R here
  finish
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

@test "it tells its version and how to use it" {
  "$(program)" --version | grep -qE '^snapclone [0-9]+\.[0-9]+\.[0-9]+$'
  "$(program)" --help | grep -qF -- '--socket PATH'
}

@test "arguments that are wrong or missing are named" {
  refused 'unknown argument "--sock"' "$(program)" --sock x
  refused '--socket needs a value' "$(program)" --socket
  refused '--socket is missing' "$(program)" --pool x
  refused '--pool is missing' "$(program)" --socket x
  refused 'log level "loud" is not known' "$(program)" --socket x --pool pool --log-level loud
  [[ ! -e pool ]]
}

@test "a second one on the same pool stops at once" {
  serve first
  refused 'is in use by another snapclone' "$(program)" --socket other.sock --pool pool
  [[ ! -e other.sock ]]
}

@test "on a pool that overlayfs cannot use it stops and says why" {
  mkdir lower upper work here
  mount -t tmpfs none upper
  mkdir upper/{upper,work}
  mount -t overlay none -o lowerdir=lower,upperdir=upper/upper,workdir=upper/work here
  umount -l upper
  refused 'overlayfs does not work on this pool' "$(program)" --socket x.sock --pool here/pool
  [[ ! -e x.sock ]]
}

@test "told to end, it ends, unmounts nothing and takes its socket away" {
  serve it
  ask.py "$socket" Create '{"Name":"db"}'
  ask.py "$socket" Mount '{"Name":"db","ID":"id"}'
  echo kept >pool/mnt/volumes/db/file
  kill -TERM "$served"
  eventually is_gone "$served"
  [[ ! -e $socket ]]
  prints kept cat pool/mnt/volumes/db/file
  serve it
  ask.py "$socket" Unmount '{"Name":"db","ID":"id"}'
  [[ ! -e pool/mnt/volumes/db ]]
}

@test "an engine uses it by its socket, with clones for every container" {
  driver=snapclone-test-$$
  mkdir -p /run/docker/plugins
  serve it
  ln -s "$socket" "/run/docker/plugins/$driver.sock"
  docker volume create -d "$driver" base >/dev/null
  docker run --rm --network none -v base:/data test-image sh -c 'echo sealed >/data/file'
  docker volume create -d "$driver" -o snapshot-of=base seed >/dev/null
  start one -v seed:/data
  start two -v seed:/data
  inside one 'echo mine >/data/file'
  prints mine inside one 'cat /data/file'
  prints sealed inside two 'cat /data/file'
  docker rm -f one two >/dev/null
  docker volume rm seed base >/dev/null
  prints '' find pool/layers pool/clones -mindepth 2
}
