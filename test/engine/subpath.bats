# SPDX-License-Identifier: Apache-2.0
# volume-subpath, which engines have from 26 (API 1.45) on: a part of a volume at the target.

load lib

seed() {
  volume db
  run_in db 'mkdir -p a/b; echo inner >a/b/file; echo outer >file'
  snapshot db seed
}

# part CONTAINER SUBPATH: a container with that part of a clone
part() { start "$1" --mount "type=volume,source=seed,target=/data,volume-subpath=$2"; }

knows_subpath() { printf '1.45\n%s\n' "$(docker version -f '{{.Server.APIVersion}}')" | sort -V -C; }

@test "a container gets a part of its own clone where the engine knows volume-subpath, and never another's" {
  seed
  if knows_subpath; then
    part one a/b
    part two a/b
    prints $'file\ninner' inside one 'ls /data; cat /data/file'
    inside one 'echo mine >/data/file'
    prints inner inside two 'cat /data/file'
    refused "no such file or directory" part three missing
    prints 2 status seed clones
  elif part one a/b 2>error; then
    prints $'a\nfile' inside one 'ls /data'
  else
    grep volume-subpath error
  fi
  prints $'outer\ninner' run_in seed 'cat file a/b/file'
}
