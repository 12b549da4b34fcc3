# SPDX-License-Identifier: Apache-2.0
# What other users of the machine can get at: nothing.

load lib
load outside

# as_another DIRECTORY COMMAND...: another user of the machine, who stands there already: no directory above protects it
as_another() { (cd "$1" && setpriv --reuid 65534 --regid 65534 --clear-groups "${@:2}"); }

# others_find DIRECTORY DEPTH: what such a user finds from that depth on
others_find() { as_another "$1" find . -mindepth "$2" 2>/dev/null || true; }

@test "no other user of the machine reaches what is in the pool, or mounted" {
  local mounted
  volume db
  run_in db 'echo secret >file; chmod 0777 . file'
  snapshot db seed
  start box -v seed:/data -v db:/plain
  mounted=$(basename "$PLUGIN_DATA"/mnt/clones/*)
  [[ -e $PLUGIN_DATA/mnt/clones/$mounted/file && -e $PLUGIN_DATA/mnt/volumes/db/file ]]
  others_find "$PLUGIN_DATA" 1 | grep -x ./pool
  prints '' others_find "$PLUGIN_DATA/pool" 1
  refused 'Permission denied' as_another "$PLUGIN_DATA/mnt" cat "clones/$mounted/file"
  refused 'Permission denied' as_another "$PLUGIN_DATA/mnt" cat volumes/db/file
  prints '' find "$PLUGIN_DATA"/pool -maxdepth 1 ! -uid 0 -o -maxdepth 1 -perm /077
}

@test "a pool in a directory that others may enter, and with modes that a copy made, is closed to them" {
  mkdir -m 0755 pool
  serve it
  ask_it Create '{"Name":"db"}'
  end_it
  umount pool/mnt
  find pool -type d -exec chmod 0755 {} +
  find pool -type f -exec chmod 0644 {} +
  chown -R 65534:65534 pool/layers pool/lock
  others_find pool 2 | grep -F layers
  serve it
  prints '' others_find pool 2
  prints '' find pool -mindepth 1 -maxdepth 1 ! -uid 0 -o -mindepth 1 -maxdepth 1 -perm /077
  prints 755 stat -c %a pool
  ask_it Mount '{"Name":"db","ID":"id"}' | grep -F '"Err":""'
  ask_it Unmount '{"Name":"db","ID":"id"}' | grep -F '"Err":""'
}

@test "a pool that others than root could change is refused, and nothing is made in it" {
  mkdir -m 0775 pool
  refused 'could be changed by others than root: it belongs to user 0 and its mode is 0775' \
    "$(program)" --socket x.sock --pool pool
  chmod 0755 pool
  chown 65534 pool
  refused 'it belongs to user 65534 and its mode is 0755' "$(program)" --socket x.sock --pool pool
  [[ -z $(ls -A pool) && ! -e x.sock ]]
}
